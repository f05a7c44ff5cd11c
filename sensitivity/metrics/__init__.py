"""Sensitivity metrics, one file each."""

from bitknap.problems.catalogue import Catalogue

METRICS = Catalogue("bitknap.sensitivity.metrics", "METRIC", "metric")
