from __future__ import annotations

import copy
import hashlib
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bitknap.bench import workloads
from bitknap.bench.datasets.fashion_mnist import ImageSet, load_fashion_mnist
from bitknap.bench.networks.resnet import ResNet18
from bitknap.bench.workloads.accuracy import Accuracy
from bitknap.bench.workloads.base import (
    Workload,
    classification_accuracy,
    draw,
    load_checkpoint,
)
from bitknap.problems.catalogue import Catalogue
from bitknap.problems.errors import DataError

WORKLOADS = Catalogue("bitknap.bench.workloads", "build", "workload", dashes=True)
FOLDER = Path(workloads.__file__).parent
REQUIRED = {"fashion-resnet18": 0.938, "fashion-mobilenetv2": 0.925}
NAMES = [
    pytest.param(name, marks=() if name in REQUIRED else pytest.mark.slow)
    for name in WORKLOADS.names()
]
"""All workloads; those that read large models from other packages in the slow part."""


@cache
def built(name: str) -> Workload:
    try:
        workload: Workload = WORKLOADS.load(name)()
    except DataError as error:
        if "apt-get" in str(error) or "pip install" in str(error):
            pytest.skip(str(error))
        raise
    return workload


def random_images(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count))


def test_the_built_in_workloads_are_listed() -> None:
    assert set(REQUIRED) <= set(WORKLOADS.names())
    assert all(WORKLOADS.summary(name) for name in WORKLOADS.names())


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_is_complete(name: str) -> None:
    workload = built(name)
    assert workload.name == name
    assert workload.title
    assert not any(module.training for module in workload.model.modules())
    assert {p.dtype for p in workload.model.parameters()} == {torch.float32}
    assert all(isinstance(value, str) for value in workload.provenance.values())


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_one_a_sample(name: str) -> None:
    workload = built(name)
    (batch,) = workload.calibration(4, 0)
    with torch.no_grad():
        output = workload.forward(workload.model, batch)
        losses = workload.loss(output, batch)
    assert losses.shape == (4,)
    chosen = output.double().log_softmax(1).gather(1, batch[1].unsqueeze(1))
    reference = -chosen.reshape(4, -1).mean(dim=1)
    torch.testing.assert_close(losses.double(), reference, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", REQUIRED)
def test_accuracy_is_what_the_record_says(name: str) -> None:
    workload = built(name)
    stem = FOLDER / name.replace("-", "_")
    record = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    checkpoint = stem.with_suffix(".safetensors").read_bytes()
    assert len(checkpoint) <= 3_000_000
    assert record["format"] == "bitknap.training/1"
    assert record["workload"] == name
    assert record["evaluated_on"] == "test"
    digest = hashlib.sha256(checkpoint).hexdigest()
    assert workload.provenance["checkpoint_sha256"] == record["checkpoint_sha256"] == digest
    assert workload.provenance["data_sha256"] == record["data_sha256"]
    assert record["total"] == 10_000
    test = load_fashion_mnist().test
    first = classification_accuracy(
        workload.model, ImageSet(test.images[:1000], test.labels[:1000])
    )
    # Five standard deviations of a sample of the size.
    assert first.value == pytest.approx(record["correct"] / 10_000, abs=0.035)


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUIRED)
def test_accuracy_on_the_whole_test_set(name: str) -> None:
    workload = built(name)
    record = json.loads((FOLDER / f"{name.replace('-', '_')}.json").read_text(encoding="utf-8"))
    accuracy = workload.evaluate(workload.model)
    assert accuracy.total == 10_000
    assert abs(accuracy.correct - record["correct"]) <= 3  # another processor rounds differently
    assert accuracy.value >= REQUIRED[name]


@pytest.mark.parametrize("name", REQUIRED)
def test_logits_are_equal_to_the_bit_in_every_evaluation(name: str) -> None:
    workload = built(name)
    (batch,) = workload.calibration(32, 1)
    with torch.inference_mode():
        first = workload.forward(workload.model, batch)
        again = workload.forward(copy.deepcopy(workload.model), batch)
    assert torch.equal(first, again)


def test_draws_are_distinct_nested_and_fixed_by_the_seed() -> None:
    images = random_images(200)
    batches = draw(images, 150, seed=5)
    assert [len(y) for _, y in batches] == [64, 64, 22]
    labels = torch.cat([y for _, y in batches]).tolist()
    assert len(set(labels)) == 150
    assert torch.cat([y for _, y in draw(images, 70, seed=5)]).tolist() == labels[:70]
    assert torch.cat([y for _, y in draw(images, 150, seed=6)]).tolist() != labels
    x, y = batches[1]
    expected = (images.images[int(y[3])].double() / 255 - 0.2860) / 0.3530
    torch.testing.assert_close(x[3].double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("samples", [0, -1, 201])
def test_impossible_draws_are_refused(samples: int) -> None:
    with pytest.raises(DataError, match="choose from 1 to 200"):
        draw(random_images(200), samples, seed=0)


class Guess(nn.Module):
    """Always answers the class of the image's first pixel, and notes its mode."""

    def forward(self, x: Tensor) -> Tensor:
        self.mode = self.training
        first = (x[:, 0, 0, 0] * 0.3530 + 0.2860) * 255
        return nn.functional.one_hot(first.round().long(), 256).float()


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_accuracy_counts_right_answers(batch: int) -> None:
    images = random_images(50)
    labels = images.images[:, 0, 0, 0].long()
    labels[:12] += 1
    guess = Guess()
    found = classification_accuracy(guess, ImageSet(images.images, labels), batch)
    assert (found.correct, found.total) == (38, 50)
    assert found == Accuracy.of(torch.arange(50) >= 12)
    assert guess.mode is False
    assert guess.training


def test_standard_error_is_that_of_a_binomial_share() -> None:
    accuracy = Accuracy(9_400, 10_000)
    assert accuracy.value == 0.94
    assert accuracy.standard_error == pytest.approx(math.sqrt(0.94 * 0.06 / 10_000), rel=1e-15)
    assert Accuracy(5, 5).standard_error == 0
    assert str(accuracy) == "94.00 %"


def test_a_missing_or_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    with pytest.raises(DataError, match="is missing"):
        load_checkpoint(ResNet18(), path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no checkpoint of ResNet18"):
        load_checkpoint(ResNet18(), path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    import safetensors.torch

    path = tmp_path / "c.safetensors"
    path.write_bytes(safetensors.torch.save(ResNet18(widths=(4, 4, 4, 4)).state_dict()))
    with pytest.raises(DataError, match="no checkpoint of ResNet18"):
        load_checkpoint(ResNet18(), path)


def test_two_networks_are_compared_question_by_question() -> None:
    first, second = (Accuracy.of(torch.arange(100) >= k) for k in (10, 14))
    paired = first.minus(second)
    assert paired.value == pytest.approx(0.04)
    # 4 questions are answered by the first alone, none by the second alone.
    assert paired.error == pytest.approx(math.sqrt(4 - 16 / 100) / 100)
    assert not paired.level
    apart = replace(first, answers="").minus(second)
    assert apart.error == pytest.approx(math.hypot(first.standard_error, second.standard_error))
    assert apart.level
    assert first.minus(first).error == 0.0
    low, high = first.interval
    assert low < 0.9 < high
