from __future__ import annotations

import pytest

from bitknap.problems import Catalogue, UnsupportedError
from bitknap.solvers import SOLVERS


def test_names_and_summaries_come_from_the_folder() -> None:
    assert {"greedy", "dp", "highs", "cbc", "cpsat"} <= set(SOLVERS.names())
    assert "base" not in SOLVERS.names()
    for name in SOLVERS.names():
        summary = SOLVERS.summary(name)
        assert summary.endswith(".")
        assert len(summary) < 100


@pytest.mark.parametrize("name", ["gredy", "../base", "a.b", ""])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"choose one of: .*cbc.*greedy"):
        SOLVERS.load(name)


def test_dashes_stand_for_underscores() -> None:
    dashed = Catalogue("bitknap.solvers.methods", "SOLVER", "solver", dashes=True)
    assert "greedy-hull" in dashed.names()
    assert dashed.load("greedy-hull").hull
