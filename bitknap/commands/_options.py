"""Options that several commands read alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.problems import DataError

if TYPE_CHECKING:
    from bitknap.sensitivity import Quantizer
    from bitknap.sensitivity.choices import Choice

Bits = Annotated[
    str, typer.Option(help="Candidates of every layer: 2 to 16, ternary, float; with commas.")
]
Quantized = Annotated[
    str | None,
    typer.Option(
        metavar="WORD,..",
        help="How weights are quantized, e.g. affine,group=64,scale=minmax: docs/quantizers.md.",
    ),
]


def split(text: str, option: str) -> list[str]:
    """Names or numbers between commas, none of them empty."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise DataError(f"{option} must be names or numbers between commas, got {text!r}")
    return parts


def bit_widths(text: str) -> tuple[Choice, ...]:
    """The value of ``--bits``: 2 to 16, ``ternary``, ``float``; sorted, each once."""
    from bitknap.sensitivity.choices import parse_choices

    return parse_choices(split(text, "--bits"), "--bits")


def weight_quantizer(text: str | None) -> Quantizer:
    """The value of ``--quantizer``; by default symmetric, per channel, least squares."""
    from bitknap.bench.remembering import RememberingQuantizer

    return RememberingQuantizer() if text is None else RememberingQuantizer.parse(text)
