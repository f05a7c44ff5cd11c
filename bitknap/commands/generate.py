"""Generate an instance of a family and write it to a file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

_NAMES = {"range_": "range"}


def command(
    family: Annotated[str, typer.Argument(help="Family; `bitknap generate list` shows all.")],
    out: Annotated[Path | None, typer.Option(help="File to write (.json or .npz).")] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes (layers).")] = None,
    items: Annotated[int | None, typer.Option(help="Items of each class.")] = None,
    range_: Annotated[int | None, typer.Option("--range", help="Range of the numbers.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the generator.")] = None,
    bits: Annotated[str | None, typer.Option(help="Bit-widths, e.g. 2,4,8.")] = None,
    activation_bits: Annotated[str | None, typer.Option(help="Activation bit-widths.")] = None,
    budget: Annotated[float | None, typer.Option(help="Bits a weight on average.")] = None,
    capacity: Annotated[str | None, typer.Option(help="Rule: program, paper or ratio.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Ratio of the capacity rule ratio.")] = None,
    resources: Annotated[int | None, typer.Option(help="Number of capacities.")] = None,
    spread: Annotated[float | None, typer.Option(help="Log-deviation of sensitivities.")] = None,
    noise: Annotated[float | None, typer.Option(help="Log-deviation of each cost.")] = None,
    largest: Annotated[float | None, typer.Option(help="The largest cost.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Integer costs up to it; 0: no.")] = None,
) -> None:
    """Generate an instance of a family and write it to a file.

    Every family has defaults and takes some of the options; the same options give the same
    bytes. `bitknap generate list` prints the families with their options.

    Example: bitknap generate mpq --classes 54 --bits 2,4,8 --out mpq.json
    """
    from bitknap.bench.tables.terminal import note
    from bitknap.problems import DataError, save_instance
    from bitknap.problems.families import FAMILIES

    if family == "list":
        _print_families()
        return
    generate = FAMILIES.load(family)
    given: dict[str, Any] = {
        "classes": classes,
        "items": items,
        "range_": range_,
        "seed": seed,
        "bits": _integers(bits, "bits"),
        "activation_bits": _integers(activation_bits, "activation-bits"),
        "budget": budget,
        "capacity": capacity,
        "ratio": ratio,
        "resources": resources,
        "spread": spread,
        "noise": noise,
        "largest": largest,
        "resolution": resolution,
    }
    given = {name: value for name, value in given.items() if value is not None}
    strange = [name for name in given if name not in inspect.signature(generate).parameters]
    if strange:
        raise DataError(
            f"the family {family!r} takes no {_option(strange[0])}; "
            f"it takes {', '.join(_options(generate))}"
        )
    if out is None or out.suffix not in (".json", ".npz"):
        raise DataError("name a file ending in .json or .npz with --out")
    instance = generate(**given)
    save_instance(instance, out)
    note(f"wrote {out}: {instance.name}, {len(instance)} classes, {instance.n_items} items")


def _option(name: str) -> str:
    return "--" + _NAMES.get(name, name).replace("_", "-")


def _options(generate: Any) -> list[str]:
    return [_option(name) for name in inspect.signature(generate).parameters]


def _integers(text: str | None, what: str) -> tuple[int, ...] | None:
    from bitknap.problems import DataError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"--{what} takes integers with commas, e.g. 2,4,8, got {text!r}") from None


def _print_families() -> None:
    from bitknap.bench.tables.terminal import Terminal, table
    from bitknap.problems.families import FAMILIES

    shown = table("family", "what it is", "options")
    for name in FAMILIES.names():
        options = ", ".join(_options(FAMILIES.load(name)))
        shown.add_row(name, FAMILIES.summary(name), options)
    Terminal().print(shown)
