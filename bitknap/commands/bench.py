"""Run a suite of solvers and instances, or a study; without a name, list them."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitknap.cli import EXIT_FAILED

from ._options import MOST_SEED, split

if TYPE_CHECKING:
    from bitknap.bench.runner import Suite
    from bitknap.bench.tables.table import Table


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="A suite, your own suite (.toml), a study, merge or compare."),
    ] = None,
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders or archives to merge or compare.")
    ] = None,
    solvers: Annotated[
        str | None, typer.Option(help="Methods with commas, or all, exact, heuristic.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.001, max=1e9, help="Seconds a run; 60 unless the suite says."),
    ] = None,
    memory_limit: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="MB per run; 4000 unless the suite says.")
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Runs a pair; 5 unless the suite says.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST_SEED, help="Seed of the order and the methods.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes at a time.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on this Dask cluster (tcp://...).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; of a suite runs/bench/NAME by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Resume a suite that was stopped, or refuse its folder.")
    ] = True,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Of a study that has settings; repeatable."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer instances (studies).")] = False,
    run_by: Annotated[str, typer.Option("--by", help="Who ran what is merged.")] = "unnamed",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a suite of solvers and instances, or a study; without a name, list them.

    A suite appends every run to OUT/records.jsonl and resumes where it was stopped; it ends with
    a summary and exit code 1 when answers of solvers contradict each other. A study prints its
    tables, and with --out writes them as CSV; long ones keep what is finished in runs/STUDY.

    `merge A B --out C --by NAME` writes the records of several folders into one, with a manifest
    of their hash, machines and versions. `compare A B` prints what differs between two folders,
    or a folder and an archive by its name; with --out it writes their page.

    Example: bitknap bench smoke --solvers core,highs
    """
    from bitknap.bench.runner import suite_files
    from bitknap.bench.studies import STUDIES
    from bitknap.problems import DataError, UnsupportedError

    if name is None:
        _list(as_json)
        return
    if name in _VERBS:
        _VERBS[name](folders or [], out, run_by)
        return
    if folders:
        raise DataError(f"{name} takes no folders; only merge and compare do")
    if name in STUDIES.names() and name not in suite_files():
        given = [solvers, time_limit, memory_limit, repeat, seed, dask]
        if as_json or workers > 1 or not resume or any(value is not None for value in given):
            raise DataError(f"{name} is a study, which takes --quick, --set and --out only")
        _run_study(name, quick, out, settings or [])
        return
    if not name.endswith(".toml") and name not in suite_files():
        known = ", ".join([*suite_files(), *STUDIES.names()])
        raise UnsupportedError(
            f"no suite or study is named {name!r}; choose one of: {known}, or name a .toml file"
        )
    if quick or settings:
        raise DataError(
            f"{name} is a suite, which takes no --quick or --set; `smoke` is the small one"
        )
    suite = _suite(name, solvers, time_limit, memory_limit, repeat, seed)
    out = out or Path("runs") / "bench" / suite.name
    if not resume and out.exists():
        raise DataError(f"{out} exists; name another --out, or resume it with --resume")
    _run_suite(suite, out, workers, dask, as_json)


def _merge(folders: list[Path], out: Path | None, run_by: str) -> None:
    from bitknap.bench.records.archive import find_folder, merge_records
    from bitknap.bench.tables.terminal import say
    from bitknap.problems import DataError

    if not folders or out is None:
        raise DataError("merge needs the folders to merge, and a new one as --out")
    manifest = merge_records([find_folder(folder) for folder in folders], out, run_by)
    count = len(manifest.machines)
    machines = f"{count} machine{'s' * (count > 1)}"
    say(f"{out}: {manifest.runs:,} records of {machines}, sha256 {manifest.sha256}")


def _compare(folders: list[Path], out: Path | None, _run_by: str) -> None:
    from bitknap.bench.report import COMPARISONS
    from bitknap.bench.report.source import open_source
    from bitknap.bench.report.write import build_contents, write_report
    from bitknap.bench.tables.terminal import print_table, say
    from bitknap.problems import DataError

    if len(folders) != 2:
        raise DataError(f"compare needs two folders or archives, got {len(folders)}")
    first, second = (open_source(folder) for folder in folders)
    say(f"A: {first.path}, B: {second.path}")
    for _, _, content in build_contents(COMPARISONS, (first, second)):
        for table in content.tables.values() if content else ():
            print_table(table)
    if out is not None:
        say(f"report: {write_report(folders[0], folders[1], out)}")


