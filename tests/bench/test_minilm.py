"""MiniLM on WordNet: the parts always; the whole where the packages are installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bitknap.bench.datasets.wordnet import CLASSES, load_glosses
from bitknap.bench.networks.probe import DECAY, fit_probe
from bitknap.bench.workloads.base import Workload
from bitknap.bench.workloads.minilm import SentenceClassifier, build
from bitknap.problems import DataError

NOUNS = """  1 This software and database is being provided to you, the LICENSEE,
00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 | that which is perceived; "an example"
00015388 05 n 02 animal 0 beast 0 000 | a living organism
15113229 28 n 01 period 0 000 | an amount of time; a span; "a time period"; "sixties"
"""


def test_glosses_lose_their_examples_and_keep_their_classes(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(NOUNS)
    glosses = load_glosses(tmp_path)
    assert glosses.texts == (
        "that which is perceived",
        "a living organism",
        "an amount of time; a span",
    )
    assert [CLASSES[label] for label in glosses.labels] == ["tops", "animal", "time"]
    train, test = glosses.split(1, seed=0)
    assert (len(train), len(test)) == (2, 1)
    assert {*train.texts, *test.texts} == {*glosses.texts}
    assert glosses.split(1, seed=0) == (train, test)


@pytest.mark.parametrize(
    "text", ["nonsense\n", "00001740 02 n 01 able 0 000 | in the adjectives\n", "1 2\n"]
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.noun").write_text(text)
    with pytest.raises(DataError, match="is not WordNet's file of nouns"):
        load_glosses(tmp_path)


def test_a_missing_file_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="apt-get install wordnet-base"):
        load_glosses(tmp_path)


def test_the_probe_is_at_the_optimum() -> None:
    """The gradient of the regularised loss, written out, vanishes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 4, generator=generator)
    y = (x @ torch.randn(4, 3, generator=generator)).argmax(dim=1)
    y[::5] = 0
    probe = fit_probe(x, y, 3)
    weight, bias = probe.weight.double(), probe.bias.double()
    residual = (x.double() @ weight.T + bias).softmax(dim=1) - nn.functional.one_hot(y, 3)
    gradient = residual.T @ x.double() / 200 + DECAY * weight
    assert float(gradient.abs().max()) < 1e-5
    assert float(residual.mean(dim=0).abs().max()) < 1e-5


class Output:
    def __init__(self, last_hidden_state: Tensor) -> None:
        self.last_hidden_state = last_hidden_state


class Encoder(nn.Module):
    """Two features per token: its id and 1."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        ids = input_ids.double()
        return Output(torch.stack([ids, torch.ones_like(ids)], dim=2))


def test_padding_does_not_count() -> None:
    classifier = SentenceClassifier(Encoder(), nn.Identity())
    ids = torch.tensor([[3, 5, 99], [3, 5, 1]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    mean = torch.tensor([[4.0, 1.0], [3.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(classifier(ids, mask), mean / mean.norm(dim=1, keepdim=True))


@pytest.fixture(scope="module")
def workload() -> Workload:
    try:
        return build()
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_float_network_tells_the_classes(workload: Workload) -> None:
    found = workload.evaluate(workload.model)
    assert found.total == 1000
    assert found.correct >= 770


@pytest.mark.slow
def test_draws_are_fixed_by_the_seed_and_nested(workload: Workload) -> None:
    batches = workload.calibration(40, 3)
    assert [len(labels) for _, labels, _ in batches] == [32, 8]
    assert torch.equal(workload.calibration(32, 3)[0][0], batches[0][0])
    with pytest.raises(DataError, match="choose from 1 to 81,115"):
        workload.calibration(0, 3)
