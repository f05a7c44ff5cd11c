"""CSV: a line per layer and choice with bits, costs and predicted losses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bitknap.problems.names import to_csv
from bitknap.sensitivity import SensitivityTable

from .base import ItemsTarget


@dataclass(frozen=True)
class Csv(ItemsTarget):
    """See the module."""

    def rows_text(self, table: SensitivityTable, items: Iterable[int]) -> str:
        """A heading and the lines."""
        rows = self.rows(table, items)
        return to_csv(list(rows[0]), [list(map(str, row.values())) for row in rows])


TARGET = Csv()
