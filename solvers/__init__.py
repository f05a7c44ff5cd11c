"""Instance -> Solution: one file a method, one entry point, one referee."""

from .base import Limits, Outcome, Solution, Solver, Status, relative_gap
from .registry import DEFAULT, SOLVERS, load_solver, solve

__all__ = [
    "DEFAULT",
    "SOLVERS",
    "Limits",
    "Outcome",
    "Solution",
    "Solver",
    "Status",
    "load_solver",
    "relative_gap",
    "solve",
]
