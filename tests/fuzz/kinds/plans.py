"""Plans, packed networks and measured damages, which Python reads and no command."""

from __future__ import annotations

import json
import sys
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from torch import nn

from bitknap.cli import EXIT_BAD_INPUT, EXIT_FAULT
from bitknap.plans import Plan, load_packed
from bitknap.plans.measure import Measurer
from bitknap.plans.yardsticks import yardstick
from bitknap.problems import BitknapError
from bitknap.problems.names import shown
from bitknap.sensitivity import ActivationQuantizer, Quantizer, SensitivityTable, sensitivity_table
from bitknap.sensitivity.tracing.batches import default_forward

from .. import hostile
from ..harness import Done
from .trial import Trial


@dataclass(frozen=True, eq=False)
class Network:
    """A network with a plan, and the files that are made of it."""

    model: nn.Module
    data: list[Any]
    table: SensitivityTable
    plan: Plan
    packed: bytes
    damages: bytes

    def measured(self, path: Path) -> list[float]:
        """Damages of the plan on the first half of the data, by the file where it has them."""
        loss = yardstick("kl")
        measure = Measurer(self.model, self.table, self.data, default_forward, loss, path=path)
        return measure(self.plan.choices, 0).tolist()


QUANTIZERS = ["symmetric", "affine", "affine,group=4", "symmetric,tensor"]


@cache
def network(number: int) -> Network:
    """A network of two layers, by a quantizer; the odd ones quantize activations too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten(), nn.Linear(12, 3)).eval()
    data = [(torch.randn(4, 1, 3, 3), torch.tensor([0, 1, 2, 0])) for _ in range(2)]
    table = sensitivity_table(
        model,
        data,
        metrics=("fisher",),
        bits=("ternary", 2, 3, 8),
        quantizer=Quantizer.parse(QUANTIZERS[number]),
        activations=ActivationQuantizer((4, 8)) if number % 2 else None,
    )
    labels = [table.labels[a + number] for a in table.offsets[:-1]]
    plan = Plan(dict(zip([x.name for x in table.layers], labels, strict=True)), table)
    with TemporaryDirectory() as folder:
        plan.pack(model, path := Path(folder) / "packed", repair="none")
        found = Network(model, data, table, plan, path.read_bytes(), b"")
        found.measured(damages := Path(folder) / "damages.jsonl")
        return Network(model, data, table, plan, path.read_bytes(), damages.read_bytes())


def _reader(read: Callable[[], object]) -> Callable[[], None]:
    """What ends as a command does: a sentence and exit code 2 for bad input."""

    def run() -> None:
        try:
            read()
        except BitknapError as error:
            print(shown(str(error)), file=sys.stderr)
            sys.exit(EXIT_BAD_INPUT)
        except Exception:
            traceback.print_exc()
            sys.exit(EXIT_FAULT)

    return run


def plans(rng: Random) -> Trial:
    """Plan files, which are shown, compared, written again and applied."""
    made = network(rng.randrange(len(QUANTIZERS)))
    document = made.plan.document() | {
        "prediction": {"metric": "fisher", "value": 1.0, "error": None, "optimum": 1.0,
                       "proven": True},
        "measured": {"plan": dict(made.plan.choices), "origin": "fisher", "exchanges": 0,
                     "damage": 0.5, "error": 0.1, "candidates": [], "evaluations": 2},
    }  # fmt: skip
    data = hostile.to_text(hostile.mutated(rng, document), rng)

    def read() -> None:
        plan = Plan.load("p.json")
        plan.save("again.json")
        again = Plan.load("again.json")
        assert again.document() == plan.document()
        assert not again.compare(plan)
        print(shown(repr(plan)), shown(plan._repr_html_()))
        plan.compare(made.plan)
        plan.apply(made.model, repair="none")

    return Trial(["Plan.load", "p.json"], {"p.json": data}, run=_reader(read))


_TENSORS: list[Any] = [
    np.zeros(0, dtype=np.uint8), np.zeros((2, 3), dtype=np.float32), np.full(9, np.nan),
    np.arange(40, dtype=np.uint8), np.zeros(300, dtype=np.float16), np.ones(30, dtype=np.float32),
]  # fmt: skip


def packed(rng: Random) -> Trial:
    """Packed networks: damaged bytes, other tensors, and mutated layouts."""
    made = network(rng.randrange(len(QUANTIZERS)))
    kind, data = rng.randrange(3), made.packed
    if kind == 0:
        data = hostile.damaged(rng, data)
    else:
        data = _repacked(rng, safetensors.numpy.load(data), layout=kind == 1)
    found: dict[str, Any] = {}

    def read() -> None:
        found.update(load_packed(made.model, "n.safetensors").state_dict())

    def check(done: Done) -> str | None:
        """Damaged bytes are refused; whatever they change, it is not the network."""
        true = made.plan.apply(made.model, repair="none").state_dict()
        same = all(torch.equal(found[name], value) for name, value in true.items() if name in found)
        return "another network was loaded" if kind == 0 and done.code == 0 and not same else None

    return Trial(["load_packed"], {"n.safetensors": data}, check, _reader(read))


def _repacked(rng: Random, parts: dict[str, Any], layout: bool) -> bytes:
    """The file with its layout mutated, or with a tensor that is another or missing."""
    document = json.loads(zlib.decompress(parts["layout"].tobytes()))
    name = rng.choice(list(parts))
    if not layout:
        parts[name] = rng.choice(_TENSORS)
        if rng.random() < 0.2:
            del parts[name]
    if {"codes", "scales", "rest"} <= set(parts):
        content = b"".join(parts[part].tobytes() for part in ("codes", "scales", "rest"))
        document["sha256"] = sha256(content).hexdigest()
    text = hostile.to_text(hostile.mutated(rng, document) if layout else document, rng)
    if layout or name != "layout":
        parts["layout"] = np.frombuffer(zlib.compress(text), dtype=np.uint8)
    return safetensors.numpy.save(parts)


def damages(rng: Random) -> Trial:
    """Files of measured damages, by which a stopped search goes on."""
    made = network(rng.randrange(len(QUANTIZERS)))
    lines = made.damages.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = hostile.to_text(hostile.mutated(rng, json.loads(lines[place])), rng)
    data = b"\n".join(lines) + b"\n" * rng.randrange(2)
    found: list[float] = []

    def check(done: Done) -> str | None:
        fits = len(found) == 4 and all(isinstance(value, float) for value in found)
        return None if done.code or fits else f"damages {found} of 4 samples"

    def read() -> None:
        found.extend(made.measured(Path("d.jsonl")))

    return Trial(["damages"], {"d.jsonl": data}, check, _reader(read))
