"""Instances as MPS and LP files, which any solver of mixed-integer programs reads.

Written here: of costs PuLP writes 12 digits and OR-Tools 6; HiGHS refuses weights above 1e15.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import DataError, InstanceError
from .instance import Instance
from .storage import write_atomically

LONGEST_NAME = 255
"""Readers cut or refuse longer names."""

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.")


def export_instance(instance: Instance, path: str | os.PathLike[str]) -> None:
    """Write an instance atomically as ``.mps`` (free format) or ``.lp`` (CPLEX format).

    Raises:
        DataError: the path has another ending.
    """
    writers = {".mps": to_mps, ".lp": to_lp}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise DataError(f"{path}: expected a file ending in .mps or .lp")
    write_atomically(path, writers[suffix](instance))


def encode_name(*parts: str) -> str:
    """One name out of several, of letters, digits, dots and underscores only.

    Other bytes of the UTF-8 text become ``_`` and two hexadecimal digits; parts are joined by
    two underscores, which cannot arise otherwise, so :func:`decode_name` inverts it.

    Raises:
        InstanceError: the result is longer than readers take.

    Example:
        >>> encode_name("x", "layer1.0.conv1", "4/8")
        'x__layer1.0.conv1__4_2F8'
    """
    name = "__".join(
        "".join(chr(b) if b in _PLAIN else f"_{b:02X}" for b in part.encode()) for part in parts
    )
    if len(name) > LONGEST_NAME:
        raise InstanceError(
            f"the name {name[:40]}... has {len(name)} characters in a file whose readers take "
            f"{LONGEST_NAME}; shorten the class names or labels"
        )
    return name


def decode_name(name: str) -> tuple[str, ...]:
    """The parts that :func:`encode_name` joined.

    Example:
        >>> decode_name("x__layer1.0.conv1__4_2F8")
        ('x', 'layer1.0.conv1', '4/8')
    """
    parts, at = [bytearray()], 0
    while at < len(name):
        if name.startswith("__", at):
            parts.append(bytearray())
            at += 2
        elif name[at] == "_":
            parts[-1].append(int(name[at + 1 : at + 3], 16))
            at += 3
        else:
            parts[-1].append(ord(name[at]))
            at += 1
    return tuple(part.decode() for part in parts)


def variable_names(instance: Instance) -> list[str]:
    """One name per item: ``x``, its class and its label, encoded."""
    classes, labels = instance.class_names, instance.labels
    return [
        encode_name("x", classes[i], label)
        for i, label in zip(instance.class_of.tolist(), labels, strict=True)
    ]


Row = tuple[str, list[tuple[int, int]], str, int]
"""Name, (item, coefficient) pairs, ``<=`` or ``=``, right-hand side."""


def _rows(instance: Instance) -> Iterator[Row]:
    """The constraints: one item per class, every capacity, and the ties as equations."""
    starts = instance.offsets.tolist()
    for i, name in enumerate(instance.class_names):
        yield encode_name("one", name), [(j, 1) for j in range(*starts[i : i + 2])], "=", 1
    for k, name in enumerate(instance.resources):
        terms = list(enumerate(instance.weight[k].tolist()))
        yield encode_name("limit", name), terms, "<=", int(instance.capacity[k])
    for group in instance.ties:
        yield from _tie_rows(instance, sorted(group))


def _tie_rows(instance: Instance, group: list[int]) -> Iterator[Row]:
    """x_{m,label} = x_{first,label} for every further class m; labels of one alone are 0."""
    spans = {i: range(*instance.offsets[i : i + 2].tolist()) for i in group}
    at = {i: {instance.labels[j]: j for j in spans[i]} for i in group}
    first = group[0]
    for m in group[1:]:
        for label in dict.fromkeys([*at[first], *at[m]]):
            signed = ((at[m].get(label), 1), (at[first].get(label), -1))
            terms = [(j, sign) for j, sign in signed if j is not None]
            yield encode_name("tie", instance.class_names[m], label), terms, "=", 0


def to_mps(instance: Instance) -> str:
    """The 0-1 program in free MPS: costs with ``repr`` digits, weights as exact integers."""
    names, rows = variable_names(instance), list(_rows(instance))
    columns: list[list[str]] = [
        [f" {name} cost {cost!r}"] for name, cost in zip(names, instance.cost.tolist(), strict=True)
    ]
    for row, terms, _, _ in rows:
        for j, coefficient in terms:
            if coefficient:
                columns[j].append(f" {names[j]} {row} {coefficient}")
    lines = [f"NAME {encode_name(instance.name)}", "ROWS", " N cost"]
    lines += [f" {'E' if sense == '=' else 'L'} {row}" for row, _, sense, _ in rows]
    lines += ["COLUMNS", " integer 'MARKER' 'INTORG'"]
    lines += [line for column in columns for line in column]
    lines += [" continuous 'MARKER' 'INTEND'", "RHS"]
    lines += [f" rhs {row} {right}" for row, _, _, right in rows if right]
    lines += ["BOUNDS", *[f" BV bound {name}" for name in names], "ENDATA"]
    return "\n".join(lines) + "\n"


def to_lp(instance: Instance) -> str:
    """The 0-1 program in LP format: costs with ``repr`` digits, weights as exact integers."""
    names = variable_names(instance)
    lines = [f"\\ {encode_name(instance.name)}", "Minimize", " cost:"]
    lines += [_term(cost, name) for cost, name in zip(instance.cost.tolist(), names, strict=True)]
    lines.append("Subject To")
    for row, terms, sense, right in _rows(instance):
        lines.append(f" {row}:")
        lines += [_term(coefficient, names[j]) for j, coefficient in terms]
        lines.append(f"  {sense} {right}")
    lines += ["Binary", *[f" {name}" for name in names], "End"]
    return "\n".join(lines) + "\n"


def _term(coefficient: float, name: str) -> str:
    sign = "-" if np.signbit(coefficient) else "+"
    return f"  {sign} {abs(coefficient)!r} {name}"
