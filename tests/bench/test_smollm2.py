"""The language model's parts on a model of three tokens; the whole where it is installed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from bitknap.bench.workloads.base import Workload
from bitknap.bench.workloads.smollm2 import build, next_token_accuracy
from bitknap.problems import DataError


class Successor(nn.Module):
    """Gives the token after t the logit `sharpness` for (t + 1) mod 3, and 0 for the others."""

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        following = nn.functional.one_hot((input_ids + 1) % 3, 3).double()
        return SimpleNamespace(logits=self.sharpness * following)


def test_accuracy_and_perplexity_are_those_of_the_next_token() -> None:
    ids = torch.tensor([[0, 1, 2, 0], [0, 1, 2, 2], [1, 2, 0, 1], [2, 0, 1, 2], [1, 1, 1, 1]])
    found = next_token_accuracy(Successor(2.0), ids)
    assert (found.correct, found.total) == (11, 15)
    normaliser = math.log(math.exp(2) + 2)
    expected = math.exp(normaliser - 2 * 11 / 15)
    assert found.measures["perplexity"] == pytest.approx(expected, rel=1e-12)


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    ids = torch.tensor([[0, 0, 0]])
    assert math.isfinite(next_token_accuracy(Successor(1e6), ids).measures["perplexity"])


@pytest.fixture(scope="module")
def workload() -> Workload:
    try:
        return build()
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_float_network_knows_english(workload: Workload) -> None:
    found = workload.evaluate(workload.model)
    assert found.total == 16 * 127
    assert found.value > 0.33
    assert found.measures["perplexity"] < 35


@pytest.mark.slow
def test_draws_are_fixed_by_the_seed_and_nested(workload: Workload) -> None:
    batches = workload.calibration(6, 3)
    assert [len(ids) for ids, _ in batches] == [4, 2]
    assert torch.equal(workload.calibration(4, 3)[0][0], batches[0][0])
    assert torch.equal(batches[0][0][:, 1:], batches[0][1])
    with pytest.raises(DataError, match="choose from 1 to"):
        workload.calibration(0, 3)
