"""Work in chunks: each result is kept when it is finished, and processes share what is left."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bitknap.problems.documents import load_document
from bitknap.problems.errors import DataError
from bitknap.problems.storage import read_file, write_atomically

from ..table.archive import Arrays, decode, document, encode, text
from ..table.provenance import changes
from .meter import Meter
from .ranks import Ranks

FORMAT = "bitknap.chunks/2"
COST = "cost"
"""The member of a chunk that says what it took."""
PLACE = "place"
"""The member that says which chunk of which pass it is, so that a copy is not taken for another."""

Progress = Callable[[str, int, int], None]


class Checkpoint:
    """Results of chunks of work, kept in a folder so that a stopped run can resume.

    One file per chunk, ``METRIC.PASS.HASH/NUMBER.npz``, where the hash covers the number of chunks
    and the metric's settings; ``provenance.json`` holds what the chunks were computed from. With
    several processes the missing chunks are dealt out in turn, and every process gets all results
    in the same order. A result is used as it was computed, so neither an interruption nor the
    number of processes changes a bit of what is made of it.
    """

    def __init__(
        self,
        folder: Path | None = None,
        ranks: Ranks | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.ranks, self.say = folder, ranks or Ranks(), say
        self._metric, self._meter = "", Meter()
        self._before: dict[str, float] = {}

    def open(self, provenance: Mapping[str, Any]) -> None:
        """Drop chunks of other inputs, and name the inputs that differ.

        Raises:
            DataError: the processes of a run have different inputs.
        """
        mine = {"format": FORMAT, **json.loads(json.dumps(provenance))}
        for rank, other in enumerate(map(json.loads, self.ranks.gather(json.dumps(mine).encode()))):
            if differ := changes(mine, other):
                raise DataError(
                    f"processes {self.ranks.rank} and {rank} of this run have other "
                    f"{', '.join(differ)}; all must load the same network and data"
                )
        if self.folder is not None and self.ranks.tidies:
            self._drop_stale(self.folder, mine)
        self.ranks.gather(b"")

    def begin(self, metric: str, meter: Meter) -> None:
        """Chunks from now on belong to this metric, and what they cost is measured by the meter."""
        self._metric, self._meter, self._before = metric, meter, {}

    def cost(self) -> dict[str, float]:
        """What the metric took, stored chunks and other processes included.

        Seconds by the wall clock are those of this process and of chunks from earlier runs.
        """
        return _add(self._meter.so_far(), self._before)

    def discard(self, metrics: Collection[str]) -> None:
        """Remove the chunks of finished metrics, and the folder once it is empty."""
        self.ranks.gather(b"")
        if self.folder is None or not self.folder.is_dir() or not self.ranks.tidies:
            return
        for stage in self.folder.glob("*/"):
            if stage.name.split(".")[0] in metrics:
                shutil.rmtree(stage, ignore_errors=True)
        if not any(self.folder.glob("*/")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def map(
        self,
        what: str,
        count: int,
        compute: Callable[[int], Arrays],
        progress: Progress,
        settings: object = "",
    ) -> Iterator[Arrays]:
        """``compute(0)``, ..., ``compute(count - 1)``, of which stored ones are read.

        Args:
            compute: gives the arrays of a chunk; may not depend on other chunks.
            progress: called with (what, done, total).
            settings: whatever else the results depend on, by its repr.
        """
        stage = self._stage(what, count, settings)
        held = stage.found(self.say)
        owners = self.ranks.owners(held, count)
        missing = [number for number, owner in enumerate(owners) if owner is None]
        if len(missing) < count:
            self.say(f"{what}: resuming at {count - len(missing)} of {count}")
        dealt = {number: turn % self.ranks.size for turn, number in enumerate(missing)}
        mine = [number for number, rank in dealt.items() if rank == self.ranks.rank]
        if self.ranks.size > 1:
            for done, number in enumerate(mine):
                progress(what, min(count, count - len(missing) + done * self.ranks.size), count)
                stage.save(number, encode(self._measured(stage, number, compute)))
        for number, owner in enumerate(owners):
            if self.ranks.size > 1:
                source = dealt[number] if owner is None else owner
                encoded = (
                    self._recalled(stage, number, compute) if source == self.ranks.rank else b""
                )
                result = decode(self.ranks.broadcast(encoded, source))
            elif number in dealt:
                progress(what, number, count)
                result = self._measured(stage, number, compute)
                stage.save(number, encode(result))
            else:
                result = decode(self._recalled(stage, number, compute))
            spent = document(result.pop(COST))
            del result[PLACE]
            if number not in mine:
                self._before = _add(self._before, spent, elapsed=number not in dealt)
            yield result
        progress(what, count, count)

    def iterate(
        self,
        what: str,
        state: Arrays,
        step: Callable[[int, Arrays], Arrays],
        most: int,
        settings: object = "",
    ) -> Iterator[Arrays]:
        """The states after steps 1, 2, ..., each from the one before; the newest alone is kept.

        Args:
            step: ``step(number, state)``, which may `map` under the name ``f"{what} {number}"``;
                those chunks go when the state is kept.
            most: number of steps, unless the consumer stops earlier.
            settings: whatever else the states depend on, by its repr.
        """
        stage = self._stage(what, most, settings)
        owners = self.ranks.owners(stage.found(self.say), most + 1)
        stored = [(number, owner) for number, owner in enumerate(owners) if owner is not None]
        newest, owner = stored[-1] if stored else (0, 0)
        if newest:
            self.say(f"{what}: resuming after {newest}")
            encoded = stage.load(newest) if owner == self.ranks.rank else b""
            state = decode(self.ranks.broadcast(encoded, owner))
            self._before = _add(self._before, document(state.pop(COST)))
            del state[PLACE]
            yield state
        for number in range(newest + 1, most + 1):
            state = step(number, state)
            if self.ranks.tidies:
                place = text(stage.place(number))
                stage.save(number, encode({**state, COST: text(self.cost()), PLACE: place}))
                stage.remove(number - 1)
                self._remove(f"{what} {number}")
            yield state

    def _recalled(self, stage: _PassChunks, number: int, compute: Callable[[int], Arrays]) -> bytes:
        try:
            return stage.load(number)
        except FileNotFoundError:
            # Another run of the same table has finished and cleaned up.
            return encode(self._measured(stage, number, compute))

    def _measured(
        self, stage: _PassChunks, number: int, compute: Callable[[int], Arrays]
    ) -> Arrays:
        before = self._meter.so_far()
        result = compute(number)
        after = self._meter.so_far()
        spent = {name: value - before[name] for name, value in after.items()}
        cost = text({**spent, "peak_bytes": after["peak_bytes"]})
        return {**result, COST: cost, PLACE: text(stage.place(number))}

    def _stage(self, what: str, count: int, settings: object) -> _PassChunks:
        if self.folder is None:
            return _PassChunks(None, keep=self.ranks.size > 1)
        key = hashlib.sha256(f"{what}\n{count}\n{settings!r}".encode()).hexdigest()[:10]
        return _PassChunks(self.folder / f"{self._metric}.{_slug(what)}.{key}")

    def _remove(self, what: str) -> None:
        if self.folder is not None:
            for stage in self.folder.glob(f"{self._metric}.{_slug(what)}.*/"):
                shutil.rmtree(stage, ignore_errors=True)

    def _drop_stale(self, folder: Path, provenance: Mapping[str, Any]) -> None:
        path = folder / "provenance.json"
        if folder.is_dir() and any(folder.iterdir()):
            if not path.exists():
                raise DataError(f"{folder} holds other files; remove it, or name another --out")
            try:
                differ = changes(load_document(path), provenance)
                reason = f"was made with other {', '.join(differ)}" if differ else ""
            except DataError:
                reason = "cannot be read"
            if reason:
                self.say(f"{folder} {reason}; computing it again")
                shutil.rmtree(folder)
        if not path.exists():
            write_atomically(path, json.dumps(provenance, indent=1) + "\n")


class _PassChunks:
    """The chunks of one pass by number: files of a folder, or bytes in memory."""

    def __init__(self, folder: Path | None, keep: bool = False) -> None:
        self._folder, self._keep = folder, keep
        self._memory: dict[int, bytes] = {}

    def found(self, say: Callable[[str], None]) -> set[int]:
        """Numbers of whole chunks; damaged ones are removed."""
        numbers: set[int] = set()
        if self._folder is None:
            return numbers
        for path in self._folder.glob("[0-9]*.npz"):
            try:
                chunk = decode(read_file(path))
                document(chunk[COST])
                if document(chunk[PLACE]) != self.place(int(path.stem)):
                    raise ValueError
                numbers.add(int(path.stem))
            except (DataError, KeyError, ValueError):
                say(f"{path} is damaged; computing it again")
                path.unlink(missing_ok=True)
        return numbers

    def place(self, number: int) -> list[str | int]:
        """Pass and number, as its chunk states them."""
        return [self._folder.name if self._folder is not None else "", number]

    def load(self, number: int) -> bytes:
        return self._memory[number] if self._folder is None else self._path(number).read_bytes()

    def save(self, number: int, data: bytes) -> None:
        if self._folder is not None:
            write_atomically(self._path(number), data)
        elif self._keep:
            self._memory[number] = data

    def remove(self, number: int) -> None:
        self._memory.pop(number, None)
        if self._folder is not None:
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:06d}.npz"


def _slug(what: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", what.lower())


def _add(
    one: Mapping[str, float], other: Mapping[str, float], elapsed: bool = True
) -> dict[str, float]:
    """The sum of both costs: seconds add up, the larger peak counts."""
    total = dict(one)
    for name, value in other.items():
        if name == "peak_bytes":
            total[name] = max(total.get(name, 0.0), value)
        elif elapsed or name != "seconds":
            total[name] = total.get(name, 0.0) + value
    return total
