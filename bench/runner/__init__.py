"""The benchmark runner: suites of instances and solvers, each run in a process of its own."""

from .run import run_suite
from .suite import Allowance, Suite, find_suite, suite_files

__all__ = ["Allowance", "Suite", "find_suite", "run_suite", "suite_files"]
