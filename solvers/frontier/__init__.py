"""All undominated (usage, objective) points of an instance from one solve."""

from .export import plot, to_csv, to_dict, to_json, write
from .frontier import MAX_STATES, Frontier, frontier

__all__ = ["MAX_STATES", "Frontier", "frontier", "plot", "to_csv", "to_dict", "to_json", "write"]
