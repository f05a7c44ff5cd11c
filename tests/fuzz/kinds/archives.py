"""NPZ archives of instances and sensitivity tables."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bitknap.problems import load_instance, save_instance
from bitknap.sensitivity import save_table

from ...bench.tables import random_table
from .. import hostile
from .instances import instance, use
from .trial import Trial


def _npz(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data)) as archive:
        return dict(archive)


ARRAYS: list[Any] = [
    np.zeros(0), np.zeros((2, 3)), np.array(1.5), np.array([1 + 2j]), np.array(["x", "\ud800"]),
    np.arange(5, dtype=np.int8), np.array([2**63 - 1] * 3), np.array([np.nan, np.inf]),
    np.array([True, False]), np.zeros(3, dtype=[("a", "i4")]), np.array([b"x"]), np.full(9, -1),
]  # fmt: skip


def mutated_archive(rng: Random, data: bytes, texts: tuple[str, ...]) -> bytes:
    """An archive with arrays replaced, its JSON mutated, its zip made odd, or bytes damaged."""
    kind = rng.randrange(6)
    if kind == 0:
        return hostile.damaged(rng, data)
    arrays = _npz(data)
    name = rng.choice(list(arrays))
    if kind == 1:
        del arrays[name]
    elif kind == 2:
        arrays[name] = rng.choice(ARRAYS)
    elif kind == 3 and arrays[name].size and arrays[name].dtype.kind in "if":
        values = arrays[name].copy()
        number = rng.choice([n for n in hostile.NUMBERS if abs(n) < 2**63])
        values.flat[rng.randrange(values.size)] = (
            number if values.dtype.kind == "f" else int(number)
        )
        arrays[name] = values
    elif kind == 4:
        name = rng.choice(texts)
        text = (
            arrays[name].tobytes() if arrays[name].dtype == np.uint8 else str(arrays[name]).encode()
        )
        changed = hostile.to_text(hostile.mutated(rng, json.loads(text)), rng)
        if arrays[name].dtype == np.uint8:
            arrays[name] = np.frombuffer(changed, dtype=np.uint8)
        else:
            arrays[name] = np.array(changed.decode("utf-8", "surrogateescape"))
    return _zipped(rng, arrays, odd=kind == 5)


def _zipped(rng: Random, arrays: dict[str, Any], odd: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice([0, 8, 12] if odd else [8])) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=True)
            body = content.getvalue()
            if odd and rng.random() < 0.3:
                body = body[:8] + hostile.damaged(rng, body[8:])
            if odd and rng.random() < 0.1:
                body = _declares(rng, body)
            archive.writestr(f"{name}.npy", body)
    data = bytearray(stream.getvalue())
    if odd and rng.random() < 0.2:
        at = data.rindex(b"PK\x01\x02")
        data[at + 8] |= 1
    if odd and rng.random() < 0.2:
        at = data.rindex(b"PK\x01\x02")
        data[at + 24 : at + 28] = b"\xff\xff\xff\x7f"
    return bytes(data)


def _declares(rng: Random, body: bytes) -> bytes:
    """An array whose header says that it is huge, or nested."""
    shape = rng.choice(
        ["(10000000000,)", "(-1,)", "(2,3,4)", "((" * 60 + "1" + "))" * 60, "(1,)" * 9]
    )
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body[-64:]


def archives(rng: Random) -> Trial:
    """NPZ instances."""
    (path := Path("good.json")).write_text(json.dumps(instance(rng)))
    save_instance(load_instance(path), "good.npz")
    data = mutated_archive(rng, Path("good.npz").read_bytes(), ("header",))
    return Trial(use(rng, "i.npz"), {"i.npz": data, "s.json": b"{}"})


def tables(rng: Random) -> Trial:
    """Sensitivity tables."""
    save_table(random_table(layers=4, samples=12, seed=rng.randrange(5)), "good.npz")
    data = mutated_archive(rng, Path("good.npz").read_bytes(), ("header", "times"))
    arguments = rng.choice(
        [
            ["build", "t.npz", "--budget", "3", "--out", "i.json"],
            ["build", "t.npz", "--budget", "w3a6", "--max-bops", "99999999", "--out", "i.json"],
            ["build", "t.npz", "--budget", "3", "--pin", "@first=8", "--metric", "loss_only",
             "--out", "i.npz"],
            ["confidence", "t.npz", "--budgets", "3", "--resamples", "9", "--json"],
            ["confidence", "t.npz", "--budgets", "3", "--resamples", "5", "--plan-a", "p.json"],
            ["ties", "t.npz", "--tie", "l*", "--budgets", "3"],
            ["ties", "t.npz", "--budgets", "3,4", "--json", "--out", "u.npz"],
        ]
    )  # fmt: skip
    plan = {f"l{i}": "4" for i in range(4)}
    return Trial(arguments, {"t.npz": data, "p.json": json.dumps(plan).encode()})
