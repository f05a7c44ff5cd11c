"""The k best allocations, and what it costs to force one item."""

from .forced import ForcedItems, forced
from .rank import top_k
from .space import Allocation

__all__ = ["Allocation", "ForcedItems", "forced", "top_k"]
