"""Files, names and options that were answered with a traceback, or that cost somebody a file."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import xml.dom.minidom
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from bitknap.bench.datasets.wordnet import load_glosses
from bitknap.bench.figures.bits_by_layer import draw_bits_by_layer
from bitknap.bench.figures.style import svg_text
from bitknap.bench.records.record import Record
from bitknap.bench.runner.log import RecordLog
from bitknap.bench.tables.latex import latex
from bitknap.bench.tables.table import Table
from bitknap.cli import build_app
from bitknap.problems import DataError, InstanceError, build_instance, load_instance, save_instance
from bitknap.problems.names import cut
from bitknap.problems.quadratic_files import is_quadratic
from bitknap.problems.storage import only_writer, read_file, write_atomically

from ..fuzz.harness import Done, call

ITEMS = [{"label": "2", "cost": 1.0, "weight": [1]}, {"label": "4", "cost": 0.0, "weight": [3]}]


def document(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "format": "bitknap.instance/1",
        "name": "case",
        "resources": ["size"],
        "capacity": [4],
        "classes": [{"name": name, "items": ITEMS} for name in names or ("a", "b")],
        **more,
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("i.json").write_text(json.dumps(document()))
    return tmp_path


def refused(*arguments: str, words: str = "", code: int = 2) -> Done:
    done = call(arguments)
    assert (done.code, done.wrong) == (code, None), done
    assert words in done.err
    return done


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


SUITE = 'summary = "one"\nsolvers = ["greedy"]\n[[instances]]\nfamily = "mpq"\nclasses = 5\n'


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


def test_bug_many_classes_took_long_to_print(here: Path) -> None:
    names = ["x[/]\x1b", *(f"layer{i}" for i in range(1200))]
    Path("i.json").write_text(json.dumps(document(*names, capacity=[1201])))
    done = call(["solve", "i.json"])
    assert (done.code, done.wrong) == (0, None)
    lines = done.out.splitlines()
    assert [line.split() for line in lines[-1202:][:2]] == [["class", "choice"], ["x[/]\\x1b", "2"]]
    assert lines[-1].split() == ["layer1199", "2"]


@pytest.mark.parametrize("name", ["enc[/]", "enc[red]", ":smile:", "\\[x]", "x" * 300])
def test_bug_names_were_taken_for_markup(here: Path, name: str) -> None:
    Path("i.json").write_text(json.dumps(document(name, "other[/]")))
    for arguments in (["solve"], ["topk", "--forced"], ["frontier", "--at", "4"]):
        done = call([arguments[0], "i.json", *arguments[1:]])
        assert (done.code, done.wrong) == (0, None)
        assert name in "".join(
            line.split("  ")[1] for line in done.out.splitlines() if "  " in line
        )


@pytest.mark.parametrize("name", ["\x1b]0;x\x07", "\x9b2J", "a\rb", "\u202egnp", "\x7f"])
def test_bug_terminal_orders_in_names_passed_through(here: Path, name: str) -> None:
    Path("i.json").write_text(json.dumps(document(name, resources=[name], name=name)))
    for arguments in (["solve"], ["frontier"], ["instances"], ["export", "--out", "x.lp"]):
        done = call([arguments[0], "i.json", *arguments[1:]])
        assert (done.code, done.wrong) == (0, None)
        assert name not in done.out + done.err
    Path("i.json").write_text(json.dumps(document(name, name)))
    refused("solve", "i.json", words="two class names are")


def test_bug_names_made_bad_csv_latex_and_svg(here: Path) -> None:
    Path("i.json").write_text(json.dumps(document("a", resources=["=1+1,x"], name="$\\frac$ \x1b")))
    assert call(["frontier", "i.json", "--out", "f.csv"]).code == 0
    assert Path("f.csv").read_text().startswith('"\'=1+1,x",objective,supported\n')
    assert call(["frontier", "i.json", "--out", "f.svg"]).code == 0
    xml.dom.minidom.parse("f.svg")
    figure = draw_bits_by_layer({"[p]\x00": ["2", "2"]}, ["$a$ --", "\x1b" * 400], ["2"])
    xml.dom.minidom.parseString(svg_text(figure))
    table = Table("t\r\\input{x}", ["a\x1b"], [["=cmd|'x'!A0"], ["-1.5"], ["+0.3 %"], ["\\x_&\n"]])
    assert table.to_csv() == "a\\x1b\n'=cmd|'x'!A0\n-1.5\n+0.3 %\n\"\\x_&\n\"\n"
    assert "\x1b" not in latex(table)
    assert all(line[0] in "%\\a'=-+" for line in latex(table).splitlines() if line)


def test_bug_long_names_were_cut_alike() -> None:
    names = [f"{'encoder.' * 30}{i}.{'attention.' * 30}weight" for i in range(50)]
    short = cut(names, 30)
    assert len(set(short)) == 50
    assert {len(name) for name in short} == {30}
    assert cut(["a", "b"], 30) == ["a", "b"]


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


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.1), (5e-324, 0.1), (0.1, 1e-300)])
def test_bug_times_that_no_clock_tells_were_divided(
    here: Path, first: float, second: float
) -> None:
    for folder, seconds in (("a", first), ("b", second)):
        rows = [
            Record("s", "i", solver, "optimal", 1.0, 1.0, seconds, cpu_seconds=seconds, exact=True)
            for solver in ("core", "dp")
        ]
        Path(folder).mkdir()
        Path(folder, "records.jsonl").write_text("".join(row.to_line() for row in rows))
        done = call(["report", folder, "--section", "profile", "--section", "proofs"])
        assert (done.code, done.wrong) == (0, None)
    done = call(["report", "a", "b", "--out", "out"])
    assert (done.code, done.wrong) == (0, None)


def test_bug_a_full_closed_or_plain_standard_output(here: Path) -> None:
    command = [sys.executable, "-m", "bitknap", "solve", "i.json"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert b"the results cannot be written (No space left on device)" in done.stderr
    closed = [*("sh", "-c", '"$@" >&-', "sh"), *command]
    done = subprocess.run(closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    Path("i.json").write_text(json.dumps(document("名前", "b")))
    plain = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=plain, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u540d\u524d" in done.stdout


def test_bug_an_unforeseen_error_was_a_traceback(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError("by\x1b[2J nothing")

    monkeypatch.setenv("TMPDIR", str(here))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("bitknap.problems.library.find_instance", fail)
    done = call(["solve", "i.json"])
    assert done.code == 70
    assert done.err.startswith("bitknap: a fault of bitknap, not of your input: ZeroDivisionError")
    assert len(done.err.splitlines()) == 1
    assert "\x1b" not in done.err
    (saved,) = here.glob("bitknap-traceback-*.txt")
    assert str(saved) in done.err
    assert "bitknap solve i.json" in saved.read_text()
    assert "in fail" in saved.read_text()
