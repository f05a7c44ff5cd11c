from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from bitknap.bench.datasets.fashion_mnist import FashionMNIST, ImageSet, hold_out
from bitknap.bench.networks.resnet import ResNet18
from bitknap.bench.training import train as training
from bitknap.bench.training.train import main, train
from bitknap.bench.workloads.base import classification_accuracy
from bitknap.bench.workloads.recipe import Recipe, augment, learning_rate
from bitknap.problems.errors import DataError, UnsupportedError


def small_network() -> nn.Module:
    """Fewer channels meet uxlfoundation/oneDNN#6035: memory is corrupted without AVX-512."""
    return ResNet18(widths=(16, 16, 16, 16))


def images(count: int, seed: int = 0) -> ImageSet:
    """Images of two classes that are easy to tell: bright above or bright below."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 60, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 2, (count,), generator=generator)
    pixels[labels == 0, :, :14] += 180
    pixels[labels == 1, :, 14:] += 180
    return ImageSet(pixels, labels)


RECIPE = Recipe(network=small_network, epochs=2, batch=32, learning_rate=0.02)


def test_learning_rate_rises_then_falls_to_almost_nothing() -> None:
    recipe = Recipe(network=small_network, learning_rate=0.5, warm_up=0.2)
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(0.5, rel=0.03)
    assert rates.index(max(rates)) in (19, 20)
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[-1] < 0.005
    assert rates[0] == pytest.approx(0.5 * 0.5 / 20)


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """Reference: move one (H, W) image pixel by pixel, black where nothing comes from."""
    height, width = image.shape
    moved = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved[row, column] = image[row - down, column - right]
    return moved


def test_augment_yields_each_shift_and_mirror_and_nothing_else() -> None:
    image = torch.arange(1, 31, dtype=torch.uint8).reshape(5, 6)
    allowed = {
        tuple(shifted(base, down, right).flatten().tolist())
        for base in (image, image.flip(1))
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    }
    assert len(allowed) == 18
    made = augment(image.expand(400, 1, 5, 6), RECIPE, torch.Generator().manual_seed(0))
    assert made.dtype == torch.uint8
    assert {tuple(one.flatten().tolist()) for one in made} == allowed


def test_augment_can_be_switched_off() -> None:
    batch = images(20).images
    still = dataclasses.replace(RECIPE, shift=0, flip=False)
    assert torch.equal(augment(batch, still, torch.Generator()), batch)


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, list[float]]:
    network, state = train(images(100), RECIPE)
    return network, state.losses


def test_training_learns(trained: tuple[nn.Module, list[float]]) -> None:
    network, losses = trained
    assert not network.training
    assert losses[1] < losses[0]


def test_training_again_gives_the_same_bytes(trained: tuple[nn.Module, list[float]]) -> None:
    torch.manual_seed(99)  # the global generator must not matter
    network, state = train(images(100), RECIPE)
    assert state.losses == trained[1]
    assert same(network, trained[0])
    other, _ = train(images(100), RECIPE, seed=1)
    assert not same(other, trained[0])


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_an_interrupted_training_goes_on_to_the_same_bytes(
    trained: tuple[nn.Module, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = tmp_path / "p"
    epoch = training._train_epoch

    def stop_in_the_second(*args: object) -> float:
        if args[4] == 1:
            raise KeyboardInterrupt
        return epoch(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_train_epoch", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        train(images(100), RECIPE, partial=partial)
    monkeypatch.undo()
    network, state = train(images(100), RECIPE, partial=partial)
    assert state.losses == trained[1]
    assert same(network, trained[0])


def test_a_state_of_another_training_is_refused(tmp_path: Path) -> None:
    partial = tmp_path / "p"
    train(images(40), dataclasses.replace(RECIPE, epochs=1), partial=partial)
    with pytest.raises(DataError, match="another recipe, seed or data"):
        train(images(40), RECIPE, partial=partial)
    partial.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a saved training"):
        train(images(40), RECIPE, partial=partial)


def test_weight_decay_spares_biases_and_batch_norms() -> None:
    network = small_network()
    decayed, others = training._optimizer(network, RECIPE).param_groups
    names = {id(p): name for name, p in network.named_parameters()}
    assert decayed["weight_decay"] == RECIPE.weight_decay
    assert others["weight_decay"] == 0
    assert "fc.weight" in {names[id(p)] for p in decayed["params"]}
    assert all(
        "bn" in names[id(p)] or "bias" in names[id(p)] or "downsample.1" in names[id(p)]
        for p in others["params"]
    )
    assert len(decayed["params"]) + len(others["params"]) == len(names)


def test_less_than_a_batch_and_divergence_are_refused() -> None:
    with pytest.raises(DataError, match="31 images do not fill one batch of 32"):
        train(images(31), RECIPE)
    with pytest.raises(DataError, match="lower the learning rate"):
        train(images(64), dataclasses.replace(RECIPE, learning_rate=1e30, autocast=False))


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> FashionMNIST:
    data = FashionMNIST(images(264), images(50, seed=1), "hash of the data")
    monkeypatch.setattr(training, "hold_out", partial(hold_out, count=200))
    monkeypatch.setattr(training, "load_fashion_mnist", lambda folder: data)
    monkeypatch.setattr(training, "_recipe", lambda workload, epochs: RECIPE)
    return data


@pytest.mark.usefixtures("small_data")
def test_command_writes_checkpoint_and_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_data: FashionMNIST
) -> None:
    out = tmp_path / "net.safetensors"
    arguments = ["--workload", "w", "--out", str(out), "--holdout", "--seed", "3"]
    assert main(arguments) == 0
    assert "validation accuracy" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.json", "net.safetensors"]
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["format"] == "bitknap.training/1"
    assert record["recipe"]["network"] == "small_network"
    assert (record["training_images"], record["total"], record["seed"]) == (64, 200, 3)
    assert record["checkpoint_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert record["data_sha256"] == "hash of the data"
    assert len(record["losses"]) == 2
    network = small_network()
    network.load_state_dict(safetensors.torch.load_file(out))
    held = hold_out(small_data.train, count=200)[1]
    assert classification_accuracy(network, held).correct == record["correct"]


@pytest.mark.parametrize(
    ("workload", "out", "more", "message"),
    [
        ("nonsense", "x.safetensors", [], "no workload is named"),
        ("fashion-resnet18", "x.bin", [], "does not end in .safetensors"),
        ("fashion-resnet18", "x.safetensors", ["--epochs", "0"], "less than 1"),
        ("fashion-resnet18", "x.safetensors", ["--data", "/nowhere"], "/nowhere"),
    ],
)
def test_bad_input_is_one_sentence(
    workload: str, out: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["--workload", workload, "--out", out, *more])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_workload_without_a_recipe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitknap.bench.workloads import fashion_resnet18

    assert training._recipe("fashion-resnet18", 3).epochs == 3
    monkeypatch.delattr(fashion_resnet18, "RECIPE")
    with pytest.raises(UnsupportedError, match="has no RECIPE"):
        training._recipe("fashion-resnet18", None)
