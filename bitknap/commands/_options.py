"""Options that several commands read alike."""

from __future__ import annotations

from bitknap.problems import DataError


def split(text: str, option: str) -> list[str]:
    """Names or numbers between commas, none of them empty."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise DataError(f"{option} must be names or numbers between commas, got {text!r}")
    return parts


def bit_widths(text: str) -> tuple[int, ...]:
    """The value of ``--bits``: whole numbers from 2 to 16, sorted, each once."""
    parts = split(text, "--bits")
    for part in parts:
        if not part.isdecimal() or not 2 <= int(part) <= 16:
            raise DataError(f"--bits must be whole numbers from 2 to 16, got {part!r}")
    return tuple(sorted(set(map(int, parts))))
