"""Folders of the main job, which are reported on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bitknap.bench.job.run import run_job
from bitknap.bench.report import SECTIONS
from bitknap.plans.budgets import parse_budget

from ...bench.tiny import quiet, tiny_job
from .. import hostile
from .archives import mutated_archive
from .trial import Trial


@cache
def _job() -> dict[str, bytes]:
    """The files of a small job."""
    with TemporaryDirectory() as folder:
        out = Path(folder)
        budgets = (parse_budget("3"),)
        run_job(tiny_job(out, metrics=("fisher",), budgets=budgets, measure=2), quiet)
        files = [path for path in out.rglob("*") if path.suffix in (".json", ".jsonl", ".npz")]
        return {f"job/{path.relative_to(out)}": path.read_bytes() for path in files}


def jobs(rng: Random) -> Trial:
    """Folders in which one of the files is mutated."""
    files = dict(_job())
    name = rng.choice(sorted(files))
    if name.endswith(".npz"):
        files[name] = mutated_archive(rng, files[name], ("header", "times"))
    elif name.endswith(".json"):
        files[name] = hostile.to_text(hostile.mutated(rng, json.loads(files[name])), rng)
    else:
        files[name] = hostile.damaged(rng, files[name])
    return Trial(["report", "job", "--section", rng.choice(SECTIONS.names())], files)
