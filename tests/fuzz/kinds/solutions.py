"""Solutions that are checked, and plans that are compared."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from bitknap.problems import load_instance
from bitknap.sensitivity import save_table
from bitknap.solvers import solve

from ...bench.tables import random_table
from .. import hostile
from ..claims import wrong_answer
from ..harness import Done
from .instances import instance
from .trial import Trial


def solutions(rng: Random) -> Trial:
    """Solutions that are checked, and plans that are compared."""
    document = instance(rng)
    text = json.dumps(document).encode()
    Path("good.json").write_bytes(text)
    given = solve(
        load_instance("good.json"),
        rng.choice(["core", "greedy"]) if len(document["resources"]) == 1 else "multi",
    )
    claim = given.to_dict()
    if rng.random() < 0.5:
        data = json.dumps(untrue(rng, claim, document)).encode()
    else:
        data = hostile.to_text(hostile.mutated(rng, claim), rng)
    if rng.random() < 0.2:
        save_table(random_table(layers=4, samples=12), "t.npz")
        plan = {f"l{i}": rng.choice(["2", "4", 8]) for i in range(4)}
        data = hostile.to_text(hostile.mutated(rng, plan), rng)
        words = ["confidence", "t.npz", "--budgets", "3", "--resamples", "5", "--plan-a", "s.json"]
        return Trial(words, {"s.json": data})

    def check(done: Done) -> str | None:
        if done.code != 0:
            return None
        accepted = json.loads(data)
        return wrong_answer(text, {"bound": None, **accepted})

    words = ["verify", "i.json", "s.json", *rng.choice([[], ["--json"]])]
    return Trial(words, {"i.json": text, "s.json": data}, check)


def untrue(rng: Random, claim: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A well-formed claim with something in it that may be false."""
    changed: dict[str, Any] = dict(claim)
    for _ in range(rng.randint(1, 3)):
        key = rng.choice(["status", "objective", "bound", "choice", "both"])
        number = claim["objective"] or 0.0
        near = rng.choice([number * (1 + 1e-9), number + 1e-15, number - 1, number + 1, None, 0.0])
        if key == "status":
            changed["status"] = rng.choice(["optimal", "feasible", "infeasible", "no_solution"])
        elif key == "both":
            changed |= {"objective": near, "bound": near, "gap": 0.0}
        elif key != "choice":
            changed[key] = near
        elif changed["choice"]:
            changed |= _other_choice(rng, document)
    return changed


def _other_choice(rng: Random, document: dict[str, Any]) -> dict[str, Any]:
    """A choice at random, with its true cost and usage, called optimal."""
    chosen = {entry["name"]: rng.choice(entry["items"]) for entry in document["classes"]}
    cost = float(sum(Fraction(item["cost"]) for item in chosen.values()))
    used = [sum(column) for column in zip(*[i["weight"] for i in chosen.values()], strict=True)]
    return {
        "choice": {name: item["label"] for name, item in chosen.items()},
        "objective": cost,
        "bound": cost,
        "gap": 0.0,
        "usage": dict(zip(document["resources"], used, strict=True)),
        "multiplier": None,
    }