_VERBS = {"merge": _merge, "compare": _compare}


def _list(as_json: bool) -> None:
    from bitknap.bench.records.archive import archived_names
    from bitknap.bench.runner import find_suite, suite_files
    from bitknap.bench.studies import STUDIES

    found = {
        "suites": {name: find_suite(name).summary for name in suite_files()},
        "studies": {name: STUDIES.summary(name) for name in STUDIES.names()},
        "archives": dict.fromkeys(archived_names(), ""),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    from bitknap.bench.tables.terminal import Terminal, table

    for kind, entries in found.items():
        shown = table(kind, "")
        for name, summary in entries.items():
            shown.add_row(name, summary)
        if entries:
            Terminal().print(shown)


def _suite(
    name: str,
    solvers: str | None,
    time_limit: float | None,
    memory_limit: int | None,
    repeat: int | None,
    seed: int | None,
) -> Suite:
    from bitknap.bench.runner import find_suite
    from bitknap.bench.runner.suite import solver_names

    suite = find_suite(name)
    changed: dict[str, Any] = {"repeat": repeat, "seed": seed}
    if solvers is not None:
        changed["solvers"] = solver_names(split(solvers, "--solvers"))
    allowed = {
        "time": time_limit,
        "memory": None if memory_limit is None else memory_limit * 1_000_000,
    }
    changed["allowance"] = replace(suite.allowance, **_given(allowed))
    return replace(suite, **_given(changed))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _run_suite(suite: Suite, out: Path, workers: int, dask: str | None, as_json: bool) -> None:
    from bitknap.bench.measures.answers import answers_of
    from bitknap.bench.measures.contradictions import clashes
    from bitknap.bench.measures.summary import summarise, summary_tables
    from bitknap.bench.records.record import RECORDS
    from bitknap.bench.runner import run_suite
    from bitknap.bench.runner.progress import TerminalProgress
    from bitknap.bench.tables.terminal import print_table, say

    with TerminalProgress(suite.name) as progress:
        records = run_suite(
            suite,
            out,
            progress,
            workers=workers,
            dask=dask,
            command=shlex.join(["bitknap", *sys.argv[1:]]),
        )
    answers, refuted = answers_of(records), clashes(records)
    if as_json:
        document = {
            "records": str(out / RECORDS),
            "runs": len(records),
            "solvers": [asdict(summary) for summary in summarise(answers)],
            "contradictions": refuted,
        }
        typer.echo(json.dumps(_finite(document), indent=1))
    else:
        for table in summary_tables(answers, refuted):
            print_table(table)
        say(f"records: {out / RECORDS}; `bitknap report {out}` makes a page of them")
    if refuted:
        raise typer.Exit(EXIT_FAILED)


def _finite(value: Any) -> Any:
    """The document with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _run_study(name: str, quick: bool, out: Path | None, settings: list[str]) -> None:
    from bitknap.bench.records.environment import machine, versions
    from bitknap.bench.studies import STUDIES
    from bitknap.bench.tables.terminal import print_table
    from bitknap.problems import DataError, write_atomically
    from bitknap.problems.storage import only_writer

    from ._progress import progress

    run = STUDIES.load(name)
    given = dict(text.partition("=")[::2] for text in settings)
    if given and "settings" not in inspect.signature(run).parameters:
        raise DataError(f"the study {name} has no settings; leave --set out")
    tables: list[Table] = []
    try:
        with contextlib.ExitStack() as held:
            say = held.enter_context(progress(f"running {name}"))
            offered: dict[str, Any] = {
                "folder": Path("runs") / name,
                "say": say,
                "settings": given,
            }
            wanted = inspect.signature(run).parameters
            folders = {offered["folder"].resolve()} if "folder" in wanted else set()
            for folder in folders | ({out.resolve()} if out else set()):
                held.enter_context(only_writer(folder))
            for table in run(quick, **{k: v for k, v in offered.items() if k in wanted}):
                tables.append(table)
                if out is not None:
                    write_atomically(out / f"{name}-{len(tables) - 1}.csv", table.to_csv())
                say(f"finished {table.title}")
    finally:
        for table in tables:
            print_table(table)
    typer.echo(f"machine: {machine()}")
    typer.echo("versions: " + ", ".join(f"{name} {v}" for name, v in versions().items()))
