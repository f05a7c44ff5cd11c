"""Exact search under several capacities: Lagrangian bounds, batches of undominated states."""

from .solve import solve_multi

__all__ = ["solve_multi"]
