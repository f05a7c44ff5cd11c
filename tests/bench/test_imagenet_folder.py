"""ImageNet's layout and weights, on a tiny tree with a narrow ResNet-18."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from typer.testing import CliRunner

from bitknap.bench.datasets.image_folder import Folder, Images, centre, random_part
from bitknap.bench.finetuning.fine_tune import FineTuning
from bitknap.bench.networks import imagenet_resnet
from bitknap.bench.paper import call
from bitknap.bench.paper.scale import Scale
from bitknap.bench.workloads.imagenet import imagenet_workload, load_network
from bitknap.cli import build_app
from bitknap.problems import DataError, UnsupportedError

CLASSES = ("n01", "n02", "n03")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imagenet")
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for number, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 120, (64, 48 + 8 * k, 3), dtype=np.uint8)
                pixels[..., number] += 100
                Image.fromarray(pixels).save(root / part / name / f"{k}.JPEG")
    (root / "train" / "n01" / "notes.txt").write_text("no image")
    return root


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(imagenet_resnet, "WIDTHS", (4, 4, 8, 8))
    torch.manual_seed(0)
    torch.save(imagenet_resnet.resnet18(3).state_dict(), tmp_path / "small.pth")
    return tmp_path / "small.pth"


def test_the_folder_gives_classes_in_order(tree: Path) -> None:
    folder = Folder(tree / "train")
    assert folder.classes == CLASSES
    assert len(folder.files) == 12
    assert [label for _, label in folder.files] == [0] * 4 + [1] * 4 + [2] * 4
    with pytest.raises(DataError, match="not a folder"):
        Folder(tree / "test").files  # noqa: B018
    with pytest.raises(DataError, match="no folders of classes"):
        Folder(tree / "train" / "n01").files  # noqa: B018


def test_preprocessing_is_the_standard_one() -> None:
    pixels = np.zeros((300, 512, 3), dtype=np.uint8)
    pixels[:, 256:] = 255
    crop = np.array(centre(Image.fromarray(pixels)))
    assert crop.shape == (224, 224, 3)
    assert crop[:, :110].max() == 0
    assert crop[:, 114:].min() == 255
    generator = torch.Generator().manual_seed(0)
    parts = [random_part(Image.fromarray(pixels), generator) for _ in range(20)]
    assert {part.size for part in parts} == {(224, 224)}
    assert len({part.tobytes() for part in parts}) > 5


def test_values_are_normalised_and_crops_follow_the_seed(tree: Path) -> None:
    folder = Folder(tree / "val")
    image, label = Images(folder, [4])[0]
    assert (image.shape, image.dtype, label) == ((3, 224, 224), torch.float32, 2)
    restored = image * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    restored += torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    expected = np.array(centre(Image.open(folder.files[4][0]))) / 255
    np.testing.assert_allclose(restored.permute(1, 2, 0).numpy(), expected, atol=1e-6)
    first, again, other = (Images(folder, [0], seed)[0][0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_weights_load_from_either_format(weights: Path) -> None:
    state = torch.load(weights, weights_only=True)
    bare = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    safetensors.torch.save_file(bare, weights.with_suffix(".safetensors"))
    torch.save({"state_dict": {f"module.{n}": v for n, v in state.items()}}, weights)
    models = [load_network("resnet18", weights.with_suffix(s))[0] for s in (".pth", ".safetensors")]
    x = torch.zeros(1, 3, 64, 64)
    assert torch.equal(models[0](x), models[1](x))


def test_what_does_not_fit_is_refused(tree: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="choose one of: resnet18"):
        load_network("alexnet", weights)
    with pytest.raises(DataError, match=r"no classifier\.1\.weight"):
        load_network("mobilenetv2", weights)
    with pytest.raises(DataError, match="does not fit resnet50"):
        load_network("resnet50", weights)
    with pytest.raises(DataError, match="no such file"):
        load_network("resnet18", tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"bad")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    for name in ("bad.pth", "bad.safetensors"):
        with pytest.raises(DataError, match="cannot be read as weights"):
            load_network("resnet18", tmp_path / name)
    torch.save(imagenet_resnet.resnet18(5).state_dict(), weights)
    with pytest.raises(DataError, match="3 classes in train and 3 in val, but the weights have 5"):
        imagenet_workload("resnet18", tree, weights)


def test_the_workload_repeats_itself(
    tree: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitknap.bench.workloads.imagenet.WORKERS", 0)
    workload = imagenet_workload("resnet18", tree, weights, test=4)
    first, again = (workload.calibration(6, 3) for _ in range(2))
    assert torch.equal(first[0][0], again[0][0])
    assert workload.evaluate(workload.model).total == 4
    assert workload.training is not None
    epoch = workload.training(0)
    batches = list(epoch)
    assert len(epoch) == len(batches) == 1
    assert sorted(batches[0][1].tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    with pytest.raises(DataError, match="from 1 to 12"):
        workload.calibration(13, 0)


def test_the_command_prints_its_needs_and_runs(
    tree: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"resnet18": ("10.66x",)}
    small = Scale(
        "tiny", rates, rates, {"fisher": 8}, (0,), FineTuning(batches=1), test=4, search=21
    )
    monkeypatch.setattr(call, "imagenet", lambda network, fast: small)
    monkeypatch.setattr("bitknap.bench.paper.needs.TIMED", 4)
    monkeypatch.setattr("bitknap.bench.workloads.imagenet.WORKERS", 0)
    out = tmp_path / "out"
    arguments = ["paper", "--imagenet", str(tree), "--weights", str(weights), "--out", str(out)]
    outcome = CliRunner().invoke(build_app("paper"), arguments)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.index("what this will take") < outcome.output.index("Top-1 against")
    assert (out / "report.html").exists()
    assert len((out / "cells" / "resnet18" / "accuracies.jsonl").read_text().splitlines()) > 1
    outcome = CliRunner().invoke(build_app("paper"), arguments[:3])
    assert isinstance(outcome.exception, DataError)
