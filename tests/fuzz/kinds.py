"""What is mutated, and which commands it is given to."""

from __future__ import annotations

import io
import json
import xml.dom.minidom
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bitknap.problems import load_instance, save_instance
from bitknap.sensitivity import save_table
from bitknap.solvers import SOLVERS, solve

from ..bench.tables import random_table
from . import hostile
from .claims import wrong_answer
from .harness import Done

Check = Callable[[Done], str | None]


@dataclass(frozen=True)
class Trial:
    """A command with the files that it finds, and what must hold beside `Done.wrong`."""

    arguments: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    check: Check = lambda done: None


Kind = Callable[[Random], Trial]


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


def _use(rng: Random, name: str) -> list[str]:
    """A command that reads an instance."""
    return rng.choice(
        [
            ["solve", name], ["solve", name, "--json"], ["solve", name, "--json"],
            ["solve", name, "--json", "--solver", rng.choice(QUICK)],
            ["solve", name, "--json", "--time-limit", "1", "--solver", rng.choice(BACK_ENDS)],
            ["frontier", name], ["frontier", name, "--json", "--at", "40"],
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
            limited = json.dumps(json.loads(data) | {"capacity": [40]}).encode()
            status = "optimal" if answer["exact"] else "feasible"
            return wrong_answer(limited, {"status": status, "bound": None} | answer["at"][0])
        if done.arguments[0] == "frontier" and "f.svg" in done.arguments and done.code == 0:
            xml.dom.minidom.parse("f.svg")
        return None

    return check


COSTS = [0.0, -0.0, 1e-320, 5e-324, 1e-300, 1e300, -1e20, 1e20, 1e16, 0.1, -0.1, 3, 2**53]
WEIGHTS = [0, 1, 39, 40, 41, 2**31, 2**53, 2**53 + 1, 2**59, 2**61]


def _extreme(rng: Random, document: dict[str, Any]) -> bytes:
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
        data = _extreme(rng, instance(rng))
    else:
        data = hostile.to_text(hostile.mutated(rng, instance(rng)), rng)
    return Trial(_use(rng, "i.json"), {"i.json": data, "s.json": b"{}"}, _answers("i.json", data))


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
    return Trial(_use(rng, "i.json"), {"i.json": data, "s.json": b"{}"}, _answers("i.json", data))


def texts(rng: Random) -> Trial:
    """Text instances of the multi-resource literature."""
    words = [
        "3",
        "2",
        "10",
        "12",
        "2",
        "5",
        "1",
        "2",
        "3",
        "4",
        "5",
        "1",
        "7",
        "2",
        "2",
        "2",
        "9",
        "3",
        "3",
        "1",
        "1",
        "1",
    ]
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(words))
        words[at : at + 1] = rng.choice(
            [[], ["nan"], ["inf"], ["1e400"], ["-1"], ["x"], ["9" * 5000], ["1e15"], ["0"], ["2.5"]]
        )
    data = " ".join(words).encode()
    return Trial(_use(rng, "i.txt"), {"i.txt": data, "s.json": b"{}"})


def _npz(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data)) as archive:
        return dict(archive)


ARRAYS: list[Any] = [
    np.zeros(0), np.zeros((2, 3)), np.array(1.5), np.array([1 + 2j]), np.array(["x", "\ud800"]),
    np.arange(5, dtype=np.int8), np.array([2**63 - 1] * 3), np.array([np.nan, np.inf]),
    np.array([True, False]), np.zeros(3, dtype=[("a", "i4")]), np.array([b"x"]), np.full(9, -1),
]  # fmt: skip


def _archive(rng: Random, data: bytes, texts: tuple[str, ...]) -> bytes:
    """An archive with arrays replaced, its JSON mutated, its zip made odd, or bytes damaged."""
    kind = rng.randrange(6)
    if kind == 0:
        return hostile.damaged(rng, data)
    arrays = _npz(data)
    name = rng.choice(list(arrays))
    if kind == 1:
        del arrays[name]
    elif kind == 2:
        arrays[name] = rng.choice(ARRAYS)
    elif kind == 3 and arrays[name].size and arrays[name].dtype.kind in "if":
        values = arrays[name].copy()
        number = rng.choice([n for n in hostile.NUMBERS if abs(n) < 2**63])
        values.flat[rng.randrange(values.size)] = (
            number if values.dtype.kind == "f" else int(number)
        )
        arrays[name] = values
    elif kind == 4:
        name = rng.choice(texts)
        text = (
            arrays[name].tobytes() if arrays[name].dtype == np.uint8 else str(arrays[name]).encode()
        )
        changed = hostile.to_text(hostile.mutated(rng, json.loads(text)), rng)
        if arrays[name].dtype == np.uint8:
            arrays[name] = np.frombuffer(changed, dtype=np.uint8)
        else:
            arrays[name] = np.array(changed.decode("utf-8", "surrogateescape"))
    return _zipped(rng, arrays, odd=kind == 5)


