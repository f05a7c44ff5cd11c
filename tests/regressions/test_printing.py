"""Names, numbers and errors that were printed as something else, or as a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import pytest

from bitknap.bench.figures.bits_by_layer import draw_bits_by_layer
from bitknap.bench.figures.style import svg_text
from bitknap.bench.records.record import Record
from bitknap.bench.tables.latex import latex
from bitknap.bench.tables.table import Table
from bitknap.problems.names import cut

from ..fuzz.harness import call
from .boundary import document, refused


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
