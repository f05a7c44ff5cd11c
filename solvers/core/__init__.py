"""The core solver: exact, one native kernel behind Python."""

from .library import missing
from .solve import solve_core

__all__ = ["missing", "solve_core"]
