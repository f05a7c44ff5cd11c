"""The benchmark runner: suites of instances and solvers, each pair in its own process."""

from .run import run_suite
from .suite import Allowance, Suite, find_suite, suite_files

__all__ = ["Allowance", "Suite", "find_suite", "run_suite", "suite_files"]
