"""Budgets in text form: average bits per weight, a size, or average bits of both operands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING

from bitknap.problems import DataError, InfeasibleError
from bitknap.problems.sizes import kilobytes

if TYPE_CHECKING:
    from bitknap.sensitivity import SensitivityTable

_UNITS = {
    "bits": 1,
    "b": 8,
    "kb": 8 * 10**3,
    "mb": 8 * 10**6,
    "gb": 8 * 10**9,
    "kib": 8 * 2**10,
    "mib": 8 * 2**20,
    "gib": 8 * 2**30,
}
_MOST_BITS = 32
"""Of a weight in float."""

_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


_PAIR = re.compile(r"w(\d+(?:\.\d+)?)a(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Budget:
    """A limit on the size of all quantized weights, and perhaps on the bit operations.

    Args:
        text: as written, e.g. ``2.5``, ``12.2x`` or ``300kB``.
        average_bits: bits per weight for the codes, scales coming on top; or None.
        size_bits: everything included, in bits; or None.
        activation_bits: with ``average_bits``: no more bit operations than a network has whose
            weights and activations all have these bits; or None.
    """

    text: str
    average_bits: Fraction | None = None
    size_bits: int | None = None
    activation_bits: Fraction | None = None

    def __post_init__(self) -> None:
        most = max(self.average_bits or 0, self.activation_bits or 0)
        if most > _MOST_BITS or (self.size_bits or 0) >= 1 << 62:
            raise DataError(
                f"a budget is at most {_MOST_BITS} bits on average and below 2^62 in all, "
                f"got {self.text!r}; a size needs a unit, e.g. 300kB"
            )

    @staticmethod
    def parse(text: str) -> Budget:
        """See `parse_budget`."""
        return parse_budget(text)

    def limits(self, table: SensitivityTable) -> dict[str, int]:
        """Resource -> limit for the layers of a table."""
        found = {"size_bits": self.capacity(table)}
        if self.activation_bits is not None:
            assert self.average_bits is not None
            macs = sum(layer.macs for layer in table.layers)
            found["bops"] = int(macs * self.average_bits * self.activation_bits)
        return found

    def capacity(self, table: SensitivityTable) -> int:
        """The limit in bits; of an average see `SensitivityTable.capacity`."""
        if self.size_bits is not None:
            return self.size_bits
        assert self.average_bits is not None
        return table.capacity(self.average_bits)


def parse_budget(text: str) -> Budget:
    """The budget that ``2.5`` (average bits per weight) or ``300kB`` (size) stands for.

    ``w3a6`` is 3 bits per weight on average and the bit operations of 3 times 6 bits.

    ``12.2x`` is a compression rate of float32 weights: 32 / 12.2 bits per weight on average.
    kB, MB and GB are powers of 1000; KiB, MiB and GiB powers of 1024; case does not matter.

    Raises:
        DataError: the text is neither.
    """
    pair = _PAIR.fullmatch(text.strip())
    if pair is not None and all(map(Fraction, pair.groups())):
        weight, activation = map(Fraction, pair.groups())
        return Budget(text.strip(), average_bits=weight, activation_bits=activation)
    match = _PATTERN.fullmatch(text.strip())
    unit = match.group(2).lower() if match else ""
    if match is None or (unit and unit not in (*_UNITS, "x")) or not Fraction(match.group(1)):
        raise DataError(
            f"a budget must be average bits per weight such as 2.5, of weights and activations "
            "such as w3a6, a rate such as 12.2x, or a size such as 300kB (bits, B, kB, MB, GB, "
            f"KiB, MiB, GiB), got {text!r}"
        )
    number = Fraction(match.group(1))
    if unit == "bits" and number <= _MOST_BITS:
        raise DataError(
            f"{text!r} is a size of all weights together; "
            f"for bits per weight write {match.group(1)}"
        )
    if unit == "x":
        return Budget(text.strip(), average_bits=32 / number)
    if unit:
        return Budget(text.strip(), size_bits=int(number * _UNITS[unit]))
    return Budget(text.strip(), average_bits=number)


def with_unit(text: str) -> str:
    """A budget's text with its unit, e.g. ``3 bits per weight`` or ``8x, 4 bits per weight``."""
    match = _PATTERN.fullmatch(text)
    if match is None or match.group(2) not in ("", "x"):
        return text
    if not match.group(2):
        return f"{text} bits per weight"
    return f"{text}, {32 / float(match.group(1)):.4g} bits per weight"


Request = Budget | Mapping[str, int]


def budgets_of(
    bits: float | Sequence[float] | None,
    size: str | None,
    compression: float | None,
    limits: Mapping[str, int] | None,
    damage: float | None = None,
) -> dict[str, Request]:
    """Text of each budget -> what it stands for, none for a damage; one of the five must be given.

    Raises:
        DataError: none is given, or several are.
    """
    given = [value for value in (bits, size, compression, limits, damage) if value is not None]
    if len(given) != 1:
        raise DataError(
            "a plan needs one budget: bits=3.0, size='300 kB', compression=10.7, "
            f"limits={{'size_bits': ...}} or damage=0.02; got {len(given)}"
        )
    if damage is not None:
        return {}
    if limits is not None:
        return {", ".join(f"{name} {value:,}" for name, value in limits.items()): dict(limits)}
    if size is not None:
        if not isinstance(size, str):
            raise DataError(f"size= is a text with its unit, such as '300 kB'; got {size!r:.40}")
        return {size: parse_budget(size)}
    if compression is not None:
        text = f"{_number(compression, 'compression=', '10.7'):g}x"
        return {text: parse_budget(text)}
    several: Sequence[object] = bits if isinstance(bits, list | tuple | range) else [bits]
    if not several:
        raise DataError("bits= is an empty list; name a number of bits per weight, such as 3.0")
    texts = [f"{_number(value, 'bits=', '3.0 or [2.5, 3.0]'):g}" for value in several]
    return {text: parse_budget(text) for text in texts}


def _number(value: object, option: str, example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        got = repr(value) if isinstance(value, str) else type(value).__name__
        raise DataError(f"{option} takes numbers, such as {example}; got {got:.40}")
    return float(value)


def limits_of(request: Request, table: SensitivityTable) -> dict[str, int]:
    """Resource -> limit of a budget for the layers of a table."""
    return request.limits(table) if isinstance(request, Budget) else dict(request)


def require_feasible(table: SensitivityTable, limits: Mapping[str, int], text: str) -> None:
    """Refuse a budget that even the cheapest choices exceed.

    Raises:
        InfeasibleError: naming the smallest feasible limit.
        DataError: the table has no such resource.
    """
    for resource, limit in limits.items():
        if resource not in table.costs:
            known = ", ".join(table.costs)
            raise DataError(f"the network has no resource {resource!r}; choose one of: {known}")
        cost = table.costs[resource]
        parts = map(table.items, range(len(table.layers)))
        lightest = [part.start + int(cost[part].argmin()) for part in parts]
        least = int(cost[lightest].sum())
        if limit < least:
            allowed, smallest = f"{limit:,} {resource}", f"{least:,}"
            if resource == "size_bits":
                average = int(table.code_bits[lightest].sum()) / table.weights
                allowed = kilobytes(limit)
                smallest = f"{kilobytes(least)} ({average:.4g} bits per weight)"
            raise InfeasibleError(
                f"the budget {text} is infeasible: it allows {allowed}, and the smallest feasible "
                f"limit is {smallest}"
            )