def _zipped(rng: Random, arrays: dict[str, Any], odd: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice([0, 8, 12] if odd else [8])) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=True)
            body = content.getvalue()
            if odd and rng.random() < 0.3:
                body = body[:8] + hostile.damaged(rng, body[8:])
            if odd and rng.random() < 0.1:
                body = _declares(rng, body)
            archive.writestr(f"{name}.npy", body)
    data = bytearray(stream.getvalue())
    if odd and rng.random() < 0.2:
        at = data.rindex(b"PK\x01\x02")
        data[at + 8] |= 1
    if odd and rng.random() < 0.2:
        at = data.rindex(b"PK\x01\x02")
        data[at + 24 : at + 28] = b"\xff\xff\xff\x7f"
    return bytes(data)


def _declares(rng: Random, body: bytes) -> bytes:
    """An array whose header says that it is huge, or nested."""
    shape = rng.choice(
        ["(10000000000,)", "(-1,)", "(2,3,4)", "((" * 60 + "1" + "))" * 60, "(1,)" * 9]
    )
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body[-64:]


def archives(rng: Random) -> Trial:
    """NPZ instances."""
    (path := Path("good.json")).write_text(json.dumps(instance(rng)))
    save_instance(load_instance(path), "good.npz")
    data = _archive(rng, Path("good.npz").read_bytes(), ("header",))
    return Trial(_use(rng, "i.npz"), {"i.npz": data, "s.json": b"{}"})


def tables(rng: Random) -> Trial:
    """Sensitivity tables."""
    save_table(random_table(layers=4, samples=12, seed=rng.randrange(5)), "good.npz")
    data = _archive(rng, Path("good.npz").read_bytes(), ("header", "times"))
    arguments = rng.choice(
        [
            ["build", "t.npz", "--budget", "3", "--out", "i.json"],
            ["build", "t.npz", "--budget", "w3a6", "--max-bops", "99999999", "--out", "i.json"],
            ["build", "t.npz", "--budget", "3", "--pin", "@first=8", "--metric", "loss_only",
             "--out", "i.npz"],
            ["confidence", "t.npz", "--budget", "3", "--resamples", "9", "--json"],
            ["confidence", "t.npz", "--budget", "3", "--resamples", "5", "--plan-a", "p.json"],
            ["ties", "t.npz", "--tie", "l*", "--budget", "3"],
            ["ties", "t.npz", "--budget", "3,4", "--json", "--out", "u.npz"],
        ]
    )  # fmt: skip
    plan = {f"l{i}": "4" for i in range(4)}
    return Trial(arguments, {"t.npz": data, "p.json": json.dumps(plan).encode()})


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
        data = json.dumps(_untrue(rng, claim, document)).encode()
    else:
        data = hostile.to_text(hostile.mutated(rng, claim), rng)
    if rng.random() < 0.2:
        save_table(random_table(layers=4, samples=12), "t.npz")
        plan = {f"l{i}": rng.choice(["2", "4", 8]) for i in range(4)}
        data = hostile.to_text(hostile.mutated(rng, plan), rng)
        words = ["confidence", "t.npz", "--budget", "3", "--resamples", "5", "--plan-a", "s.json"]
        return Trial(words, {"s.json": data})

    def check(done: Done) -> str | None:
        if done.code != 0:
            return None
        accepted = json.loads(data)
        return wrong_answer(text, {"bound": None, **accepted})

    words = ["verify", "i.json", "s.json", *rng.choice([[], ["--json"]])]
    return Trial(words, {"i.json": text, "s.json": data}, check)


