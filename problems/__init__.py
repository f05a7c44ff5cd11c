"""What is solved: instances, their files and reductions (NumPy only)."""

from .catalogue import Catalogue
from .errors import (
    BitknapError,
    DataError,
    InfeasibleError,
    InstanceError,
    SolverError,
    UnsupportedError,
)
from .files import load_instance, save_instance, write_atomically
from .instance import FloatArray, Instance, IntArray, build_instance
from .reductions import lower_hull, lower_hulls, restrict, undominated
from .ties import Merged, merge_ties

__all__ = [
    "BitknapError",
    "Catalogue",
    "DataError",
    "FloatArray",
    "InfeasibleError",
    "Instance",
    "InstanceError",
    "IntArray",
    "Merged",
    "SolverError",
    "UnsupportedError",
    "build_instance",
    "load_instance",
    "lower_hull",
    "lower_hulls",
    "merge_ties",
    "restrict",
    "save_instance",
    "undominated",
    "write_atomically",
]
