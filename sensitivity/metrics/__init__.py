"""Sensitivity metrics, one file each."""

from collections.abc import Iterable
from typing import Any

from bitknap.problems.catalogue import Catalogue
from bitknap.problems.errors import UnsupportedError

METRICS = Catalogue("bitknap.sensitivity.metrics", "METRIC", "metric", group="bitknap.metrics")


def require_activations(metrics: Iterable[Any]) -> None:
    """Refuse metrics that have no value for a quantized activation."""
    for metric in metrics:
        if not getattr(metric, "activations", False):
            known = {name: METRICS.load(name) for name in METRICS.names()}
            knowing = [
                name
                for name, metric_class in known.items()
                if getattr(metric_class, "activations", False)
            ]
            raise UnsupportedError(
                f"the metric {metric.name} says nothing of activations; leave activation bits out, "
                f"or use one of: {', '.join(knowing)}"
            )
