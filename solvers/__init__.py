"""Instance -> Solution: one file per method, one entry point, one referee."""

from .base import Limits, Outcome, Solution, Solver, Status, relative_gap
from .registry import SOLVERS, default_solver, load_solver, solve

__all__ = [
    "SOLVERS",
    "Limits",
    "Outcome",
    "Solution",
    "Solver",
    "Status",
    "default_solver",
    "load_solver",
    "relative_gap",
    "solve",
]
