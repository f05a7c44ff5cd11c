"""List the instances that ship with bitknap, show one, write it, or import files of others."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bitknap.problems import Instance, QuadraticInstance


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="A shipped instance, a file (.json, .npz, .txt), or import."),
    ] = None,
    files: Annotated[list[Path] | None, typer.Argument(help="Text files to import.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write it to this file (.json, .npz), imported ones also to a folder."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Of imported files; by default the one that fits.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Solve those with a published allocation.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the instances that ship with bitknap, show one, write it, or import files of others.

    Shown with a name: sizes, source, the proven optimum, and how many items preprocessing
    removes. With --published: the exact optimum of each program of HAWQ-V3 for ResNet-18 beside
    the allocation its authors published, bit for bit.

    `import FILES` reads text files of the knapsack literature, maximal profits become minimal
    costs; the layout of each is recognised, or named with --layout.

    Example: bitknap instances import I07 I08 --out khan
    """
    from bitknap.problems import DataError, load_quadratic, save_instance, save_quadratic
    from bitknap.problems.library import (
        FOLDER,
        find_instance,
        find_quadratic,
        library_instance,
        library_names,
        quadratic_names,
    )

    if name == "import":
        _import(files or [], layout, out, as_json)
        return
    if files or layout is not None:
        raise DataError(f"{files[0] if files else '--layout'} goes with `import` only")
    if published:
        _emit([_comparison(key) for key in _published_names(name)], as_json, _print_published)
        return
    if name is None:
        if out is not None:
            raise DataError("--out writes one instance; name it before --out")
        linear = [_facts(library_instance(key)) for key in library_names()]
        quadratic = [_known(load_quadratic(FOLDER / f"{key}.npz")) for key in quadratic_names()]
        _emit(linear + quadratic, as_json, _print_list)
        return
    problem = find_quadratic(name)
    instance = find_instance(name) if problem is None else problem.knapsack
    if out is not None:
        if problem is None:
            save_instance(instance, out)
        else:
            save_quadratic(problem, out)
        from bitknap.bench.tables.terminal import note

        note(f"wrote {out}")
        if not as_json:
            return
    if problem is not None:
        _emit(_known(problem) | {"preprocessing": {}}, as_json, _print_one)
        return
    _emit(_facts(instance) | {"preprocessing": _reductions(instance)}, as_json, _print_one)


def _import(files: list[Path], layout: str | None, out: Path | None, as_json: bool) -> None:
    from bitknap.bench.tables.terminal import note
    from bitknap.problems import DataError, save_instance
    from bitknap.problems.readers import read_instances
    from bitknap.problems.storage import only_writer

    if not files:
        raise DataError("name the text files to read after `import`")
    found = [instance for path in files for instance in read_instances(path, layout)]
    if out is not None:
        one = out.suffix in (".json", ".npz")
        if one and len(found) > 1:
            raise DataError(f"--out {out} is one file for {len(found)} instances; name a folder")
        targets = [out if one else out / f"{instance.name}.json" for instance in found]
        if len(set(targets)) < len(targets):
            raise DataError("two of the files have the same name; import them into two folders")
        with nullcontext() if one else only_writer(out):
            for instance, target in zip(found, targets, strict=True):
                save_instance(instance, target)
        note(f"wrote {out}" if one else f"wrote {out}: {len(found)} instances")
    _emit([_facts(instance) for instance in found], as_json, _print_list)


def _emit(document: Any, as_json: bool, show: Any) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        show(document)


def _facts(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "classes": len(instance),
        "items": instance.n_items,
        "ties": len(instance.ties),
        "capacity": dict(zip(instance.resources, instance.capacity.tolist(), strict=True)),
        "optimum": instance.optimum,
        "source": instance.source,
    }


def _known(problem: QuadraticInstance) -> dict[str, Any]:
    proven = (
        problem.best is not None
        and problem.bound is not None
        and problem.best - problem.bound <= 1e-9 * abs(problem.best)
    )
    known = {"best": problem.best, "bound": problem.bound}
    return _facts(problem.knapsack) | {"optimum": problem.best if proven else None} | known


def _reductions(instance: Instance) -> dict[str, Any]:
    from bitknap.problems.report import reduction_report

    return asdict(reduction_report(instance))


def _published_names(name: str | None) -> list[str]:
    from bitknap.problems import DataError
    from bitknap.problems.library.hawq import published_allocations

    names = sorted(published_allocations())
    if name is not None and name not in names:
        raise DataError(f"no allocation is published for {name!r}; choose of: {', '.join(names)}")
    return names if name is None else [name]


def _comparison(name: str) -> dict[str, Any]:
    from bitknap.problems.library import library_instance
    from bitknap.problems.library.hawq import published_allocations
    from bitknap.solvers import solve

    instance, theirs = library_instance(name), published_allocations()[name]
    solution = solve(instance)
    assert solution.choice is not None
    return {
        "name": name,
        "status": solution.status.value,
        "capacity": int(instance.capacity[0]),
        "usage": int(instance.usage(theirs)[0]),
        "published_objective": instance.objective(theirs),
        "objective": solution.objective,
        "published": _bits(instance, theirs),
        "bits": _bits(instance, solution.choice),
        "same": solution.choice.tolist() == theirs.tolist(),
    }


def _bits(instance: Instance, choice: Any) -> str:
    return "".join(instance.by_label(choice).values())


def _print_list(entries: list[dict[str, Any]]) -> None:
    from bitknap.bench.tables.terminal import WIDTH, Terminal, table

    shown = table("name", "classes", "capacity", "optimum", right=1, padding=(0, 1, 0, 0))
    names: dict[str, list[str]] = {}
    for entry in entries:
        limits = ", ".join(_limit(key, value) for key, value in entry["capacity"].items())
        optimum = "unknown" if entry["optimum"] is None else f"{entry['optimum']:.4g}"
        shown.add_row(entry["name"], str(entry["classes"]), limits, optimum)
        names.setdefault(entry["source"], []).append(entry["name"])
    console = Terminal(width=WIDTH)
    console.print(shown)
    for source, of in names.items():
        console.print(f"  {commonprefix(of)}*: {source}")  # noqa: RUF071, letters, not paths


def _limit(resource: str, value: int) -> str:
    if resource == "size_bits":
        from bitknap.problems.sizes import kilobytes

        return kilobytes(value)
    return f"{value / 1e9:,.2f} G {resource}" if value >= 1e8 else f"{value:,} {resource}"


def _print_one(entry: dict[str, Any]) -> None:
    from bitknap.bench.tables.terminal import WIDTH, Terminal, table

    shown = table("", "", box=None, show_header=False)
    for key, value in (entry | entry["preprocessing"]).items():
        if isinstance(value, dict):
            if key == "capacity":
                for resource, limit in value.items():
                    shown.add_row(f"capacity of {resource}", f"{limit:,}")
        elif value is not None:
            shown.add_row(key.replace("_", " "), str(value))
    Terminal(width=WIDTH).print(shown)


def _print_published(rows: list[dict[str, Any]]) -> None:
    from bitknap.bench.tables.terminal import WIDTH, Terminal, table

    headings = ("instance", "objective", "published bits", "our optimum")
    shown = table(*headings, padding=(0, 1, 0, 0))
    for row in rows:
        ours = "the same" if row["same"] else row["bits"]
        shown.add_row(row["name"], f"{row['objective']:.9f}", row["published"], ours)
    Terminal(width=WIDTH).print(shown)