def _untrue(rng: Random, claim: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
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


SUITE: dict[str, Any] = {
    "summary": "one",
    "solvers": ["greedy", "core"],
    "repeat": 2,
    "seed": 1,
    "time_limit": 1.0,
    "memory_limit": 900,
    "instances": [
        {"family": "mpq", "classes": 5, "seed": 1, "vary": {"budget": [3.0, 4.0]}},
        {"library": "hawq_v3/resnet18_size_*"},
        {"files": "own/*.json", "group": "own"},
    ],
}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return "nan" if value is None else json.dumps(value)


def suites(rng: Random) -> Trial:
    """Suites, whose runs themselves are left out."""
    document = hostile.mutated(rng, SUITE, 2) if rng.random() < 0.9 else SUITE
    entries = document.items() if isinstance(document, dict) else []
    text = "\n".join(f"{json.dumps(key)} = {_toml(entry)}" for key, entry in entries)
    for number, raw in enumerate(hostile.RAW):
        text = text.replace(f'"@raw{number}@"', raw)
    if rng.random() < 0.1:
        pattern = rng.choice(["/etc/*", "../**/*", "", "[a", "**", "own/*\u0000"])
        text = text.replace("own/*.json", json.dumps(pattern)[1:-1])
    data = text.encode("utf-8", "surrogatepass")
    files = {"mine.toml": data, "own/i.json": json.dumps(instance(rng)).encode()}
    out = rng.choice(["out", "out", "other"])
    files["other/records.jsonl"] = rng.choice([b'{"my": "data"}', b"x\n", b"{}\n", b"\xff\n"])
    kept = files["other/records.jsonl"]

    def check(done: Done) -> str | None:
        same = Path("other/records.jsonl").read_bytes() == kept
        return None if same else "somebody else's records were changed"

    return Trial(["bench", "mine.toml", "--out", out, *rng.choice([[], ["--json"]])], files, check)


def records(rng: Random) -> Trial:
    """Records and plans of benchmarks that are reported on."""
    rows = json.loads(Path("records.json").read_text())
    plan = json.loads(Path("plan.json").read_text())
    chosen = rng.randrange(len(rows))
    lines = [json.dumps(row).encode() for row in rows]
    if rng.random() < 0.8:
        lines[chosen] = hostile.to_text(hostile.mutated(rng, rows[chosen], 1), rng)
    else:
        plan = hostile.mutated(rng, plan)
    files = {
        "run/records.jsonl": b"\n".join(lines) + b"\n",
        "run/suite.json": hostile.to_text(plan, rng),
    }
    files["whole/records.jsonl"] = Path("records.jsonl").read_bytes()
    section = rng.choice(["solvers", "proofs", "environment", "what_was_run"])
    more = ["--section", section]
    if rng.random() < 0.04:
        more = rng.choice([[], ["whole", "--out", "out"]])
    return Trial(["report", "run", *more], files)


COMMANDS = {
    "solve i.json": "--solver --time-limit --out",
    "frontier i.json": "--at --lowest --highest --max-states --tolerance --out",
    "topk i.json": "-k --solver",
    "verify i.json s.json": "--max-states",
    "export i.json": "--out",
    "instances i.json": "--out",
    "generate mpq": "--out --classes --items --range --seed --bits --budget --spread --noise "
    "--largest --resolution --activation-bits --resources",
    "generate zigzag": "--out --classes --items --range --seed --capacity --ratio",
    "generate mmkp-correlated": "--out --classes --items --range --seed --resources",
    "build t.npz": "--out --metric --budget --max-bops --latency --max-ms --activation-bits --pin "
    "--exclude --allow --tie",
    "confidence t.npz --budget 3 --resamples 9": "--metric --budget --seed --level --robust "
    "--robust-quantile --plan-a --pin --exclude --allow --tie",
    "ties t.npz": "--workload --kind --tie --pin --exclude --allow --metric --budget --out",
    "bench mine.toml": "--solvers --time-limit --memory-limit --repeat --seed --workers --out",
    "report run --section solvers": "--section --out",
    "list": "",
    "metrics": "",
    "run --workload none": "--metric --bits --budget --solvers --samples --seed --out --device "
    "--quantizer --activation-bits --activation-quantizer --pin --find-ties",
    "sensitivity none:build --out n.npz": "--metric --bits --samples --quantizer --seed --device "
    "--chunk --activation-bits",
    "paper --imagenet none --weights none.pt": "--out --section --network --weights",
    "finetune none:build --plan s.json --out tuned": "--epochs --batches --learning-rate "
    "--input-bits --seed --plan",
}
"""Command -> what it needs, and the options that take a value."""


def options(rng: Random) -> Trial:
    """Hostile values of options, of all commands."""
    words = (command := rng.choice(list(COMMANDS))).split()
    known = COMMANDS[command].split()
    for option in rng.sample(known, min(len(known), rng.randint(1, 3))):
        words += [option, _word(rng, option)]
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
    "program", "2,2", "highs",
]  # fmt: skip
NUMERALS = ["inf", "nan", "-inf", "1e999", "9" * 4200, "1e-400", "0x10", "1_0", *hostile.NUMBERS]


def _word(rng: Random, option: str) -> str:
    if option == "--out":
        return rng.choice(OUTS)
    return str(rng.choice([hostile.NAMES, WORDS, NUMERALS, NUMERALS][rng.randrange(4)]))


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (instances, names, texts, archives, tables, solutions, suites, records, options)
}
