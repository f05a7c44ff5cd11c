"""Options for layer policies, read alike by several commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bitknap.problems import DataError

from ._options import split

if TYPE_CHECKING:
    from bitknap.sensitivity import LayerPolicy

Pin = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB=BITS", help="Fix layers; @first and @last count. Repeatable."),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", help="Leave layers in float. Repeatable.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB=BITS,..", help="Allow layers these bits only. Repeatable."),
]
Tied = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Same bits for layers, e.g. 'h.*.{q,k,v}'. Repeatable."),
]


def layer_policy(
    pin: list[str] | None,
    exclude: list[str] | None,
    allow: list[str] | None,
    tie: list[str] | None,
) -> LayerPolicy:
    """The policy that the options stand for.

    Raises:
        DataError: an option is not of its form.
    """
    from bitknap.sensitivity import LayerPolicy

    return LayerPolicy(
        exclude=tuple(exclude or ()),
        pin=tuple(_pair(text, "--pin", "GLOB=BITS") for text in pin or ()),
        allow=tuple(
            (glob, tuple(split(bits, "--allow")))
            for glob, bits in (_pair(text, "--allow", "GLOB=BITS,..") for text in allow or ())
        ),
        tie=tuple(tie or ()),
    )


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    glob, equals, value = text.rpartition("=")
    if not glob or not equals or not value.strip():
        raise DataError(f"{option} must be {form}, got {text!r}")
    return glob.strip(), value.strip()
