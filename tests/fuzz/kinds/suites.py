"""Suites of benchmarks, and the records of their runs."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from .. import hostile
from ..harness import Done
from .instances import instance
from .trial import Trial

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


SECTIONS = ["solvers", "proofs", "environment", "what_was_run"]


def records(rng: Random) -> Trial:
    """Records, plans and manifests of benchmarks that are reported on, merged and compared."""
    rows = json.loads(Path("records.json").read_text())
    plan = json.loads(Path("plan.json").read_text())
    chosen = rng.randrange(len(rows))
    lines = [json.dumps(row).encode() for row in rows]
    if rng.random() < 0.8:
        lines[chosen] = hostile.to_text(hostile.mutated(rng, rows[chosen], 1), rng)
    else:
        plan = hostile.mutated(rng, plan)
    content = b"\n".join(lines) + b"\n"
    manifest = {"format": "bitknap.archive/1", "run_by": ["me"], "suites": ["made"],
                "machines": [""], "versions": [{}], "runs": len(rows),
                "sha256": sha256(content).hexdigest()}  # fmt: skip
    if rng.random() < 0.5:
        manifest = hostile.mutated(rng, manifest)
    files = {
        "run/records.jsonl": content,
        "run/suite.json": hostile.to_text(plan, rng),
        "whole/records.jsonl": Path("records.jsonl").read_bytes(),
        "archive/records.jsonl": content,
        "archive/manifest.json": hostile.to_text(manifest, rng),
    }
    uses = [f"report run --section {rng.choice(SECTIONS)}", "bench merge archive whole --out out"]
    if rng.random() < 0.04:
        uses = ["report run", "report run whole --out out", "bench compare archive whole"]
    return Trial(rng.choice(uses).split(), files)
