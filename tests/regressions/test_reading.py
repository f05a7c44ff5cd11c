"""Inputs that were believed, hung, or were answered with a traceback."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitknap.bench.datasets.wordnet import load_glosses
from bitknap.bench.records.record import Record
from bitknap.problems import DataError, InstanceError, build_instance, load_instance, save_instance
from bitknap.problems.quadratic_files import is_quadratic
from bitknap.problems.storage import read_file

from ..fuzz.harness import call
from .boundary import SUITE, document, refused


def repacked(change: Callable[[dict[str, bytes]], None], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    save_instance(build_instance([[(1.0, 1)]], 1), "good.npz")
    with zipfile.ZipFile("good.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile("bad.npz", "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return Path("bad.npz")


def array(value: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(value))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("cost", np.zeros(5_000_000, dtype=np.int8), "must hold floats, got int8"),
        ("cost", np.zeros(1_000_000), "must have shape"),
        ("cost", np.array([[1.0]]), r"shape \(1,\), got \(1, 1\)"),
        ("cost", np.array([1 + 2j]), "holds complex128"),
        ("labels", np.array(["\ud800"]), "codes that are not characters"),
        ("header", np.array('{"format": ' + "9" * 5000 + "}"), "more than 4,300 digits"),
    ],
)
def test_bug_archives_were_unpacked_before_they_were_looked_at(
    here: Path, member: str, value: Any, words: str
) -> None:
    path = repacked(lambda members: members.update({f"{member}.npy": array(value)}))
    with pytest.raises(InstanceError, match=words):
        load_instance(path)


def test_bug_archives_could_declare_more_than_there_is(here: Path) -> None:
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }".ljust(117) + "\n"
    body = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(8)
    with pytest.raises(InstanceError, match="bytes"):
        load_instance(repacked(lambda members: members.update({"cost.npy": body})))
    data = bytearray(repacked(lambda members: None).read_bytes())
    at = data.rindex(b"PK\x01\x02")
    for place, value, words in ((8, b"\x01", "encrypted"), (24, b"\0\0\0\x7f", "at most 10,000")):
        bad = bytearray(data)
        bad[at + place : at + place + len(value)] = value
        Path("bad.npz").write_bytes(bad)
        with pytest.raises(InstanceError, match=words):
            load_instance("bad.npz")
    newer = bytearray(data)
    newer[at + 6] = 0xFF
    Path("bad.npz").write_bytes(newer)
    assert not is_quadratic("bad.npz")
    data[60:70] = b"\xff" * 10
    Path("bad.npz").write_bytes(data)
    with pytest.raises(InstanceError, match="not a readable NPZ"):
        load_instance("bad.npz")


def test_bug_devices_and_fifos_as_input_hung(here: Path) -> None:
    os.mkfifo("pipe.json")
    for name in ("/dev/zero", "pipe.json"):
        refused("solve", name, words="not a plain file")
        refused("verify", "i.json", name, words="not a plain file")
        refused("build", name, "--budget", "3", "--out", "o.json", words="not a plain file")
    os.mkfifo("data.noun")
    with pytest.raises(DataError, match="not a plain file"):
        load_glosses(here)
    Path("long").write_bytes(bytes(52))
    with pytest.raises(DataError, match="has 52 bytes, and at most 10 are read"):
        read_file("long", most=10)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("repeat = 1000000000", "repeat of the suite must be an integer from 1 to 10,000"),
        ("solvers = 3", "solvers of the suite must be a list"),
        ("memory_limit = inf", "memory_limit of the suite must be a finite number"),
        ("summary = 1979-05-27", "summary of the suite must be a string"),
        ('[[instances]]\nfiles = "/etc/*"', "is not a pattern below the suite"),
        ('[[instances]]\nfamily = "mpq"\nclasses = 1000000000', "classes must be an integer from"),
        ('[[instances]]\nfamily = "mpq"\nclasses = "x"', "classes must be an integer from"),
    ],
)
def test_bug_suites_were_believed(here: Path, line: str, words: str) -> None:
    Path("mine.toml").write_text(line + "\n" + SUITE.replace('summary = "one"\n', "").replace(
        'solvers = ["greedy"]\n', "") if "[[" not in line else SUITE + line)  # fmt: skip
    refused("bench", "mine.toml", "--out", "out", words=words)


TEXT = json.dumps(document())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT.replace("[4]", "[" + "9" * 5000 + "]"), "more than 4,300 digits"),
        (TEXT.replace("[4]", "[" + "9" * 400 + "]"), "must be an integer from 0 to 2^62"),
        (TEXT.replace('"a"', '"\\ud800"'), "half a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_bug_json_that_python_reads_but_cannot_keep(here: Path, text: str, words: str) -> None:
    Path("bad.json").write_text(text)
    refused("topk", "bad.json", "--forced", words=words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", "a" * 5000],
        ["solve", "b" * 300],
        ["solve", "i.json", "--time-limit", "nan"],
        ["generate", "mpq", "--seed", "-1", "--out", "g.json"],
        ["generate", "mpq", "--budget", "inf", "--out", "g.json"],
        ["generate", "mpq", "--classes", "1000000000", "--out", "g.json"],
        ["generate", "mpq", "--bits", "9" * 4200, "--out", "g.json"],
        ["frontier", "i.json", "--highest", "10000000000000000000"],
        ["topk", "i.json", "-k", "9" * 30],
        ["confidence", "t.npz", "--budgets", "9" * 4000],
        ["bench", "smoke", "--workers", "1000000"],
    ],
)
def test_bug_options_that_nothing_can_compute_with(here: Path, arguments: list[str]) -> None:
    assert refused(*arguments).err.strip()


def test_bug_solutions_with_a_key_twice_or_a_gap_beyond_float64(here: Path) -> None:
    assert call(["solve", "i.json", "--out", "s.json"]).code == 0
    text = Path("s.json").read_text()
    Path("s.json").write_text(text.replace('"status"', '"status": 1, "status"', 1))
    refused("verify", "i.json", "s.json", words="the key 'status' stands twice")
    tiny = [{"label": "1", "cost": 5e-324, "weight": [1]}]
    Path("i.json").write_text(json.dumps(document(classes=[{"name": "a", "items": tiny}])))
    claim = json.loads(text) | {
        "status": "feasible", "objective": 5e-324, "bound": -1e300, "gap": 1.0,
        "choice": {"a": "1"}, "usage": {"size": 1}, "capacity": {"size": 4}, "multiplier": None,
    }  # fmt: skip
    Path("s.json").write_text(json.dumps(claim))
    assert "The gap is given as 1.0, but it is inf" in call(["verify", "i.json", "s.json"]).out


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[]",
        b'{"format": "bitknap.record/3", "suite": 3}',
        Record("suite", "i", "core", "optimal", None, 1.0, 0.1).to_line().strip().encode(),
    ],
    ids=["not UTF-8", "no object", "a wrong type", "an optimum of no objective"],
)
def test_bug_records_of_any_kind(here: Path, line: bytes) -> None:
    Path("run").mkdir()
    Path("run/records.jsonl").write_bytes(line + b"\n")
    refused("report", "run", words="line 1: is not a bitknap.record/3 record")
