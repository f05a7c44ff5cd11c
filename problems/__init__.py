"""What is solved: instances, their files and reductions (NumPy only)."""

from .catalogue import Catalogue
from .errors import (
    BitknapError,
    CoverageWarning,
    DataError,
    InfeasibleError,
    InstanceError,
    LimitError,
    SolverError,
    UnsupportedError,
)
from .files import load_instance, save_instance
from .instance import FloatArray, Instance, IntArray, build_instance
from .quadratic import QuadraticInstance
from .quadratic_files import load_quadratic, save_quadratic
from .reductions import exact_hull, fitting, lower_hull, lower_hulls, restrict, undominated
from .storage import write_atomically
from .ties import MergedInstance, merge_ties

__all__ = [
    "BitknapError",
    "Catalogue",
    "CoverageWarning",
    "DataError",
    "FloatArray",
    "InfeasibleError",
    "Instance",
    "InstanceError",
    "IntArray",
    "LimitError",
    "MergedInstance",
    "QuadraticInstance",
    "SolverError",
    "UnsupportedError",
    "build_instance",
    "exact_hull",
    "fitting",
    "load_instance",
    "load_quadratic",
    "lower_hull",
    "lower_hulls",
    "merge_ties",
    "restrict",
    "save_instance",
    "save_quadratic",
    "undominated",
    "write_atomically",
]
