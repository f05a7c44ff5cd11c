"""Quadratic objectives: methods, their referee and one entry point."""

from .registry import QUADRATIC, QuadraticSolver, load_quadratic_solver, solve_quadratic
from .verify import verify_quadratic

__all__ = [
    "QUADRATIC",
    "QuadraticSolver",
    "load_quadratic_solver",
    "solve_quadratic",
    "verify_quadratic",
]
