"""The paper's tables and figures on a tiny network: what they show, and that nothing runs twice."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bitknap.bench.confidence.bootstrap import optimum
from bitknap.bench.finetuning.fine_tune import FineTuning
from bitknap.bench.paper import PARTS, cells, search, stamps
from bitknap.bench.paper.call import Call, load_study, save_call, write_study
from bitknap.bench.paper.needs import estimate
from bitknap.bench.paper.pace import Pace, duration
from bitknap.bench.paper.parts import figure1_samples, figure2_order, published
from bitknap.bench.paper.plans import METHODS, instance_at
from bitknap.bench.paper.scale import FAST, FULL, Scale, imagenet
from bitknap.bench.paper.search import evolve
from bitknap.bench.paper.stamps import read_stamps, stamp
from bitknap.bench.paper.study import Study, run_study
from bitknap.bench.report.write import Contents, build_contents, write_page, write_report
from bitknap.bench.tables.table import mean, signed
from bitknap.problems import DataError

from .tiny import tiny_workload

RATES = ("8x", "12.24x")
TINY = Scale(
    name="tiny",
    rates={"tiny": RATES},
    tuned={"tiny": RATES[1:]},
    samples=dict.fromkeys(FULL.samples, 64) | {"hawq_v2": 16},
    seeds=(0, 1, 2),
    tuning=FineTuning(epochs=1, batches=4),
    search=40,
)


def quiet(text: str) -> None:
    pass


def run(out: Path, scale: Scale = TINY) -> Study:
    return run_study(scale, out, ["bitknap", "paper"], quiet, lambda name: tiny_workload())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return run(folder)


@pytest.fixture(scope="module")
def contents(study: Study, folder: Path) -> Contents:
    found = build_contents(PARTS, [study])
    write_page(folder / "report.html", "title", "lead", found, study.command)
    return found


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_plans_keep_their_rate_and_only_some_are_tuned(study: Study) -> None:
    network = study.networks["tiny"]
    sizes = {layer.name: layer.numel for layer in network.table.layers}
    for cell in network.cells:
        bits = sum(sizes[layer] * int(b) for layer, b in cell.plan.allocation.items())
        assert bits * float(cell.plan.rate.rstrip("x")) <= 32 * sum(sizes.values())
        tuned = cell.plan.rate == "12.24x" and cell.plan.method in METHODS
        assert (cell.after is not None) == tuned
        assert (cell.repaired is not None) == (cell.plan.method in METHODS)
    assert {c.plan.method for c in network.cells} >= {*METHODS, "first_order", "greedy_reversed"}


def test_nothing_that_is_kept_runs_again(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("ran again")

    monkeypatch.setattr(cells, "fine_tune", refuse)
    monkeypatch.setattr(search, "_evolve", refuse)
    workload = replace(tiny_workload(), evaluate=refuse)  # type: ignore[arg-type]
    again = run_study(TINY, folder, ["bitknap", "paper"], quiet, lambda name: workload)
    for first, second in zip(
        study.networks["tiny"].cells, again.networks["tiny"].cells, strict=True
    ):
        assert first == second
    cell = next((folder / "cells" / "tiny" / "fine-tuned").glob("*.json"))
    kept = cell.read_text()
    cell.write_text("{}")
    with pytest.raises(DataError, match="remove it to tune again"):
        run_study(TINY, folder, [], quiet, lambda name: workload)
    cell.write_text(kept)


def test_tables_agree_with_the_cells(study: Study, contents: Contents, folder: Path) -> None:
    network = study.networks["tiny"]
    rows = {row["method"]: row for row in table(folder, "table1_tiny")}
    assert list(rows) == list(METHODS.values())
    for method, title in METHODS.items():
        after = [c.after for c in network.select(method, "12.24x")]
        changes = [100 * (a.value - network.whole.value) for a in after if a is not None]
        assert rows[title]["12.24x, tuned"] == signed(changes)
        assert len(changes) == 3
        repaired = [network.change(c.repaired) for c in network.select(method, "8x") if c.repaired]
        assert rows[title]["8x, repaired"] == signed(repaired)
    assert len(table(folder, "cells")) == len(network.cells)
    assert [row["Top-1"] for row in table(folder, "published_accuracy")] == [
        "-0.26", "-0.85", "-0.05",
    ]  # fmt: skip
    assert {row["kind"] for row in table(folder, "published_accuracy")} == {"secondary"}
    assert {row["same"] for row in table(folder, "hawq_v3")} == {"yes"}
    assert "search_cost_tiny" in {path.stem for path in (folder / "tables").glob("*.csv")}
    page = (folder / "report.html").read_text(encoding="utf-8")
    for _, section, _ in contents:
        assert section.heading in page
    for number in (1, 2, 3, 4):
        assert (folder / "figures" / f"figure{number}_tiny.png").exists()


def test_the_environment_is_that_of_the_measurement(
    study: Study, contents: Contents, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = folder / "cells" / "tiny"
    assert [row["value"] for row in table(folder, "environment") if row["what"] == "measured on"]
    monkeypatch.setattr(stamps, "machine", lambda: "another machine")
    again = run(folder)
    assert again.networks["tiny"].stamps == read_stamps(cells), "nothing was measured"
    assert len(read_stamps(cells)) == 1
    stamp(folder / "other")
    stamp(folder / "other")
    (other,) = read_stamps(folder / "other")
    assert other == replace(read_stamps(cells)[0], machine="another machine")
    (folder / "other" / stamps.FILE).write_text("{}")
    with pytest.raises(DataError, match="remove it"):
        read_stamps(folder / "other")


def test_published_figures_stand_alone() -> None:
    content = published.build(None)  # type: ignore[arg-type]
    assert set(content.tables) == {"published_accuracy", "published_cost"}


def test_figure_1_is_the_running_mean_of_the_terms(study: Study) -> None:
    network = study.networks["tiny"]
    counts, ratio, half = figure1_samples.running(network)
    assert counts.tolist() == [16, 32, 64]
    scores = network.table.scores["fisher"].astype(float)
    item = network.table.labels.index("4")
    terms = 0.5 * scores[:, item] ** 2
    assert ratio[1, 0] == pytest.approx(terms[:32].mean() / terms.mean(), rel=1e-9)
    error = terms[:32].std(ddof=1) / math.sqrt(32)
    assert half[1, 0] == pytest.approx(1.96 * error / terms.mean(), rel=1e-9)


def test_figure_2_finds_no_order_below_the_optimum(study: Study) -> None:
    ratios = figure2_order.excess(study.networks["tiny"])
    for values in ratios.values():
        assert (values >= 1 - 1e-12).all()
    assert ratios["greedy"].mean() < ratios["greedy_reversed"].mean()


def test_the_search_spends_its_passes_and_keeps_the_rate(study: Study, tmp_path: Path) -> None:
    network = study.networks["tiny"]
    found = network.search
    assert 30 <= found.evaluations <= 40 + 1
    sizes = {layer.name: layer.numel for layer in network.table.layers}
    bits = sum(sizes[layer] * int(b) for layer, b in found.allocation.items())
    assert bits * 12.24 <= 32 * sum(sizes.values())
    instance = instance_at(network.tables, "fisher", 0, "12.24x")
    again = evolve(
        tiny_workload(), network.table, instance, optimum(instance)[0], 64, 40,
        tmp_path / "search.json", quiet,
    )  # fmt: skip
    assert (again.allocation, again.loss) == (found.allocation, found.loss)
    document = json.loads((tmp_path / "search.json").read_text())
    (tmp_path / "search.json").write_text(json.dumps(document | {"found": 3}))
    with pytest.raises(DataError, match="remove it to search again"):
        evolve(
            tiny_workload(), network.table, instance, optimum(instance)[0], 64, 40,
            tmp_path / "search.json", quiet,
        )  # fmt: skip


def test_a_study_may_leave_metrics_out(tmp_path: Path) -> None:
    scale = replace(TINY, samples={"fisher": 64}, seeds=(0,), rates={"tiny": RATES[1:]})
    found = run(tmp_path, scale)
    methods = {c.plan.method for c in found.networks["tiny"].cells}
    assert methods == {"uniform", "random", "fisher", "greedy", "greedy_random", "greedy_reversed"}
    build_contents(PARTS, [found])


def test_needs_count_what_is_passed() -> None:
    scale = replace(TINY, samples={"fisher": 32})
    grid = estimate("tiny", tiny_workload(), scale, test=200)
    passed = {row[0]: row[1] for row in grid.rows}
    assert passed["metric fisher"] == f"{32 * 3 * 4}"
    assert passed["evaluating plans"] == f"{(7 * 3 * 2 + 1) * 200:,}"
    assert passed["fine-tuning plans"] == f"{4 * 3 * 1 * 4 * 40:,}"


def test_pace_estimates_by_kind() -> None:
    said: list[str] = []
    pace = Pace({"a": 3, "b": 2}, said.append)
    assert pace.left == (0.0, True)
    with pace.cell("a", "first"):
        pass
    pace.seconds["a"] = 10.0
    assert pace.left == (20.0, True)
    with pace.cell("b", "second"):
        pass
    pace.seconds["b"] = 60.0
    assert pace.left == (80.0, False)
    pace.say("step 1")
    assert said[0] == "1 of 5: first"
    assert said[-1] == "3 of 5, 80 s left: second, step 1"
    with pytest.raises(KeyboardInterrupt), pace.cell("a", "third"):
        raise KeyboardInterrupt
    assert pace.done == {"a": 1, "b": 1}
    assert [duration(s) for s in (12, 600, 9000)] == ["12 s", "10 min", "2.5 h"]


def test_means_and_scales() -> None:
    assert mean([1.0, 3.0]) == (2.0, 1.0)
    assert signed([1.0, 3.0]) == "+2.00 ± 1.00"
    assert signed([-0.5]) == "-0.50"
    for scale in (FAST, FULL, imagenet("resnet50", fast=True)):
        assert len(scale.seeds) >= 3
        assert all(set(scale.tuned[name]) <= set(scale.rates[name]) for name in scale.rates)


def test_a_finished_study_is_drawn_again_and_compared(
    study: Study, contents: Contents, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_call(Call(["bitknap", "paper"]), folder)
    monkeypatch.setattr(Call, "open", lambda call: (TINY, lambda name: tiny_workload()))
    again = tmp_path / "again" / "report.html"
    write_study(load_study(folder, quiet), again)
    first = (folder / "figures" / "figure2_tiny.svg").read_bytes()
    assert (tmp_path / "again" / "figures" / "figure2_tiny.svg").read_bytes() == first
    rows = (folder / "tables" / "cells.csv").read_text().splitlines()
    other = tmp_path / "other" / "tables"
    other.mkdir(parents=True)
    save_call(Call(["bitknap", "paper"]), other.parent)
    with pytest.raises(DataError, match="did not end; resume it with: bitknap paper"):
        load_study(other.parent, quiet)
    changed = rows[1].split(",")
    changed[5] = str(float(changed[5]) + 0.01)
    (other / "cells.csv").write_text("\n".join([rows[0], ",".join(changed), *rows[2:]]))
    write_report(folder, other.parent, tmp_path / "out")
    found = table(tmp_path / "out", "paper_cells")
    assert found[0]["Top-1"] == "+0.33 ± 0.33"
    assert {row["Top-1"] for row in found[1:]} <= {"+0.00", "+0.00 ± 0.00"}


SCRIPT = """
import json, sys
from pathlib import Path
from bitknap.bench.paper.study import help_study, run_study
from bitknap.sensitivity.resume.ranks import joined
from tests.bench.test_paper import TINY, quiet
from tests.bench.tiny import tiny_workload

with joined() as ranks:
    out = Path(sys.argv[1])
    if ranks.rank:
        help_study(TINY, out, quiet, lambda name: tiny_workload(), ranks)
    else:
        study = run_study(TINY, out, [], quiet, lambda name: tiny_workload(), ranks)
        cells = study.networks["tiny"].cells
        (out / "found.json").write_text(json.dumps([[c.plan.method, c.before.correct,
            c.after and c.after.correct] for c in cells]))
"""


@pytest.mark.slow
def test_two_processes_find_what_one_finds(study: Study, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*launcher, str(tmp_path / "script.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    expected = [
        [c.plan.method, c.before.correct, c.after and c.after.correct]
        for c in study.networks["tiny"].cells
    ]
    assert found == expected
