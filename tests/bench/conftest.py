"""Folders that reports are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitknap.bench.job.run import run_job
from bitknap.bench.records.record import Record, save_records
from bitknap.bench.report.write import write_report

from .tiny import quiet, tiny_job

SPEED = {"core": 1.0, "dp": 4.0, "a_rather_long_name": 30.0, "greedy": 0.5}


@pytest.fixture(scope="session")
def few_resamples() -> Iterator[None]:
    """Enough for a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitknap.bench.report.resampled.RESAMPLES", 50)
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, few_resamples: None) -> Path:
    """A finished run of the main job with its page."""
    out = tmp_path_factory.mktemp("run")
    run_job(tiny_job(out, command="bitknap run --workload tiny"), quiet)
    write_report(out)
    return out


def make_suite(out: Path, slower: float = 1.0) -> Path:
    """A finished benchmark of four solvers on six instances; ``dp`` fails on the largest."""
    records, instances = [], []
    for group in ("family_one", "another-family"):
        for classes in (10, 100, 1000):
            name = f"{group}/classes={classes}"
            instances.append(
                {"group": group, "instance": name, "classes": classes, "items": 8 * classes,
                 "resources": 1, "instance_hash": ""}
            )  # fmt: skip
            for solver, factor in SPEED.items():
                failed = solver == "dp" and classes == 1000
                exact = solver != "greedy"
                objective = 10.0 if exact else 10.0 + (classes / 1000) ** 4
                status = "optimal" if exact else "feasible"
                records.append(
                    Record(
                        "made",
                        name,
                        solver,
                        status="no_solution" if failed else status,
                        objective=None if failed else objective,
                        bound=objective if exact and not failed else None,
                        seconds=2.0 if failed else slower * factor * classes * 1e-5,
                        cpu_seconds=1.0 if failed else 0.5 * slower * factor * classes * 1e-5,
                        exact=exact,
                        group=group,
                        classes=classes,
                        items=8 * classes,
                        resources=1,
                        time_limit=2.0,
                        memory=40_000_000,
                        machine="a machine",
                        versions={"python": "3.11"},
                    )
                )
    save_records(records, out / "records.jsonl")
    plan = {
        "format": "bitknap.suite/1", "name": "made", "summary": "by hand", "seed": 0,
        "allowance": {"time": 2.0, "grace": 5.0, "memory": 4_000_000_000, "threads": 1},
        "instances": instances, "solvers": list(SPEED), "repeat": 1,
        "command": "bitknap bench made",
    }  # fmt: skip
    (out / "suite.json").write_text(json.dumps(plan))
    return out


@pytest.fixture(scope="session")
def suite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished benchmark with its page."""
    out = make_suite(tmp_path_factory.mktemp("suite"))
    write_report(out)
    return out
