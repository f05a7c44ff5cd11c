"""``generate``, ``instances`` and ``export`` as a user meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bitknap.cli import main
from bitknap.problems import load_instance
from bitknap.problems.families import FAMILIES


@pytest.fixture
def bitknap(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bitknap", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run


def test_generate_writes_what_the_function_makes(bitknap, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    options = ("--classes", 12, "--bits", "2,3,8", "--budget", 3, "--seed", 5)
    code, out, err = bitknap("generate", "mpq", *options, "--out", path)
    assert (code, out) == (0, "")
    assert "12 classes, 36 items" in err
    made = FAMILIES.load("mpq")(classes=12, bits=(2, 3, 8), budget=3.0, seed=5)
    assert load_instance(path).cost.tolist() == made.cost.tolist()
    code, _, _ = bitknap("generate", "zigzag", "--range", 50, "--out", tmp_path / "b.json")
    assert code == 0
    assert load_instance(tmp_path / "b.json").weight.max() == 50


def test_generate_list_names_every_family_and_option(bitknap) -> None:
    code, out, _ = bitknap("generate", "list")
    assert code == 0
    assert all(name in out for name in FAMILIES.names())
    assert "--range" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("zigzag", "--bits", "2"), "takes no --bits; it takes --classes, --items, --range"),
        (("nothing",), "no family is named 'nothing'; choose one of: binary_knapsack"),
        (("mpq",), "ending in .json or .npz"),
        (("mpq", "--out", "a.txt"), "ending in .json or .npz"),
        (("mpq", "--bits", "two", "--out", "a.json"), "--bits takes integers with commas"),
        (("mpq", "--budget", "1", "--out", "a.json"), "below the fewest bits"),
        (("zigzag", "--capacity", "x", "--out", "a.json"), "one of program, paper, ratio"),
    ],
)
def test_generate_says_what_is_wrong_in_one_line(bitknap, arguments, words: str) -> None:
    code, out, err = bitknap("generate", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("bitknap: ")
    assert words in err
    assert err.count("\n") == 1


def test_instances_lists_the_library(bitknap) -> None:
    code, out, _ = bitknap("instances")
    assert code == 0
    assert "hawq_v3/resnet50_latency_0.75" in out
    assert "MIT" in out
    code, out, _ = bitknap("instances", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)}
    entry = entries["hawq_v3/resnet18_size_0.5"]
    assert (entry["classes"], entry["items"], entry["ties"]) == (19, 38, 3)
    assert entry["capacity"] == {"size_bits": 66945024}
    assert entry["optimum"] == 0.074505929638


def test_instances_shows_and_writes_one(bitknap, tmp_path: Path) -> None:
    name = "hawq_v3/resnet18_size_0.5"
    code, out, _ = bitknap("instances", name)
    assert code == 0
    assert "undominated items" in out
    assert bitknap("instances", name, "--out", tmp_path / "a.json")[0] == 0
    assert load_instance(tmp_path / "a.json").name == name
    code, _, err = bitknap("instances", "nothing")
    assert code == 2
    assert "'nothing' is neither a file nor a shipped instance; `bitknap instances` lists" in err
    assert bitknap("instances", "--out", tmp_path / "b.json")[0] == 2


def test_the_table_of_published_allocations_says_the_same_nine_times(bitknap) -> None:
    code, out, _ = bitknap("instances", "--published", "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 9
    assert all(row["same"] and row["bits"] == row["published"] for row in rows)
    assert all(row["status"] == "optimal" and row["usage"] <= row["capacity"] for row in rows)
    code, out, _ = bitknap("instances", "--published")
    assert out.count("the same") == 9
    assert bitknap("instances", "hawq_v3/resnet50_size_0.5", "--published")[0] == 2


def test_export_takes_a_name_or_a_file(bitknap, tmp_path: Path) -> None:
    name = "hawq_v3/resnet18_size_0.5"
    assert bitknap("export", name, "--out", tmp_path / "a.mps")[0] == 0
    assert (tmp_path / "a.mps").read_text().startswith("NAME")
    bitknap("instances", name, "--out", tmp_path / "a.json")
    assert bitknap("export", tmp_path / "a.json", "--out", tmp_path / "a.lp")[0] == 0
    code, _, err = bitknap("export", name, "--out", tmp_path / "a.sol")
    assert code == 2
    assert "has no ending that is an export target" in err
    assert bitknap("export", name, "--to", "lp", "--out", tmp_path / "b.lp")[0] == 0
    assert (tmp_path / "b.lp").read_bytes() == (tmp_path / "a.lp").read_bytes()
    code, _, err = bitknap("export", name, "--to", "mps", "--out", tmp_path / "b.lp")
    assert code == 2
    assert "ending in .mps" in err


def test_bug_export_printed_no_json_of_what_it_wrote(bitknap, tmp_path: Path) -> None:
    file = tmp_path / "a.lp"
    code, out, _ = bitknap("export", "hawq_v3/resnet18_size_0.5", "--json", "--out", file)
    assert code == 0
    assert json.loads(out) == {"file": str(file), "target": "lp", "bytes": file.stat().st_size}


def test_import_reads_files_of_others(bitknap, tmp_path: Path) -> None:
    text = "1 2 1\n 5\n 1\n 3.00 4\n 1.00 2\n"
    for name in ("I1", "I2"):
        (tmp_path / name).write_text(text)
    files = tmp_path / "I1", tmp_path / "I2"
    code, out, err = bitknap("instances", "import", *files, "--out", tmp_path / "khan", "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)] == ["I1", "I2"]
    assert "khan: 2 instances" in err
    assert load_instance(tmp_path / "khan" / "I2.json").cost.tolist() == [0, 2]
    code, _, _ = bitknap("instances", "import", files[0], "--out", tmp_path / "one.npz")
    assert (code, load_instance(tmp_path / "one.npz").name) == (0, "I1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import",), "name the text files to read after `import`"),
        (("import", "none"), "none: no such file"),
        (("import", "a", "b", "--out", "c.json"), "one file for 2 instances; name a folder"),
        (("import", "a", "a", "--out", "c"), "two of the files have the same name"),
        (("import", "a", "--layout", "x"), "no layout is named 'x'; choose one of: hiremath-hill"),
        (("a.json", "b"), "b goes with `import` only"),
        (("--layout", "khan"), "--layout goes with `import` only"),
    ],
)
def test_import_says_what_is_wrong_in_one_line(
    bitknap, arguments, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        Path(name).write_text("1 2 1\n 5\n 1\n 3.00 4\n 1.00 2\n")
    code, out, err = bitknap("instances", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
