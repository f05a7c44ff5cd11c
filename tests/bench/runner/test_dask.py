"""The same suites on a Dask cluster of three worker processes, one of which dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, bitknap, finish, lines_of, outcomes, wait_until

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(n_workers=3, **options) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        print(cluster.scheduler_address, *pids, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """Address of the scheduler and process ids of the workers."""
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        address, *pids = process.stdout.readline().split()
        yield address, [int(pid) for pid in pids]
        process.communicate()


def test_a_worker_that_dies_loses_nothing(
    undisturbed: Path, cluster: tuple[str, list[int]], tmp_path: Path
) -> None:
    address, workers = cluster
    suite, out = undisturbed.parent / "suite.toml", tmp_path / "out"
    running = bitknap("bench", suite, "--out", out, "--dask", address)
    wait_until(lambda: lines_of(out) > 0)
    os.kill(workers[0], signal.SIGKILL)
    _, stderr = running.communicate(timeout=120)
    assert running.returncode == 0, stderr
    assert outcomes(out) == outcomes(undisturbed)
    finish(suite, out)
    assert outcomes(out) == outcomes(undisturbed)


MANY = 1000


def test_a_thousand_instances_have_the_same_records(
    cluster: tuple[str, list[int]], tmp_path: Path
) -> None:
    address, workers = cluster
    suite, plain, out = tmp_path / "suite.toml", tmp_path / "plain", tmp_path / "out"
    suite.write_text(
        'solvers = ["core"]\nrepeat = 1\n[[instances]]\nfamily = "mpq"\nclasses = 20\n'
        f"vary = {{ seed = {list(range(MANY))} }}\n"
    )
    running = bitknap("bench", suite, "--out", out, "--dask", address)
    wait_until(lambda: lines_of(out) > MANY // 5, seconds=600)
    os.kill(workers[0], signal.SIGKILL)
    _, stderr = running.communicate(timeout=1800)
    assert running.returncode == 0, stderr
    finish(suite, plain, timeout=1800)
    assert len(outcomes(plain)) == MANY
    assert outcomes(out) == outcomes(plain)


def test_an_address_without_a_scheduler_is_a_sentence(undisturbed: Path, tmp_path: Path) -> None:
    suite = undisturbed.parent / "suite.toml"
    done = bitknap("bench", suite, "--out", tmp_path, "--dask", "tcp://127.0.0.1:9")
    _, stderr = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "bitknap: no Dask scheduler answers at tcp://127.0.0.1:9" in stderr
    assert "Traceback" not in stderr
