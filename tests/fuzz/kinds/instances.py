"""Instances in JSON and text."""

from __future__ import annotations

import json
import xml.dom.minidom
from random import Random
from typing import Any

from bitknap.solvers import SOLVERS

from .. import hostile
from ..claims import wrong_answer
from ..harness import Done
from .trial import Check, Trial


def instance(rng: Random) -> dict[str, Any]:
    """A small instance document."""
    resources = rng.choice([1, 1, 1, 2, 3])
    classes = [
        {
            "name": f"layer{i}.conv",
            "items": [
                {
                    "label": str(2**j),
                    "cost": rng.choice([rng.random() * 4.0**-j, float(rng.randint(-5, 5))]),
                    "weight": [rng.randint(0, 50) for _ in range(resources)],
                }
                for j in range(rng.randint(1, 4))
            ],
        }
        for i in range(rng.randint(1, 5))
    ]
    document: dict[str, Any] = {
        "format": "bitknap.instance/1",
        "name": "case",
        "resources": [f"r{k}" for k in range(resources)],
        "capacity": [rng.randint(20, 200) for _ in range(resources)],
        "classes": classes,
    }
    if rng.random() < 0.3 and len(classes) > 1:
        document["ties"] = [[classes[0]["name"], classes[1]["name"]]]
    return document


def use(rng: Random, name: str) -> list[str]:
    """A command that reads an instance."""
    return rng.choice(
        [
            ["solve", name], ["solve", name, "--json"], ["solve", name, "--json"],
            ["solve", name, "--json", "--solver", rng.choice(QUICK)],
            ["solve", name, "--json", "--time-limit", "1", "--solver", rng.choice(BACK_ENDS)],
            ["frontier", name], ["frontier", name, "--json", "--at", rng.choice(["3", "40"])],
            ["frontier", name, "--out", rng.choice(["f.csv", "f.json", "f.svg"])],
            ["topk", name, "-k", "3"], ["topk", name, "--forced"], ["topk", name, "--json"],
            ["instances", name], ["instances", name, "--out", "copy.npz"],
            ["export", name, "--out", rng.choice(["i.lp", "i.mps"])],
            ["verify", name, "s.json"],
        ]
    )  # fmt: skip


BACK_ENDS = ["highs", "cpsat"]
QUICK = sorted(set(SOLVERS.names()) - {*BACK_ENDS, "cbc", "scip", "annealing", "evolutionary"})


def _answers(name: str, data: bytes) -> Check:
    def check(done: Done) -> str | None:
        if "--json" in done.arguments and done.code == 0:
            answer = json.loads(done.out)
            if done.arguments[0] == "solve":
                return wrong_answer(data, answer)
            if done.arguments[0] == "topk":
                return wrong_answer(data, {"status": "optimal"} | answer["allocations"][0])
            at = answer["at"][0]
            limited = json.dumps(json.loads(data) | {"capacity": [at["budget"]]}).encode()
            status = "optimal" if answer["exact"] else "feasible"
            return wrong_answer(limited, {"status": status, "bound": None} | at)
        if done.arguments[0] == "frontier" and "f.svg" in done.arguments and done.code == 0:
            xml.dom.minidom.parse("f.svg")
        return None

    return check


COSTS = [0.0, -0.0, 1e-320, 5e-324, 1e-300, 1e300, -1e20, 1e20, 1e16, 0.1, -0.1, 3, 2**53]
WEIGHTS = [0, 1, 39, 40, 41, 2**31, 2**53, 2**53 + 1, 2**59, 2**61]


def extreme(rng: Random, document: dict[str, Any]) -> bytes:
    """A sound instance with a few numbers at the ends of what is allowed."""
    for _ in range(rng.randint(1, 4)):
        item = rng.choice(rng.choice(document["classes"])["items"])
        if rng.random() < 0.6:
            item["cost"] = rng.choice(COSTS)
        else:
            item["weight"][0] = rng.choice(WEIGHTS)
    if rng.random() < 0.3:
        document["capacity"][0] = rng.choice(WEIGHTS)
    return json.dumps(document).encode()


def instances(rng: Random) -> Trial:
    """JSON instances."""
    if rng.random() < 0.5:
        data = extreme(rng, instance(rng))
    else:
        data = hostile.to_text(hostile.mutated(rng, instance(rng)), rng)
    return Trial(use(rng, "i.json"), {"i.json": data, "s.json": b"{}"}, _answers("i.json", data))


def names(rng: Random) -> Trial:
    """Sound instances and tables whose names are hostile."""
    document = instance(rng)
    for entry in document["classes"]:
        for item in entry["items"]:
            item["label"] += rng.choice(hostile.NAMES[:40])
        entry["name"] += rng.choice(hostile.NAMES[:40])
    document["name"] = rng.choice(hostile.NAMES)
    document["resources"] = [f"{r}{rng.choice(hostile.NAMES)}" for r in document["resources"]]
    document.pop("ties", None)
    data = json.dumps(document).encode()
    return Trial(use(rng, "i.json"), {"i.json": data, "s.json": b"{}"}, _answers("i.json", data))


TEXT = "3 2 10 12 2 5 1 2 3 4 5 1 7 2 2 2 9 3 3 1 1 1"


def texts(rng: Random) -> Trial:
    """Text instances of the multi-resource literature."""
    words = TEXT.split()
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words))
        words[at : at + 1] = rng.choice(
            [[], ["nan"], ["inf"], ["1e400"], ["-1"], ["x"], ["9" * 5000], ["1e15"], ["0"], ["2.5"]]
        )
    data = " ".join(words).encode()
    return Trial(use(rng, "i.txt"), {"i.txt": data, "s.json": b"{}"})
