"""Options that several commands read alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.problems import DataError

if TYPE_CHECKING:
    from bitknap.sensitivity import ActivationQuantizer, Quantizer, SensitivityTable
    from bitknap.sensitivity.quantization.choices import Choice

InstanceName = Annotated[
    str, typer.Argument(help="Instance file (.json, .npz, .txt), or a name of `bitknap instances`.")
]
TimeLimit = Annotated[float | None, typer.Option(min=0.0, help="Seconds; then it gives up.")]
Bits = Annotated[
    str,
    typer.Option(
        help="Candidates of every layer: 2 to 16, ternary, float, mxfp4, nvfp4, fp8_e4m3, "
        "gguf:q4_0 ...; with commas."
    ),
]
Quantized = Annotated[
    str | None,
    typer.Option(
        metavar="WORD,..",
        help="How weights are quantized, e.g. affine,group=64,scale=minmax: docs/quantizers.md.",
    ),
]
Device = Annotated[
    str,
    typer.Option(help="Where the network runs: cpu (your own where it is) or cuda."),
]
ActivationBits = Annotated[
    str | None,
    typer.Option(
        metavar="BITS,..", help="Candidates for what layers read: 2 to 16, float. Default: float."
    ),
]
ActivationWords = Annotated[
    str | None,
    typer.Option(
        "--activation-quantizer",
        metavar="WORD,..",
        help="How that is quantized, e.g. symmetric,scale=mse. Default: affine.",
    ),
]


MOST_SEED = (1 << 31) - 1
"""What every generator and back-end takes."""


def split(text: str, option: str) -> list[str]:
    """Names or numbers between commas, none of them empty."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise DataError(f"{option} must be names or numbers between commas, got {text!r}")
    return parts


def bit_widths(text: str) -> tuple[Choice, ...]:
    """The value of ``--bits``: 2 to 16, ``ternary``, ``float``, formats; sorted, each once."""
    from bitknap.sensitivity.quantization.choices import parse_choices

    return parse_choices(split(text, "--bits"), "--bits")


def metric_of(table: SensitivityTable, name: str | None) -> str:
    """The value of ``--metric``; by default the table's first.

    Raises:
        DataError: the table has none.
    """
    if name is None and not table.metrics:
        raise DataError("the table holds no metric; add one with `bitknap sensitivity --metrics`")
    return table.metrics[0] if name is None else name


def weight_quantizer(text: str | None) -> Quantizer:
    """The value of ``--quantizer``; by default symmetric, per channel, least squares."""
    from bitknap.bench.job.cached_quantizer import CachedQuantizer

    return CachedQuantizer() if text is None else CachedQuantizer.parse(text)


def activation_quantizer(
    bits: str | None, words: str | None, metrics: Sequence[str]
) -> ActivationQuantizer | None:
    """The values of ``--activation-bits`` and ``--activation-quantizer``; None for neither.

    Raises:
        DataError: an option is flawed, or the second stands without the first.
        UnsupportedError: a metric says nothing of activations.
    """
    if bits is None:
        if words is not None:
            raise DataError("--activation-quantizer needs --activation-bits, e.g. 4,8")
        return None
    from bitknap.sensitivity import METRICS, ActivationQuantizer
    from bitknap.sensitivity.metrics import require_activations
    from bitknap.sensitivity.quantization.choices import parse_choices

    require_activations(map(METRICS.load, metrics))
    option = "--activation-bits"
    choices = parse_choices(split(bits, option), option, weights=False)
    return (
        ActivationQuantizer(choices) if words is None else ActivationQuantizer.parse(words, choices)
    )
