"""All blocks of random networks: one line per way to use a weight."""

from __future__ import annotations

from . import network_layouts, network_products, network_routing, network_unfit
from .network_block import BLOCKS, D, T

SOURCES = (network_layouts, network_products, network_routing, network_unfit)
__all__ = ["BLOCKS", "SOURCES", "D", "T"]
