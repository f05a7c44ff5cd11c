"""HiGHS prints by C's buffered output, which kept its lines until the process ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from bitknap.solvers.methods.highs import _quiet_stdout
with _quiet_stdout():
    ctypes.CDLL(None).puts(b"stray")
print("result")
"""


@pytest.mark.skipif(os.name != "posix", reason="flushed by libc")
def test_bug_a_line_of_highs_followed_the_results() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=buffered, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "result\n"
