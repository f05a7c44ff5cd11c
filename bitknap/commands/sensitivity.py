"""Compute the sensitivity table of a network of your own, or of a built-in workload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.problems import DataError

from . import _options as options
from ._options import MOST_SEED, Bits, Device, split

if TYPE_CHECKING:
    from bitknap.sensitivity import SensitivityTable


def command(
    workload: Annotated[
        str,
        typer.Argument(
            help="MODULE:FUNCTION that returns a Workload, or a name of `bitknap list`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The table, an .npz file.")],
    metrics: Annotated[
        str, typer.Option(metavar="NAME,..", help="`bitknap list` shows all.")
    ] = "fisher",
    bits: Bits = "2,3,4,5,6,8",
    samples: Annotated[int, typer.Option(min=1, help="Calibration samples.")] = 1024,
    quantizer: options.Quantized = None,
    activation_bits: options.ActivationBits = None,
    activation_words: options.ActivationWords = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the draws.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    device: Device = "cpu",
    chunk: Annotated[
        int | None, typer.Option(min=1, help="Most samples at once; bounds the memory.")
    ] = None,
) -> None:
    """Compute the sensitivity table of a network of your own, or of a built-in workload.

    The module is looked for in the current directory, then where packages are installed. Metrics
    that OUT holds already, from the same network, data and options, are not computed again, and
    a stopped run resumes from the chunks in OUT.partial. Started by torchrun, the processes
    share the work.

    Example: bitknap sensitivity mymodule:build --metrics fisher --out table.npz
    """
    from bitknap.bench.workloads.loading import load_workload, require_workload
    from bitknap.sensitivity import METRICS
    from bitknap.sensitivity.resume.ranks import joined

    from ._progress import progress

    with joined() as ranks:
        names = split(metrics, "--metrics")
        widths = options.bit_widths(bits)
        require_workload(workload)
        for name in names:
            METRICS.require(name)
        if out.suffix != ".npz":
            raise DataError(f"--out must name an .npz file, got {str(out)!r}")
        activations = options.activation_quantizer(activation_bits, activation_words, names)
        quantizers = (options.weight_quantizer(quantizer), activations)
        from bitknap.bench.job.table_cache import calibration_batches, fill, traced

        with progress(f"loading {workload}", quiet=ranks.rank > 0) as say:
            loaded = load_workload(workload, data, device)
            batches = calibration_batches(loaded, samples, seed)
            prepared = traced(loaded, batches, widths, seed, say, *quantizers, chunk)
            table = fill(prepared, out, tuple(dict.fromkeys(names)), say, ranks)
    if ranks.rank == 0:
        _print(table, out)


def _print(table: SensitivityTable, out: Path) -> None:
    from bitknap.bench.job.metric_cost import metric_cost_table
    from bitknap.bench.tables.terminal import print_table, say

    widths = ", ".join(table.choices)
    notes = [f"{table.weights:,} weights in {len(table.layers)} layers, at {widths} bits."]
    notes.append(f"Coverage: {table.coverage}.")
    print_table(replace(printed := metric_cost_table(table), notes=(*printed.notes, *notes)))
    say(f"table: {out}")
    say(f"next: bitknap plan {out} --budget 3 --out plan.json")
