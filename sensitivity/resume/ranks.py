"""The processes of a distributed run, and the one exchange that they need."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from bitknap.problems.errors import BitknapError, PeerLost

PATIENCE = timedelta(hours=12)
"""Longest wait for one chunk of a living process; a dead one is noticed at once."""

LOST = "another process of this run ended early; finished chunks are kept, start the run again"


def launched() -> int:
    """Number of processes that torchrun (or its like) started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@dataclass(frozen=True)
class Ranks:
    """This process among the processes of a run; by default it is alone.

    Results are arrays in host memory, so they are exchanged by gloo wherever the network runs.

    Args:
        tidies: whether this process removes files for all that see the same disk.
        store: where the processes count together; unused by one alone.
    """

    rank: int = 0
    size: int = 1
    tidies: bool = True
    store: Any = None
    _rounds: Iterator[int] = field(default_factory=count, repr=False, compare=False)

    def broadcast(self, data: bytes, owner: int) -> bytes:
        """What the owner passes, on every process.

        Raises:
            PeerLost: another process is gone.
        """
        if self.size == 1:
            return data
        import torch
        import torch.distributed as dist

        try:
            length = torch.tensor([len(data)])
            dist.broadcast(length, owner)
            content = torch.empty(int(length), dtype=torch.uint8)
            if self.rank == owner and data:
                content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            if len(content):
                dist.broadcast(content, owner)
        except RuntimeError:
            raise PeerLost(LOST) from None
        return content.numpy().tobytes()

    def gather(self, data: bytes) -> list[bytes]:
        """What every process passes, by rank."""
        return [self.broadcast(data, owner) for owner in range(self.size)]

    def take(self, jobs: int) -> Iterator[int]:
        """Numbers 0 to ``jobs - 1``, each given to the process that is free first.

        Every process must call this, in the same order.

        Raises:
            PeerLost: another process is gone.
        """
        key = f"round {next(self._rounds)}"
        for number in count():
            try:
                job = number if self.size == 1 else int(self.store.add(key, 1)) - 1
            except RuntimeError:
                raise PeerLost(LOST) from None
            if job >= jobs:
                return
            yield job

    def owners(self, held: Collection[int], count: int) -> list[int | None]:
        """The first process that holds a chunk, for chunks 0 to count - 1."""
        masks = self.gather(bytes(number in held for number in range(count)))
        return [
            next((rank for rank, mask in enumerate(masks) if mask[number]), None)
            for number in range(count)
        ]


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process as torchrun placed it; alone where nothing launched several.

    Of all failed processes one reports it: the first to reach the common store.
    """
    if launched() == 1:
        yield Ranks()
        return
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(iter(rendezvous("env://")))
    dist.init_process_group(
        "gloo", store=PrefixStore("exchange", store), rank=rank, world_size=size,
        timeout=PATIENCE,
    )  # fmt: skip

    def told(_signum: int, _frame: object) -> None:
        if _first(store):
            print(f"bitknap: {LOST}", file=sys.stderr, flush=True)
        sys.exit(1)

    before = signal.signal(signal.SIGTERM, told)
    try:
        tidies = os.environ.get("LOCAL_RANK", str(rank)) == "0"
        yield Ranks(rank, size, tidies, PrefixStore("jobs", store))
    except KeyboardInterrupt:
        _first(store)
        raise
    except BitknapError:
        if not _first(store):
            sys.exit(1)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    dist.destroy_process_group()


def _first(store: Any) -> bool:
    """Whether no other process has reported yet; without the store this is unknown."""
    try:
        return int(store.add("spoken", 1)) == 1
    except RuntimeError:
        return True
