"""Write a plan, a network with it applied, or an instance for another tool."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.problems import DataError, UnsupportedError

from ._shipping import Data, Repair, Samples, Seed, load_shipment

if TYPE_CHECKING:
    from bitknap.bench.job.shipped import Shipped
    from bitknap.plans.export.base import NetworkTarget, TextTarget

INSTANCES = ("mps", "lp")


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A plan; for csv and json also a sensitivity table; for mps and lp an instance.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write.")],
    workload: Annotated[
        str | None,
        typer.Argument(help="Whose network it is: a name of `bitknap list`, or MODULE:FUNCTION."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="onnx, openvino, packed, torchao, compressed-tensors, gguf; json, csv, "
            "gguf-types; mps, lp. Default: by the ending of --out."
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="For gguf: a GGUF file of the network, to take tokenizer and facts of."),
    ] = None,
    repair: Repair = "auto",
    samples: Samples = 1024,
    seed: Seed = None,
    data: Data = None,
    accuracy: Annotated[
        bool, typer.Option("--accuracy/--no-accuracy", help="Measure it in the runtime.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a plan, a network with it applied, or an instance for another tool.

    Files of networks are read back: bytes beside those predicted, the largest difference of the
    outputs on 16 samples, and the accuracy in the runtime.

    In mps and lp files costs keep all their digits, weights are exact integers, ties become
    equations. Names hold letters, digits, dots and underscores; other characters are `_` and two
    hexadecimal digits.

    Example: bitknap export plan.json fashion-resnet18 --out model.onnx
    """
    from bitknap.bench.tables.terminal import print_table
    from bitknap.plans.export import TARGETS

    kind = out.suffix.lower().removeprefix(".") if to is None else to
    known = [*TARGETS.names(), *INSTANCES]
    if kind not in known:
        asked = f"--out {out} has no ending that is" if to is None else f"{to!r} is not"
        raise UnsupportedError(f"{asked} an export target; --to is one of: {', '.join(known)}")
    if kind in INSTANCES:
        _export_instance(source, out, kind)
        return _wrote(out, kind, as_json)
    from bitknap.plans.export.base import TextTarget

    target = TARGETS.load(kind)
    if isinstance(target, TextTarget):
        _write_text(target, Path(source), out, kind)
        return _wrote(out, kind, as_json)
    if workload is None:
        raise DataError(f"--to {kind} writes a network; name its workload after the plan")
    if like is not None and kind != "gguf":
        raise DataError(f"--like goes with --to gguf, got --to {kind}")
    given = Path(source), workload, data, samples, seed
    shipped = _ship(target, given, out, repair, like, accuracy)
    if as_json:
        typer.echo(json.dumps(shipped.document(), indent=1))
    else:
        print_table(shipped.table(f"{kind}: {out}"))
    return None


def _wrote(out: Path, kind: str, as_json: bool) -> None:
    from bitknap.bench.tables.terminal import note

    size = out.stat().st_size
    if as_json:
        typer.echo(json.dumps({"file": str(out), "target": kind, "bytes": size}, indent=1))
    else:
        note(f"wrote {out}: {size:,} bytes")


def _export_instance(name: str, out: Path, kind: str) -> None:
    from bitknap.problems.export import export_instance
    from bitknap.problems.library import find_instance

    if out.suffix.lower() != f".{kind}":
        raise DataError(f"{out}: expected a file ending in .{kind}")
    export_instance(find_instance(name), out)


def _write_text(target: TextTarget, source: Path, out: Path, kind: str) -> None:
    from bitknap.plans.export.base import ItemsTarget
    from bitknap.plans.layer_plan import Plan
    from bitknap.problems import write_atomically
    from bitknap.sensitivity import load_table

    if source.suffix != ".npz":
        target.write(Plan.load(source), out)
        return
    if not isinstance(target, ItemsTarget):
        raise DataError(f"--to {kind} takes a plan; make one with `bitknap plan {source}`")
    table = load_table(source)
    write_atomically(out, target.rows_text(table, range(len(table.labels))))


def _ship(
    target: NetworkTarget,
    shipment: tuple[Path, str, Path | None, int, int | None],
    out: Path,
    repair: str,
    like: Path | None,
    accuracy: bool,
) -> Shipped:
    """Arguments of `load_shipment` and `ship`."""
    from bitknap.bench.job.shipped import ship
    from bitknap.bench.workloads.loading import require_workload

    from ._progress import progress

    require_workload(shipment[1])
    with progress(f"loading {shipment[1]}") as tell:
        given = load_shipment(*shipment)
        workload = given.workload if like is None else replace(given.workload, like=like)
        return ship(target, given.plan, workload, out, repair, tell, accuracy=accuracy)
