"""Workloads, measured accuracy, records, figures and reports."""

from bitknap.problems import Catalogue

WORKLOADS = Catalogue("bitknap.bench.workloads", "build", "workload", dashes=True)
"""All workloads: one file each in ``bench/workloads``."""

__all__ = ["WORKLOADS"]
