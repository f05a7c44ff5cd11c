from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from bitknap.bench.datasets import fashion_mnist as data
from bitknap.bench.datasets.fashion_mnist import (
    FILES,
    MEAN,
    STANDARD_DEVIATION,
    ImageSet,
    cache_directory,
    hold_out,
    load_fashion_mnist,
    normalise,
)
from bitknap.problems.errors import DataError

COUNTS = {"train": 6, "test": 3}


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """Files of a data set of nine images, which the module is made to expect; none are here yet."""
    monkeypatch.delenv("BITKNAP_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "PACKAGE_DIRECTORY", tmp_path / "package")
    monkeypatch.setattr(data, "ADDRESSES", (f"{(tmp_path / 'remote').as_uri()}/",))
    random = np.random.default_rng(0)
    files, made = {}, {}
    for key, file in FILES.items():
        count = COUNTS[key.split("_")[0]]
        shape = (count, *file.shape[1:])
        top = 256 if "images" in key else 10
        body = random.integers(0, top, shape, dtype=np.uint8).tobytes()
        lengths = np.array(shape, dtype=">u4").tobytes()
        made[file.name] = bytes([0, 0, 8, len(shape)]) + lengths + body
        digest = hashlib.sha256(made[file.name]).hexdigest()
        files[key] = data._File(file.name, shape, digest)
    monkeypatch.setattr(data, "FILES", files)
    return made


def put(folder: Path, contents: dict[str, bytes], *, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_pixels_and_labels_are_those_of_the_files(
    contents: dict[str, bytes], tmp_path: Path, packed: bool
) -> None:
    found = load_fashion_mnist(put(tmp_path / "d", contents, packed=packed))
    assert found.train.images.shape == (6, 1, 28, 28)
    assert found.train.images.dtype == torch.uint8
    assert found.train.labels.dtype == torch.int64
    assert bytes(found.train.images.flatten().tolist()) == contents["train-images-idx3-ubyte"][16:]
    assert bytes(found.test.labels.tolist()) == contents["t10k-labels-idx1-ubyte"][8:]
    assert len(found.test) == 3


def test_the_hash_does_not_depend_on_the_packing(
    contents: dict[str, bytes], tmp_path: Path
) -> None:
    plain = load_fashion_mnist(put(tmp_path / "plain", contents))
    packed = load_fashion_mnist(put(tmp_path / "packed", contents, packed=True))
    assert plain.sha256 == packed.sha256


def test_order_of_the_sources(
    contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "remote", contents, packed=True)
    load_fashion_mnist()  # downloaded
    cached = cache_directory() / "fashion-mnist"
    assert sorted(p.name for p in cached.iterdir()) == sorted(f"{name}.gz" for name in contents)
    (cached / "train-labels-idx1-ubyte.gz").write_bytes(b"broken")
    with pytest.raises(DataError):
        load_fashion_mnist()
    put(tmp_path / "package", contents, packed=True)
    load_fashion_mnist()  # the package comes before the cache
    monkeypatch.setenv("BITKNAP_DATA", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty has no train-images"):
        load_fashion_mnist()  # the variable before the package
    load_fashion_mnist(put(tmp_path / "named", contents))  # the argument before the variable


def test_what_cannot_be_had_says_what_to_install(
    contents: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"apt-get install dataset-fashion-mnist.*--data DIR") as e:
        load_fashion_mnist()
    assert "\n" not in str(e.value)
    assert capsys.readouterr().out == ""


def test_a_wrong_download_is_not_kept(contents: dict[str, bytes], tmp_path: Path) -> None:
    wrong = {name: content[:-1] + b"\xff" for name, content in contents.items()}
    put(tmp_path / "remote", wrong, packed=True)
    with pytest.raises(DataError, match=r"cannot be downloaded .*checksum differs"):
        load_fashion_mnist()
    assert not (cache_directory() / "fashion-mnist").exists()


def spoil(content: bytes, how: str) -> bytes:
    return {
        "magic": b"\0\0\x0d" + content[3:],
        "short": content[:-1],
        "long": content + b"\0",
        "other": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
    }[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("magic", "not an IDX file of 6 x 28 x 28"),
        ("short", "holds 4,719 bytes, expected 4,720"),
        ("long", "holds more than 4,720 bytes"),
        ("other", "checksum differs"),
        ("empty", "not an IDX file"),
    ],
)
def test_a_spoilt_file_is_named(
    contents: dict[str, bytes], tmp_path: Path, how: str, message: str
) -> None:
    name = "train-images-idx3-ubyte"
    folder = put(tmp_path / "d", contents | {name: spoil(contents[name], how)})
    with pytest.raises(DataError, match=message) as error:
        load_fashion_mnist(folder)
    assert name in str(error.value)


def test_a_truncated_archive_is_named(contents: dict[str, bytes], tmp_path: Path) -> None:
    path = put(tmp_path / "d", contents, packed=True) / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        load_fashion_mnist(path.parent)


def test_a_missing_folder_is_named(contents: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        load_fashion_mnist(tmp_path / "nowhere")


def test_hold_out_is_a_partition_fixed_by_its_seed() -> None:
    whole = ImageSet(torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1), torch.arange(50))
    rest, held = hold_out(whole, count=10, seed=1)
    assert (len(rest), len(held)) == (40, 10)
    assert sorted(rest.labels.tolist() + held.labels.tolist()) == list(range(50))
    assert torch.equal(held.images.flatten().long(), held.labels)
    assert torch.equal(hold_out(whole, 10, 1)[1].labels, held.labels)
    assert not torch.equal(hold_out(whole, 10, 2)[1].labels, held.labels)


def test_normalise_is_the_usual_formula() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    expected = (pixels.double() / 255 - MEAN) / STANDARD_DEVIATION
    torch.testing.assert_close(normalise(pixels).double(), expected, rtol=1e-6, atol=1e-6)
    assert pixels[-1] == 255


def test_the_constants_are_those_of_the_data() -> None:
    try:
        found = load_fashion_mnist()
    except DataError as error:
        pytest.skip(str(error))
    pixels = found.train.images[:, 0].double() / 255
    assert float(pixels.mean()) == pytest.approx(MEAN, abs=1e-4)
    assert float(pixels.std()) == pytest.approx(STANDARD_DEVIATION, abs=1e-4)
    assert torch.bincount(found.test.labels).tolist() == [1_000] * 10
