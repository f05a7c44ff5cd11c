from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitknap.problems import (
    DataError,
    Instance,
    InstanceError,
    build_instance,
    load_instance,
    save_instance,
    write_atomically,
)

DOCUMENT: dict[str, Any] = {
    "format": "bitknap.instance/1",
    "name": "two layers",
    "resources": ["size_bits"],
    "capacity": [123456],
    "classes": [
        {
            "name": "conv1",
            "items": [
                {"label": "2", "cost": 0.31, "weight": [864]},
                {"label": "4", "cost": 0.02, "weight": [1728]},
            ],
        },
        {"name": "fc", "items": [{"label": "4", "cost": 1, "weight": [7]}]},
    ],
    "ties": [["conv1", "fc"]],
    "source": "by hand",
    "optimum": 1.02,
}


def same(a: Instance, b: Instance) -> bool:
    arrays = all(
        np.array_equal(getattr(a, f), getattr(b, f))
        for f in ("offsets", "cost", "weight", "capacity")
    )
    fields = ("name", "class_names", "labels", "resources", "ties", "source", "optimum")
    return arrays and all(getattr(a, f) == getattr(b, f) for f in fields)


def write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_the_documented_file_loads(tmp_path: Path) -> None:
    instance = load_instance(write(tmp_path / "i.json", DOCUMENT))
    assert instance.name == "two layers"
    assert instance.cost.tolist() == [0.31, 0.02, 1.0]
    assert instance.ties == ((0, 1),)
    assert instance.optimum == 1.02


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_round_trip_is_exact_and_byte_stable(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    instance = build_instance(
        [[(float(rng.normal()) * 1e-9, [int(rng.integers(1 << 50)), j]) for j in range(3)]] * 4,
        [1 << 52, 9],
        name="ünï 'quoted'",
        ties=((0, 2),),
        source="a test",
        optimum=0.1 + 0.2,
    )
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    save_instance(instance, first)
    loaded = load_instance(first)
    assert same(instance, loaded)
    save_instance(loaded, second)
    assert first.read_bytes() == second.read_bytes()


def edited(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (DOCUMENT | changes).items() if v is not ...}


def with_item(**changes: Any) -> dict[str, Any]:
    item = {k: v for k, v in (DOCUMENT["classes"][0]["items"][0] | changes).items() if v is not ...}
    return edited(classes=[{"name": "conv1", "items": [item]}], ties=[])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "is not valid JSON .line 1"),
        ("[]", "the document must be an object"),
        ("{}", "has format None"),
        ('{"format": 1, "format": 2}', "'format' stands twice"),
        (json.dumps(DOCUMENT).replace("0.31", "NaN"), "NaN is not a number"),
        (json.dumps(DOCUMENT).replace("0.31", "1e999"), "must be a finite number"),
        (edited(format="bitknap.instance/2"), "has format 'bitknap.instance/2'"),
        (edited(name=...), "lacks the key 'name'"),
        (edited(capacity=...), "lacks the key 'capacity'"),
        (edited(extra=1), "unknown key 'extra'"),
        (edited(name=3), "name must be a string"),
        (edited(capacity=5), "capacity must be a list"),
        (edited(capacity=[1.5]), r"capacity\[0\] must be an integer from 0 to 2\^62, got 1.5"),
        (edited(capacity=[1, 2]), "2 entries for 1 resources"),
        (edited(capacity=[-1]), "must be an integer from 0 to"),
        (edited(resources=["a", "a"], capacity=[1, 2]), "has 1 entries for 2 resources"),
        (edited(classes=[], ties=[]), "no classes; it needs at least one"),
        (edited(classes=[{"name": "a"}]), r"classes\[0\] \('a'\) lacks the key 'items'"),
        (edited(classes=[{"name": "a", "items": []}], ties=[]), "class 'a' has no items"),
        (edited(classes=[DOCUMENT["classes"][0]] * 2, ties=[]), "two class names are 'conv1'"),
        (edited(ties=[["conv1", "nope"]]), "names class 'nope'"),
        (edited(ties=[["conv1"]]), "at least two"),
        (edited(optimum="1"), "optimum must be a finite number"),
        (with_item(cost="0.3"), r"\('conv1'\).items\[0\].cost must be a finite number, got '0.3'"),
        (with_item(cost=True), "must be a finite number"),
        (with_item(cost=None), "must be a finite number"),
        (with_item(cost=...), r"\('conv1'\).items\[0\] lacks the key 'cost'"),
        (with_item(weight=864), r"\('conv1'\).items\[0\].weight must be a list"),
        (with_item(weight=[864.0]), r"weight\[0\] must be an integer from 0 to 2\^62, got 864.0"),
        (with_item(weight=[True]), "must be an integer from 0 to"),
        (with_item(weight=[-1]), "must be an integer from 0 to"),
        (with_item(weight=[1, 2]), "has 2 entries for 1 resources"),
        (with_item(label=2), r"items\[0\].label must be a string"),
    ],
)
def test_malformed_files_get_one_sentence(tmp_path: Path, document: Any, words: str) -> None:
    path = write(tmp_path / "bad.json", document)
    with pytest.raises(InstanceError, match=words) as error:
        load_instance(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_a_folder_and_binary_rubbish(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="no such file"):
        load_instance(tmp_path / "none.json")
    with pytest.raises(InstanceError, match="cannot be read"):
        load_instance(tmp_path)
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InstanceError, match="not UTF-8"):
        load_instance(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cost": None}, "lacks the array 'cost'"),
        ({"header": np.array("{}")}, "has format None"),
        ({"header": np.array("{")}, "not valid JSON"),
        ({"weight": np.array([[1.5]])}, "'weight' must hold integers"),
        ({"cost": np.array([object()])}, "not a readable NPZ"),
    ],
)
def test_malformed_archives(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    save_instance(build_instance([[(1.0, 1)]], 1), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as archive:
        arrays = {key: archive[key] for key in archive.files} | change
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value for key, value in arrays.items() if value is not None})
    (tmp_path / "bad.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InstanceError, match=words):
        load_instance(tmp_path / "bad.npz")


def test_a_truncated_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_instance(build_instance([[(1.0, 1)]], 1), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InstanceError, match="not a readable NPZ"):
        load_instance(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, "old")
    with pytest.raises(TypeError):
        write_atomically(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match=r"a/b/i\.json: cannot be written"):
        write_atomically(tmp_path / "a" / "b" / "i.json", "")
    with pytest.raises(DataError, match="cannot be written"):
        write_atomically(tmp_path, "")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))
