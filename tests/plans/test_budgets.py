from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bitknap.plans.budgets import parse_budget, with_unit
from bitknap.problems import DataError

from ..bench.tables import made_table


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("2.25", 2250 + 64),
        ("3", 3000 + 64),
        ("2.0001", 2000 + 64),
        ("300kB", 2_400_000),
        ("300 KB", 2_400_000),
        ("1.5MB", 12_000_000),
        ("1KiB", 8192),
        ("1MiB", 8 * 2**20),
        ("7B", 56),
        ("12.8x", 2500 + 64),
    ],
)
def test_capacity_in_bits_for_a_thousand_weights(text: str, capacity: int) -> None:
    table = made_table(np.ones((2, 6)), [400, 600])
    assert parse_budget(text).capacity(table) == capacity


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2.25", "2.25 bits per weight"),
        ("8x", "8x, 4 bits per weight"),
        ("300 kB", "300 kB"),
        ("damage 0.02", "damage 0.02"),
        ("w3a6", "w3a6"),
        ("bops 1,000", "bops 1,000"),
    ],
)
def test_budgets_are_shown_with_their_unit(text: str, words: str) -> None:
    assert with_unit(text) == words


def test_a_decimal_is_taken_at_its_word() -> None:
    assert parse_budget("2.3").average_bits == Fraction(23, 10)
    assert parse_budget("2.3").capacity(made_table(np.ones((2, 3)), [10])) == 23 + 32


def test_a_size_of_few_bits_is_told_from_bits_per_weight() -> None:
    with pytest.raises(DataError, match=r"'3bits' is a size .* for bits per weight write 3$"):
        parse_budget("3bits")
    assert parse_budget("33bits").size_bits == 33


@pytest.mark.parametrize("text", ["", "tiny", "-3", "3kb/s", "300kbit", "0", "0kB", "1e3", "nan"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="a budget must be average bits per weight"):
        parse_budget(text)
