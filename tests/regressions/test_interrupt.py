"""Back-ends that handled Ctrl-C themselves left the default action behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal, sys, time
from bitknap import build_instance, solve
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    solve(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4), sys.argv[1])
    print("ready", flush=True)
    time.sleep(20)
except KeyboardInterrupt:
    print("caught", flush=True)
"""


@pytest.mark.parametrize("solver", ["cbc", "cpsat", "highs", "scip"])
def test_bug_ctrl_c_after_a_solve_ended_the_process(solver: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, solver], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "caught\n"
    assert process.returncode == 0


HARD = """
import signal, numpy as np
from bitknap.solvers.core import solve_core
signal.signal(signal.SIGINT, signal.default_int_handler)
weight = np.random.default_rng(0).integers(0, 1 << 40, 600)
print("ready", flush=True)
try:
    solve_core(np.arange(301) * 2, -weight.astype(float), weight, int(weight.sum()) // 2 + 1)
except KeyboardInterrupt:
    print("caught", flush=True)
"""


def test_ctrl_c_stops_the_kernel_of_core() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HARD], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "caught\n"
