"""Ties: layers that must take the same choice, from patterns or from the traced network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bitknap.problems.errors import DataError

from ..table.table import Tie
from .patterns import captures

if TYPE_CHECKING:
    from ..tracing.graph import Graph

KINDS = ("residual", "attention", "gate", "stream", "input")
"""Kinds of ties that `ties_from_graph` finds."""

DEFAULT = ("residual", "attention", "gate")
"""Those found when none is named."""

_ATTENTION = frozenset({"matmul", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention"})
_ADD = frozenset({"add", "iadd"})


def ties_from_patterns(patterns: Iterable[str], names: Sequence[str]) -> tuple[Tie, ...]:
    """The ties that patterns stand for.

    All layers that match a pattern are one tie. Where it has braces, wildcards say which belong
    together: ``h.*.{q,k,v}`` ties q, k and v of each block, not across blocks.

    Raises:
        DataError: a pattern matches no layer, or makes no group of two.
    """
    found = []
    for pattern in patterns:
        groups = captures(pattern, names)
        lists = list(groups.values())
        if "{" not in pattern:
            lists = [[name for group in lists for name in group]]
        several = [group for group in lists if len(group) > 1]
        if not several:
            raise DataError(
                f"the tie {pattern!r} matches only {lists[0][0]!r}; a tie needs two layers"
            )
        found += [Tie(tuple(group), f"pattern {pattern}") for group in several]
    return united(found, names)


def united(ties: Iterable[Tie], names: Sequence[str]) -> tuple[Tie, ...]:
    """Ties with a layer in common become one, in the order of ``names``, reasons joined."""
    groups: list[tuple[set[str], list[str]]] = []
    for tie in ties:
        members, reasons = set(tie.layers), [tie.reason]
        apart = []
        for other, why in groups:
            if other & members:
                members |= other
                reasons = [*why, *reasons]
            else:
                apart.append((other, why))
        groups = [*apart, (members, reasons)]
    place = {name: i for i, name in enumerate(names)}
    ordered = [
        Tie(tuple(sorted(members, key=place.__getitem__)), "; ".join(dict.fromkeys(reasons)))
        for members, reasons in groups
    ]
    return tuple(sorted(ordered, key=lambda tie: place[tie.layers[0]]))


def restrict(ties: Iterable[Tie], names: Iterable[str]) -> tuple[Tie, ...]:
    """Ties without the layers that are gone, and without those left alone."""
    known = set(names)
    rest = (Tie(tuple(n for n in tie.layers if n in known), tie.reason) for tie in ties)
    return tuple(tie for tie in rest if len(tie.layers) > 1)


def ties_from_graph(graph: Graph, kinds: Sequence[str] = DEFAULT) -> tuple[Tie, ...]:
    """The ties that the network's structure suggests.

    * ``residual``: layers whose outputs are added, normalisation and change of shape aside; an
      integer addition needs both in one format.
    * ``attention``: layers that read one input and meet in attention: q, k and v.
    * ``gate``: layers that read one input and whose outputs are multiplied: gate and up.
    * ``stream``: as ``residual``, but through activation functions and earlier additions too, so
      that all layers that write to one residual stream are tied.
    * ``input``: all layers that read the same tensor (the ties of HAWQ-V3).

    A weight that several modules share is one layer, hence tied already.

    Raises:
        DataError: a kind is unknown.
    """
    require_kinds(kinds)
    found: list[Tie] = []
    if "residual" in kinds:
        found += _added(graph, graph.reached("shape", "norm"), "outputs added")
    if "stream" in kinds:
        reached = graph.reached("shape", "norm", "activation", "add")
        found += _added(graph, reached, "one residual stream")
    if "attention" in kinds:
        found += _multiplied(graph, _ATTENTION, "one input, meet in attention")
    if "gate" in kinds:
        found += _multiplied(graph, frozenset({"mul", "imul"}), "one input, outputs multiplied")
    if "input" in kinds:
        readers: dict[int, set[str]] = {}
        for index, layer in graph.layers.items():
            readers.setdefault(graph.input_of(index), set()).add(layer)
        found += [_tie(graph, group, "one input") for group in readers.values() if len(group) > 1]
    return united(found, graph.names)


def require_kinds(kinds: Iterable[str]) -> None:
    """Refuse kinds of ties that are not of `KINDS`."""
    for kind in kinds:
        if kind not in KINDS:
            raise DataError(f"a kind of tie is one of {', '.join(KINDS)}, got {kind!r}")


def _added(graph: Graph, reached: Sequence[frozenset[int]], reason: str) -> list[Tie]:
    ties = []
    for step in graph.steps:
        if step.op in _ADD and len(step.inputs) == 2:
            sides = [{graph.layers[i] for i in reached[side]} for side in step.inputs]
            group = sides[0] | sides[1]
            if all(sides) and len(group) > 1:
                ties.append(_tie(graph, group, reason))
    return ties


def _multiplied(graph: Graph, operations: frozenset[str], reason: str) -> list[Tie]:
    """Layers on different sides of a product that read the same input."""
    reached = graph.reached(None)
    ties = []
    for step in graph.steps:
        if step.op not in operations or len(step.inputs) < 2:
            continue
        sides: dict[int, list[set[str]]] = {}
        common = frozenset.intersection(*(reached[i] for i in step.inputs[:2]))
        for operand in step.inputs[:3]:
            by_input: dict[int, set[str]] = {}
            for layer in reached[operand] - common:
                by_input.setdefault(graph.input_of(layer), set()).add(graph.layers[layer])
            for source, layers in by_input.items():
                sides.setdefault(source, []).append(layers)
        for groups in sides.values():
            group = {layer for part in groups for layer in part}
            if len(groups) > 1 and len(group) > 1:
                ties.append(_tie(graph, group, reason))
    return ties


def _tie(graph: Graph, group: set[str], reason: str) -> Tie:
    return Tie(tuple(name for name in graph.names if name in group), reason)
