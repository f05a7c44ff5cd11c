"""Options of all commands."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import typer

from bitknap.cli import build_app
from bitknap.sensitivity import save_table

from ...bench.tables import random_table
from .. import hostile
from ..harness import Done
from .instances import instance
from .trial import Trial

CALLS = [
    "solve i.json", "frontier i.json", "topk i.json", "topk i.json --forced",
    "verify i.json s.json", "export i.json", "instances i.json", "generate mpq", "generate zigzag",
    "generate mmkp-correlated", "build t.npz --budget 3", "build t.npz --quadratic --out o.npz",
    "confidence t.npz --budgets 3 --resamples 9", "ties t.npz", "bench mine.toml",
    "report run --section solvers", "list", "metrics", "run --workload none",
    "sensitivity none:build --out n.npz", "paper --imagenet none --weights none.pt",
    "finetune none:build --plan s.json --out tuned", "plan t.npz --budget 3",
    "solve t.npz --budget 3", "apply s.json none:build --out o.safetensors",
    "evaluate s.json none:build", "export t.npz --to json --out o.json",
]  # fmt: skip
"""Commands with what they need."""

LEFT_OUT = {"--help", "--dask", "--published"}
"""Dask waits for a cluster; the published instances are solved."""


@cache
def known_options(command: str) -> dict[str, bool]:
    """Options of a command, and whether each takes a value."""
    app: Any = typer.main.get_command(build_app(None))
    found = {
        parameter.opts[0]: not parameter.is_flag
        for parameter in app.commands[command].params
        if parameter.param_type_name == "option"
    }
    return {name: valued for name, valued in found.items() if name not in LEFT_OUT}


def options(rng: Random) -> Trial:
    """Hostile values of options, of all commands."""
    words = rng.choice(CALLS).split()
    known = known_options(words[0])
    for option in rng.sample(list(known), min(len(known), rng.randint(1, 3))):
        words += [option, _word(rng, option)] if known[option] else [option]
    if rng.random() < 0.1:
        words[rng.randrange(1, len(words)) if len(words) > 1 else 0] = rng.choice(hostile.NAMES)
    words = [word.replace("\0", "") for word in words]
    save_table(random_table(layers=4, samples=12), "t.npz")
    document = json.dumps(instance(rng)).encode()
    files = {
        "i.json": document,
        "s.json": json.dumps({"layer0.conv": "1"}).encode(),
        "mine.toml": b'solvers = ["greedy"]\n[[instances]]\nfamily = "mpq"\nclasses = 3\n',
        "run/records.jsonl": Path("records.jsonl").read_bytes(),
    }

    def check(done: Done) -> str | None:
        inputs = {word for before, word in pairwise(words) if before != "--out"}
        kept = [Path(n).read_bytes() == files[n] for n in inputs & set(files)]
        return None if all(kept) else "an input was overwritten"

    return Trial(words, files, check)


OUTS = [
    "o.json", "o.npz", "o.lp", "o.svg", "o.csv", "out", "i.json", "t.npz", "pipe", "link.json",
    "/dev/null", "mine.toml", "i.json/x", "x" * 300,
]  # fmt: skip
WORDS = [
    "3", "2,4", "2.5", "w3a6", "300kB", "12x", "core", "@first=8", "l0=2", "l*", "fisher", "all",
    "program", "2,2", "highs", "none", "bias,batch_norm", "auto,auto",
]  # fmt: skip
NUMERALS = ["inf", "nan", "-inf", "1e999", "9" * 4200, "1e-400", "0x10", "1_0", *hostile.NUMBERS]


def _word(rng: Random, option: str) -> str:
    if option == "--out":
        return rng.choice(OUTS)
    return str(rng.choice([hostile.NAMES, WORDS, NUMERALS, NUMERALS][rng.randrange(4)]))
