"""Mixed-precision quantization as a multiple-choice knapsack."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitknap.plans import Plan, apply_plan, load_packed, plan
    from bitknap.problems import (
        BitknapError,
        CoverageWarning,
        DataError,
        Instance,
        InstanceError,
        SolverError,
        UnsupportedError,
        build_instance,
        load_instance,
        save_instance,
    )
    from bitknap.sensitivity import Quantizer, SensitivityTable, sensitivity_table
    from bitknap.solvers import Solution, Status, solve

__version__ = "0.2.0"

__all__ = [
    "BitknapError",
    "CoverageWarning",
    "DataError",
    "Instance",
    "InstanceError",
    "Plan",
    "Quantizer",
    "SensitivityTable",
    "Solution",
    "SolverError",
    "Status",
    "UnsupportedError",
    "__version__",
    "apply_plan",
    "build_instance",
    "load_instance",
    "load_packed",
    "plan",
    "save_instance",
    "sensitivity_table",
    "solve",
]


def __getattr__(name: str) -> Any:
    """Load a package when one of its names is first used, so that solving never loads torch."""
    if name in __all__:
        for package in ("problems", "solvers", "sensitivity", "plans"):
            module = import_module(f".{package}", __name__)
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module 'bitknap' has no attribute {name!r}")
