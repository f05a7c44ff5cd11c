"""JSON: layer -> choice -> bits, costs and predicted losses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bitknap.sensitivity import SensitivityTable

from .base import ItemsTarget


@dataclass(frozen=True)
class Json(ItemsTarget):
    """See the module."""

    def rows_text(self, table: SensitivityTable, items: Iterable[int]) -> str:
        """One object."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows(table, items):
            layer, choice = row.pop("layer"), row.pop("choice")
            found.setdefault(layer, {})[choice] = row
        return json.dumps(found, indent=1) + "\n"


TARGET = Json()
