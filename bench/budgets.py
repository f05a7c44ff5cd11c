"""Budgets as people write them: average bits a weight, or a size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from bitknap.problems import DataError

_UNITS = {
    "b": 8,
    "kb": 8 * 10**3,
    "mb": 8 * 10**6,
    "gb": 8 * 10**9,
    "kib": 8 * 2**10,
    "mib": 8 * 2**20,
    "gib": 8 * 2**30,
}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


@dataclass(frozen=True)
class Budget:
    """A limit on the size of all quantized weights.

    Args:
        text: as written, e.g. ``2.5``, ``12.2x`` or ``300kB``.
        average_bits: bits a weight for the codes, scales coming on top; or None.
        size_bits: everything included, in bits; or None.
    """

    text: str
    average_bits: Fraction | None = None
    size_bits: int | None = None

    def capacity(self, weights: int, overhead_bits: int) -> int:
        """The limit in bits for a network of so many weights.

        An average counts codes only, floor(average * weights), and ``overhead_bits`` (scales,
        the same at every bit-width) are added, so that uniform b bits fit the budget b exactly.
        """
        if self.size_bits is not None:
            return self.size_bits
        assert self.average_bits is not None
        return int(self.average_bits * weights) + overhead_bits


def parse_budget(text: str) -> Budget:
    """The budget that ``2.5`` (average bits a weight) or ``300kB`` (size) stands for.

    ``12.2x`` is a compression rate of float32 weights: 32 / 12.2 bits a weight on average.
    kB, MB and GB are powers of 1000; KiB, MiB and GiB powers of 1024; case does not matter.

    Raises:
        DataError: the text is neither.
    """
    match = _PATTERN.fullmatch(text.strip())
    unit = match.group(2).lower() if match else ""
    if match is None or (unit and unit not in (*_UNITS, "x")) or not Fraction(match.group(1)):
        raise DataError(
            f"a budget must be average bits a weight such as 2.5, a rate such as 12.2x, or a size "
            f"such as 300kB (B, kB, MB, GB, KiB, MiB, GiB), got {text!r}"
        )
    number = Fraction(match.group(1))
    if unit == "x":
        return Budget(text.strip(), average_bits=32 / number)
    if unit:
        return Budget(text.strip(), size_bits=int(number * _UNITS[unit]))
    return Budget(text.strip(), average_bits=number)
