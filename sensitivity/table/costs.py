"""Cost models: how much of a resource a choice uses, in integers.

Sizes come with the table (codes and scales, `Quantizer.size_bits`). Costs of an item add up over
the layers; a peak does not, see `ActivationPeak`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from bitknap.problems.errors import DataError
from bitknap.problems.storage import read_text

from ..quantization.choices import FLOAT, FLOAT_BITS, TERNARY, Choice, by_size, parse_label
from ..quantization.formats import format_of
from .table import SensitivityTable

COLUMNS = ("layer", "w_bits", "a_bits", "ms")
"""The heading of a latency file."""

NANOSECONDS = 10**6
"""Nanoseconds in a millisecond."""

Key = tuple[str, str, str]


def bops(
    table: SensitivityTable, activation_bits: int | Sequence[int] | None = None
) -> NDArray[np.int64]:
    """(n,) bit operations per sample: MACs * weight bits * activation bits.

    Args:
        activation_bits: of all items, or of each, (n,); by default the table's own, which are 32
            where inputs stay in float.

    References:
        C. Baskin et al., UNIQ: uniform noise injection for non-uniform quantization of neural
        networks, ACM TOCS 37 (2021), arXiv:1804.10969 (which adds a term for the accumulator).
    """
    given = table.activation_bits if activation_bits is None else activation_bits
    widths = np.asarray(given, dtype=np.int64)
    if widths.shape not in ((), table.bits.shape) or bool((widths < 1).any()):
        raise DataError(
            f"activation bits must be one whole number >= 1 or {len(table.bits)} of them"
        )
    macs = np.array([layer.macs for layer in table.layers], dtype=np.int64)
    total: NDArray[np.int64] = np.repeat(macs, np.diff(table.offsets)) * table.bits * widths
    return total


@dataclass(frozen=True)
class ActivationPeak:
    """Most activation memory in use at once, layer by layer, nothing in place and nothing fused.

    Weights do not change it: with activations in one precision throughout, it is the same for
    every plan, a fact to check a device against and no resource to spend. It is a maximum over
    time, where a knapsack's resources are sums over layers.

    Args:
        elements: activation values alive at the peak, of the traced batch.
    """

    elements: int
    samples: int
    step: str

    def bits(self, activation_bits: int = 32) -> int:
        """Peak for one sample with so many bits per value, rounded up."""
        return -(-self.elements * activation_bits // self.samples)


def latency_ns(
    table: SensitivityTable, path: str | os.PathLike[str], activation_bits: int | None = None
) -> NDArray[np.int64]:
    """(n,) latency of every item in whole nanoseconds, from a file of measurements.

    The file is CSV with the heading ``layer,w_bits,a_bits,ms``, one line for each layer and
    choice of the table; further lines are ignored. Bits are whole numbers, ``ternary``,
    a format such as ``mxfp4``, or ``float``, for which 32 stands as well.

    Args:
        activation_bits: which ``a_bits`` apply where inputs stay in float; by default the only
            ones in the file. Items with activations of their own are matched on both.

    Raises:
        DataError: with the line or the layer: a malformed line, a layer that the table lacks, a
            line given twice, an item without a line.
    """
    text = read_text(path)
    try:
        measured = _rows(text, {layer.name for layer in table.layers})
        return _items(table, measured, activation_bits)
    except (DataError, csv.Error) as error:
        raise DataError(f"{path}: {error}") from None


def _rows(text: str, layers: set[str]) -> dict[Key, int]:
    """Nanoseconds by (layer, weight bits, activation bits)."""
    reader = csv.reader(text.splitlines())
    heading = tuple(cell.strip() for cell in next(reader, []))
    if heading != COLUMNS:
        raise DataError(f"expected the heading {','.join(COLUMNS)}, got {','.join(heading)!r}")
    found: dict[Key, int] = {}
    for cells in reader:
        if not cells:
            continue
        line = reader.line_num
        if len(cells) != len(COLUMNS):
            raise DataError(f"line {line} has {len(cells)} columns, expected {len(COLUMNS)}")
        layer, weight, activation, ms = (cell.strip() for cell in cells)
        if layer not in layers:
            raise DataError(f"line {line}: the table has no layer {layer!r}")
        key = layer, _bits(weight, "w_bits", line), _bits(activation, "a_bits", line)
        if key in found:
            raise DataError(
                f"line {line}: {layer} with w_bits {weight} and a_bits {activation} stands twice"
            )
        found[key] = _nanoseconds(ms, line)
    return found


def _bits(text: str, column: str, line: int) -> str:
    words = (FLOAT, TERNARY) if column == "w_bits" else (FLOAT,)
    if text in words or (column == "w_bits" and format_of(text) is not None):
        return text
    if not text.isdecimal() or not int(text):
        raise DataError(
            f"line {line}: {column} must be a whole number >= 1 or {' or '.join(words)}, "
            f"got {text!r}"
        )
    return _word(int(text))


def _nanoseconds(text: str, line: int) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < 10**9:
        raise DataError(f"line {line}: ms must be a number >= 0 and < 10^9, got {text!r}")
    return round(value * NANOSECONDS)


def _items(
    table: SensitivityTable, measured: dict[Key, int], activation_bits: int | None
) -> NDArray[np.int64]:
    pairs = [(_word(weight), _word(act)) for weight, act in map(parse_label, table.labels)]
    if table.activations is None:
        alike = _alike(measured, activation_bits)
        pairs = [(weight, alike) for weight, _ in pairs]
    elif activation_bits is not None:
        raise DataError("the table's items have activation bits of their own; leave them out")
    keys = [
        (layer.name, *pairs[item])
        for i, layer in enumerate(table.layers)
        for item in range(table.offsets[i], table.offsets[i + 1])
    ]
    holes = [key for key in keys if key not in measured]
    if holes:
        layer, bits, activation = holes[0]
        more = f", and {len(holes) - 1} more" if len(holes) > 1 else ""
        raise DataError(f"no line for {layer} with w_bits {bits} and a_bits {activation}{more}")
    return np.array([measured[key] for key in keys], dtype=np.int64)


def _alike(measured: dict[Key, int], activation_bits: int | None) -> str:
    """The activation bits that hold for every item."""
    if activation_bits is not None:
        return _word(activation_bits)
    widths = sorted({activation for _, _, activation in measured}, key=lambda w: by_size(w))
    if len(widths) != 1:
        raise DataError(
            f"the file has a_bits {', '.join(widths) or 'of no line'}; "
            "say which apply (activation_bits)"
        )
    return widths[0]


def _word(choice: Choice | None) -> str:
    """How a file's line writes a choice."""
    return FLOAT if choice is None or choice == FLOAT_BITS else str(choice)
