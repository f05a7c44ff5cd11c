"""The core solver: exact, on arrays, NumPy and numba kernels with the same answers."""

from .result import CoreResult
from .solve import solve_core

__all__ = ["CoreResult", "solve_core"]
