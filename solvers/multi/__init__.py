"""Exact search under several capacities: Lagrangian bounds, batches of undominated states."""

from .solve import MultiResult, solve_multi

__all__ = ["MultiResult", "solve_multi"]
