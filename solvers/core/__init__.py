"""The core solver: exact, one native kernel behind Python."""

from .library import missing
from .solve import CoreResult, solve_core

__all__ = ["CoreResult", "missing", "solve_core"]
