"""Plans, packed networks and measured damages that were answered with a traceback, or believed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from bitknap.plans import Plan, load_packed
from bitknap.problems import DataError

from ..fuzz.kinds.plans import network


def layer(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["layers"][0]
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: layer(d).update(choice="9" * 5000), "a choice is written such as 4"),
        (lambda d: d["provenance"].update(weights="a"), "provenance.weights must be an integer"),
        (lambda d: d["provenance"].update(ignored=[1]), "provenance.ignored must be an object"),
        (lambda d: d["provenance"].update(quantizer=3), "provenance.quantizer must be an object"),
        (lambda d: d["provenance"].update(model=3), "provenance.model must be a string"),
    ],
)
def test_bug_plans_were_believed(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    change(document := network(1).plan.document())
    (tmp_path / "p.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=words):
        Plan.load(tmp_path / "p.json")


def packed(
    tmp_path: Path,
    layout: Callable[[dict[str, Any]], None] = lambda document: None,
    tensors: Callable[[dict[str, Any]], None] = lambda parts: None,
) -> Path:
    """The file with its layout and tensors changed, and a hash that fits them."""
    parts = safetensors.numpy.load(network(2).packed)
    layout(document := json.loads(zlib.decompress(parts["layout"].tobytes())))
    tensors(parts)
    content = b"".join(parts[name].tobytes() for name in ("codes", "scales", "rest"))
    text = json.dumps(document | {"sha256": sha256(content).hexdigest()}).encode()
    parts["layout"] = np.frombuffer(zlib.compress(text), dtype=np.uint8)
    (path := tmp_path / "n.safetensors").write_bytes(safetensors.numpy.save(parts))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: layer(d).update(bits=1 << 40), "bits of the layout must be an integer from 0"),
        (lambda d: layer(d).update(shape=[-3, 1, 2, 2]), r"shape\[0\] of the layout must be"),
        (lambda d: layer(d).update(shape=[1 << 40, 1, 2, 2]), "do not fit its shape"),
        (lambda d: layer(d).update(scales=1 << 60), "do not fit its shape"),
        (lambda d: layer(d).update(group_size=1), "do not fit its shape"),
        (lambda d: layer(d).update(dims=[7]), "do not fit its shape"),
        (lambda d: layer(d).update(groups=0), "groups of the layout must be"),
        (lambda d: layer(d).update(dtype="complex64"), "must be one of float32"),
        (lambda d: layer(d).update(parameter="other"), "the network has no other"),
        (lambda d: d["rest"].pop(), "rest is too long"),
        (lambda d: d["layers"][1].update(parameter="0.weight"), "the network has no 0.weight"),
        (lambda d: d["plan"].pop("layers"), "its plan: .* lacks the key 'layers'"),
        (lambda d: layer(d["plan"])["layer"].update(parameter="x"), "which the plan names"),
    ],
)
def test_bug_layouts_of_packed_networks_were_believed(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        load_packed(network(2).model, packed(tmp_path, layout=change))


def test_bug_scales_of_another_type_gave_another_network(tmp_path: Path) -> None:
    path = packed(tmp_path, tensors=lambda p: p.update(scales=p["scales"].view(np.int32)))
    with pytest.raises(DataError, match="scales must be a vector of float32"):
        load_packed(network(2).model, path)


def test_bug_a_packed_network_kept_weights_that_its_file_lacked(tmp_path: Path) -> None:
    def shorter(document: dict[str, Any]) -> None:
        document["rest"] = []

    path = packed(tmp_path, shorter, lambda p: p.update(rest=np.zeros(0, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"the file lacks 0\.bias of the network"):
        load_packed(network(2).model, path)


def test_bug_damages_of_other_samples_were_believed(tmp_path: Path) -> None:
    made = network(0)
    head, first, *rest = made.damages.splitlines()
    row = json.loads(first)
    row["value"] = row["value"][: len(row["value"]) // 2]
    (path := tmp_path / "d.jsonl").write_bytes(
        b"\n".join([head, json.dumps(row).encode(), *rest, b""])
    )
    with pytest.raises(DataError, match=r"line 2: .*another hash than.*remove it to measure again"):
        made.measured(path)
