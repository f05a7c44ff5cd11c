"""Formats of weights with scales of their own: one file per family, found by the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitknap.problems import Catalogue

if TYPE_CHECKING:
    from .base import Format

FORMATS = Catalogue("bitknap.sensitivity.quantization.formats", "LABELS", "format")


def format_of(label: object) -> Format | None:
    """The format that a choice such as ``mxfp4`` or ``gguf:q4_0`` names, or None."""
    if not isinstance(label, str):
        return None
    found: Format | None = _family(label).get(label)
    return found


def family_labels(name: str) -> list[str]:
    """The labels of a family of several formats, such as ``gguf``; none for other words."""
    found = _family(name)
    return [] if ":" in name or name in found else list(found)


def format_labels() -> list[str]:
    """All labels, by family."""
    return [label for family in FORMATS.names() for label in FORMATS.load(family)]


def why_none(label: str) -> str:
    """What the family of an unknown label offers instead; empty where there is no such family."""
    family = label.partition(":")[0]
    known = ", ".join(_family(label))
    return f"{family} has {known} ({FORMATS.summary(family).rstrip('.')})" if known else ""


def _family(label: str) -> dict[str, Format]:
    family = label.partition(":")[0]
    found: dict[str, Format] = FORMATS.load(family) if family in FORMATS.files else {}
    return found
