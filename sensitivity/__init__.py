"""From a network and data to a sensitivity table; torch is loaded when it is first needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .metrics import METRICS
from .policy.layer_policy import LayerPolicy
from .policy.ties import ties_from_graph, ties_from_patterns
from .table.costs import ActivationPeak, bops, latency_ns
from .table.files import load_table, save_table
from .table.table import LayerInfo, SensitivityTable, Tie

if TYPE_CHECKING:
    from .apply import quantized_copy
    from .build import sensitivity_table
    from .facts import table_provenance
    from .quantization.activations import ActivationQuantizer
    from .quantization.quantizers import Quantizer
    from .resume.checkpoint import Checkpoint
    from .tracing.graph import Graph, trace

_LAZY = {
    "ActivationQuantizer": "quantization.activations",
    "Checkpoint": "resume.checkpoint",
    "Graph": "tracing.graph",
    "Quantizer": "quantization.quantizers",
    "quantized_copy": "apply",
    "sensitivity_table": "build",
    "table_provenance": "facts",
    "trace": "tracing.graph",
}

__all__ = [
    "METRICS",
    "ActivationPeak",
    "ActivationQuantizer",
    "Checkpoint",
    "Graph",
    "LayerInfo",
    "LayerPolicy",
    "Quantizer",
    "SensitivityTable",
    "Tie",
    "bops",
    "latency_ns",
    "load_table",
    "quantized_copy",
    "save_table",
    "sensitivity_table",
    "table_provenance",
    "ties_from_graph",
    "ties_from_patterns",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
