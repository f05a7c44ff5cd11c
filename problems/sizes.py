"""Sizes in text form."""

from __future__ import annotations


def kilobytes(bits: float) -> str:
    """Bits in kB: to the byte below 10 kB, else with one decimal.

    Example:
        >>> kilobytes(1136), kilobytes(1_785_600)
        ('0.142 kB', '223.2 kB')
    """
    size = bits / 8000
    return f"{size:.3f} kB" if size < 10 else f"{size:,.1f} kB"
