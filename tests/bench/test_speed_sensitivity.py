"""The study of the scores' speed times ways that give the same scores."""

from __future__ import annotations

import pytest
import torch

from bitknap.bench.studies import STUDIES
from bitknap.bench.studies._score_ways import BITS, ScoringCase
from bitknap.bench.studies.speed_sensitivity import _refuse_unequal


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_way_gives_the_same_scores(layout: str) -> None:
    case = ScoringCase("fashion-resnet18", 3, layout)
    case.prepare()
    scores = torch.as_tensor(case.scores())
    assert scores.shape == (3, 21 * len(BITS))
    _refuse_unequal(
        scores, case.per_sample_gradients(2), case.kept_gradients(), case.one_at_a_time()
    )
    with pytest.raises(AssertionError, match="disagree"):
        _refuse_unequal(scores, scores * 1.01)
    assert case.measured(2, reuse=False) == 2 * len(BITS) + 1


def test_it_is_listed() -> None:
    assert "speed-sensitivity" in STUDIES.names()
