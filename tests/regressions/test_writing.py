"""Files that were overwritten, lost or written by two at once."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from bitknap.bench.records.record import Record
from bitknap.bench.runner.log import RecordLog
from bitknap.cli import build_app
from bitknap.problems import DataError, load_instance, save_instance
from bitknap.problems.storage import only_writer, write_atomically

from ..fuzz.harness import call
from .boundary import SUITE, refused


def test_bug_devices_fifos_and_links_were_replaced(here: Path) -> None:
    os.mkfifo("pipe")
    Path("target.json").write_text("kept")
    Path("link.json").symlink_to("target.json")
    refused("solve", "i.json", "--out", "pipe", words="it is a FIFO, not a plain file")
    assert stat.S_ISFIFO(os.lstat("pipe").st_mode)
    refused("solve", "i.json", "--out", "/dev/null", words="it is a device, not a plain file")
    assert call(["solve", "i.json", "--out", "link.json"]).code == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("target.json").read_text())["status"] == "optimal"


def test_bug_a_private_file_became_readable(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.touch(mode=0o600)
    write_atomically(path, "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["solve", "frontier", "export", "instances"])
def test_bug_out_overwrote_the_input(here: Path, name: str) -> None:
    before = Path("i.json").read_bytes()
    Path("same.json").hardlink_to("i.json")
    for out in ("i.json", "./i.json", "same.json"):
        refused(name, "i.json", "--out", out, words="is the input" * (name != "instances"))
    assert Path("i.json").read_bytes() == before


@pytest.mark.parametrize("foreign", ['{"my": "data"}', '{"my": "data"}\n', "notes\n", "\xff"])
def test_bug_a_suite_emptied_foreign_records(here: Path, foreign: str) -> None:
    Path("mine.toml").write_text(SUITE)
    Path("out").mkdir()
    Path("out/records.jsonl").write_bytes(foreign.encode("latin-1"))
    refused("bench", "mine.toml", "--out", "out")
    assert Path("out/records.jsonl").read_bytes() == foreign.encode("latin-1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("i.npz", "not a sensitivity table"),
        ("mine.npz", "not a sensitivity table"),
        ("text.npz", "not a sensitivity table"),
        ("newer.npz", "expected format bitknap.table/2, got 'bitknap.table/9'"),
        ("damaged.npz", "lacks the key 'layers'"),
    ],
)
def test_bug_what_is_no_readable_table_was_replaced_by_one(
    here: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_instance(load_instance("i.json"), "i.npz")
    np.savez("mine.npz", a=np.ones(3))
    Path("text.npz").write_text("mine")
    for number, stored in ((9, "newer.npz"), (2, "damaged.npz")):
        header = json.dumps({"format": f"bitknap.table/{number}"}).encode()
        texts = {"header": header, "times": b"{}"}
        np.savez(stored, **{n: np.frombuffer(text, dtype=np.uint8) for n, text in texts.items()})  # type: ignore[arg-type]
    Path("mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    before = Path(name).read_bytes()
    done = refused(
        "sensitivity", "mine:build", "--metrics", "weight_mse", "--out", name, words=words
    )
    assert "name another --out, or remove it" in done.err
    assert Path(name).read_bytes() == before


def test_bug_json_was_not_printed_beside_out(here: Path) -> None:
    done = call(["instances", "i.json", "--out", "copy.json", "--json"])
    assert (done.code, done.wrong) == (0, None)
    assert json.loads(done.out)["name"] == "case"


def test_bug_a_removed_folder_was_written_on(tmp_path: Path) -> None:
    record = Record("suite", "i", "core", "optimal", 1.0, 1.0, 0.1)
    with RecordLog(tmp_path / "out" / "records.jsonl") as log:
        log.append(record)
        shutil.rmtree(tmp_path / "out")
        with pytest.raises(DataError, match="was removed while it was written"):
            log.append(record)


HOLDER = """
import fcntl, os, sys
os.makedirs(sys.argv[1], exist_ok=True)
file = open(os.path.join(*sys.argv[1:]), "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


MODULE = """
import torch
from bitknap.bench import Accuracy, Workload

def build():
    torch.manual_seed(0)
    data = [(torch.randn(4, 3), torch.tensor([0, 1, 0, 1])) for _ in range(2)]
    return Workload(
        name="own", title="own", model=torch.nn.Sequential(torch.nn.Linear(3, 2)).eval(),
        calibration=lambda samples, seed: data,
        loss=lambda output, batch: (output - batch[1][:, None]).square().mean(dim=1),
        evaluate=lambda model: Accuracy(1, 2), provenance={}, training=lambda seed: data,
    )
"""


WRITERS: dict[str, tuple[list[str], list[str]]] = {
    "run": (["run", "--workload", "mine:build", "--budgets", "8", "--out", "out"], ["out"]),
    "sensitivity": (
        ["sensitivity", "mine:build", "--metrics", "weight_mse", "--out", "out/t.npz"],
        ["out", ".t.npz.lock"],
    ),
    "finetune": (["finetune", "mine:build", "--plan", "plan.json", "--out", "out"], ["out"]),
    "bench": (["bench", "mine.toml", "--out", "out"], ["out"]),
    "merge": (["bench", "merge", "run", "--out", "out"], ["out"]),
    "study": (["bench", "tiers", "--quick", "--out", "out"], ["out"]),
    "confidence": (
        ["confidence", "t.npz", "--budgets", "3", "--resamples", "2", "--out", "out"],
        ["out"],
    ),
    "report": (
        ["report", "run", "--section", "environment", "--out", "out"],
        ["out", ".report.lock"],
    ),
    "paper": (["paper", "--fast", "--out", "out"], ["out"]),
    "instances": (["instances", "import", "one.txt", "--out", "out"], ["out"]),
}  # fmt: skip


def test_every_command_that_writes_a_folder_is_tried_twice_at_once() -> None:
    commands: Any = typer.main.get_command(build_app(None))
    options = [(n, p) for n, c in commands.commands.items() for p in c.params if p.name == "out"]
    folders = {name for name, option in options if "older" in option.help}
    assert folders | {"sensitivity"} == set(WRITERS) - {"study", "merge"}


@pytest.mark.parametrize("name", WRITERS)
def test_bug_two_at_once_overwrote_each_other(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process with one --out is refused; when the first is killed, it is not."""
    arguments, lock = WRITERS[name]
    Path("mine.toml").write_text(SUITE)
    Path("mine.py").write_text(MODULE)
    Path("plan.json").write_text('{"0": 4}')
    Path("one.txt").write_text("1 7\n1\n5 2\n")
    Path("run").mkdir()
    Path("run/records.jsonl").write_text(
        Record("suite", "i", "core", "optimal", 1.0, 1.0, 0.1).to_line()
    )
    if name == "confidence":
        from bitknap.sensitivity import save_table

        from ..bench.tables import random_table

        save_table(random_table(), "t.npz")
    if name == "paper" and not Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("needs Fashion-MNIST")
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *(lock if lock[1:] else [*lock, ".bitknap.lock"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        refused(*arguments, words="another run is writing it")
    finally:
        holder.kill()
        holder.communicate()
    with only_writer(*map(Path, lock[:1]), *lock[1:]):
        pass
