"""Repairs of a quantized network by calibration data alone: one file each."""

from bitknap.problems import Catalogue

REPAIRS = Catalogue("bitknap.plans.repair", "REPAIR", "repair")

__all__ = ["REPAIRS"]
