"""An independent proof of a solution, in plain integers: no solver, no compiled code."""

from .check import ALLOWANCE, MAX_STATES, verify
from .document import load_solution
from .verdict import Finding, Verdict

__all__ = ["ALLOWANCE", "MAX_STATES", "Finding", "Verdict", "load_solution", "verify"]
