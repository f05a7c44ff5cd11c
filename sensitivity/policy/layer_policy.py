"""Layer policies: which choices a layer may take, by patterns of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bitknap.problems.errors import DataError

from ..quantization.choices import FLOAT_BITS
from ..table.table import SensitivityTable
from .patterns import matching
from .ties import restrict, ties_from_patterns, united


@dataclass(frozen=True)
class LayerPolicy:
    """Decisions about layers that are made before the knapsack is solved.

    A policy turns a table into a smaller one, so that everything after it (instances, exact
    optima, confidence, measured accuracy) keeps it; nothing is repaired after the solve.
    Patterns are those of `patterns.matching`.

    Args:
        exclude: layers that stay in float. They leave the table and the budget; their size is
            stated in ``floats``.
        pin: (pattern, label): layers with one choice, e.g. ``("@first", "8")``.
        allow: (pattern, labels): layers with these choices only; several patterns intersect.
        tie: patterns of `ties.ties_from_patterns`.

    Example:
        >>> bool(LayerPolicy(pin=(("@first", "8"), ("@last", "8")), exclude=("*.embed",)))
        True
    """

    exclude: tuple[str, ...] = ()
    pin: tuple[tuple[str, str], ...] = ()
    allow: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tie: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.exclude or self.pin or self.allow or self.tie)

    def apply(self, table: SensitivityTable) -> SensitivityTable:
        """The table that is left.

        Raises:
            DataError: a pattern matches no layer; a layer has no such choice, or none left; two
                pins contradict each other; every layer is excluded; tied layers share no choice.
        """
        if not self:
            return table
        names = [layer.name for layer in table.layers]
        excluded = {name for pattern in self.exclude for name in matching(pattern, names)}
        kept = [i for i, name in enumerate(names) if name not in excluded]
        if not kept:
            raise DataError("the policy excludes every layer; leave at least one to be quantized")
        ties = united([*table.ties, *ties_from_patterns(self.tie, names)], names)
        items = self._items(table, excluded)
        sizes = [int(items[table.offsets[i] : table.offsets[i + 1]].sum()) for i in kept]
        at = np.flatnonzero(items)
        excluded_bits = {
            layer.name: FLOAT_BITS * layer.numel for layer in table.layers if layer.name in excluded
        }
        narrowed = replace(
            table,
            layers=tuple(table.layers[i] for i in kept),
            offsets=np.cumsum([0, *sizes], dtype=np.int64),
            labels=tuple(table.labels[j] for j in at),
            bits=table.bits[at],
            costs={name: array[at] for name, array in table.costs.items()},
            omega={name: array[at] for name, array in table.omega.items()},
            scores={name: array[:, at] for name, array in table.scores.items()},
            errors={name: array[at] for name, array in table.errors.items()},
            interactions={
                name: array[np.ix_(at, at)] for name, array in table.interactions.items()
            },
            provenance={**table.provenance, "policy": asdict(self)},
            ties=restrict(ties, [names[i] for i in kept]),
            floats={**table.floats, **excluded_bits},
            activations=None if table.activations is None else table.activations.take(at),
        )
        choices = {name: set(labels) for name, labels in narrowed.layer_choices.items()}
        for tie in narrowed.ties:
            if not set.intersection(*(choices[name] for name in tie.layers)):
                tied = ", ".join(tie.layers)
                raise DataError(f"the tied layers {tied} share no choice; untie them")
        return narrowed

    def _items(self, table: SensitivityTable, excluded: set[str]) -> NDArray[np.bool_]:
        """(n,) which items stay."""
        choices = table.layer_choices
        names = [layer.name for layer in table.layers]
        left = {name: [] if name in excluded else list(kept) for name, kept in choices.items()}
        for pattern, wanted in self.allow:
            for name in matching(pattern, names):
                if name in excluded:
                    continue
                _require(name, wanted, choices[name])
                left[name] = [label for label in left[name] if label in wanted]
                if not left[name]:
                    raise DataError(f"the allowed choices of layer {name!r} leave it none")
        pinned: dict[str, str] = {}
        for pattern, label in self.pin:
            for name in matching(pattern, names):
                if name in excluded:
                    continue
                _require(name, (label,), choices[name])
                if pinned.setdefault(name, label) != label or label not in left[name]:
                    other = pinned[name] if pinned[name] != label else ", ".join(left[name])
                    raise DataError(
                        f"layer {name!r} is pinned at {label}, but also held to {other}"
                    )
                left[name] = [label]
        flags = [label in left[name] for name in names for label in choices[name]]
        return np.array(flags, dtype=np.bool_)


def _require(name: str, wanted: Iterable[str], choices: Sequence[str]) -> None:
    for label in wanted:
        if label not in choices:
            raise DataError(f"layer {name!r} has no choice {label!r}, only {', '.join(choices)}")
