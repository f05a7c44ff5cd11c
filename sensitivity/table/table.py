"""The sensitivity table: what every (layer, bit-width) is predicted to cost, and its score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import Instance
from bitknap.problems.errors import DataError
from bitknap.problems.quadratic import QuadraticInstance
from bitknap.problems.schema import Count, convert

from ..quantization.channels import ChannelDim
from ..quantization.choices import FLOAT_BITS, Choice, by_size, code_bits, parse_label, rate
from ..quantization.grids import ActivationGrids
from .averages import least_size
from .summary import as_frame, as_html, as_text

Floats = NDArray[np.float64]

SHOWN = 3
"""Names that a sentence gives before it counts the others."""

STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "half_square": lambda scores: 0.5 * scores**2,
    "mean": lambda scores: scores,
    "absolute_mean": lambda scores: scores,
    "sum": lambda scores: scores * len(scores),
}
"""Per-sample terms whose mean over the samples is Omega, up to its sign for absolute_mean."""


@dataclass(frozen=True)
class LayerInfo:
    """A quantizable layer.

    Args:
        name: path of the module that owns the weight, e.g. ``layer1.0.conv1``.
        kind: ``conv``, ``linear``, ...
        macs: multiply-accumulates a sample, all uses together.
        parameter: name of the weight in the model's ``named_parameters``.
        channel_dim: what of the weight indexes output channels: a dimension, or `Channels`.
        uses: times the weight is used in one forward pass.
        shared: other names under which the same parameter is found.
    """

    name: str
    kind: str
    shape: tuple[Count, ...]
    macs: Count
    parameter: str
    channel_dim: ChannelDim = 0
    uses: Count = 1
    shared: tuple[str, ...] = ()

    @property
    def numel(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Coverage:
    """How much of a network a table covers.

    Args:
        total: of all parameters of two or more dimensions.
        missing: parameters and layers that are left in float, each with the reason.
    """

    weights: int
    total: int
    missing: Mapping[str, str]

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.weights / self.total

    def __float__(self) -> float:
        return self.share

    def __str__(self) -> str:
        text = f"{100 * self.share:.4g} % of the weights"
        if not self.missing:
            return text
        shown = [f"{name} ({reason})" for name, reason in list(self.missing.items())[:SHOWN]]
        more = f" and {len(self.missing) - SHOWN} more" if len(self.missing) > SHOWN else ""
        return f"{text}; left in float: {', '.join(shown)}{more}"


@dataclass(frozen=True)
class Tie:
    """Layers that must take the same choice.

    Args:
        layers: their names, two or more, in the table's order.
    """

    layers: tuple[str, ...]
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class SensitivityTable:
    """Sensitivities and costs of all choices of all layers, with their provenance.

    Layer l holds items ``offsets[l]:offsets[l + 1]`` (CSR), n items in all.

    Args:
        layers: the L layers in execution order.
        offsets: (L + 1,) int64.
        labels: n item labels: weight bits, or a pair such as ``w4a8``.
        bits: (n,) int64 weight bits of an operand.
        costs: resource name -> (n,) int64; ``size_bits`` and ``bops`` at least.
        omega: metric name -> (n,) float64, the predicted loss increase (or its proxy).
        scores: metric name -> (N, n) per-sample scores, for the metrics that have them.
        statistics: metric name -> how Omega arises from its scores: ``half_square`` for
            1/2 mean s^2, ``mean`` for mean s, ``absolute_mean`` for abs(mean s), ``sum``.
        metric_cost: metric name -> ``seconds`` of wall time, ``cpu_seconds`` of all threads,
            ``peak_bytes`` of memory (see `Meter`), and ``passes`` (forward or backward sweeps over
            all samples). The seconds of a resumed run are those of all its parts.
        errors: metric name -> (n,) standard errors that do not follow from scores.
        interactions: metric name -> (n, n) measured changes beyond the sum for pairs of items.
        provenance: what the table was computed from; equal provenance, equal table.
        ties: groups of layers that share their choice, no layer in two of them.
        floats: layers that a policy leaves in float -> their size in bits; they are not part of
            the budget.
        activations: how each item quantizes what its layer reads; None where all stays in float.
    """

    layers: tuple[LayerInfo, ...]
    offsets: NDArray[np.int64]
    labels: tuple[str, ...]
    bits: NDArray[np.int64]
    costs: Mapping[str, NDArray[np.int64]]
    omega: Mapping[str, Floats]
    scores: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)
    metric_cost: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    errors: Mapping[str, Floats] = field(default_factory=dict)
    interactions: Mapping[str, Floats] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    ties: tuple[Tie, ...] = ()
    floats: Mapping[str, int] = field(default_factory=dict)
    activations: ActivationGrids | None = None

    def __post_init__(self) -> None:
        _check(self)
        for array in (
            self.offsets,
            self.bits,
            *self.costs.values(),
            *self.omega.values(),
            *self.scores.values(),
            *self.errors.values(),
            *self.interactions.values(),
        ):
            array.flags.writeable = False

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def to_frame(self) -> Any:
        """A pandas data frame, a row for each (layer, choice): labels, costs, metrics.

        Raises:
            UnsupportedError: pandas is not installed.
        """
        return as_frame(self)

    @property
    def weights(self) -> int:
        """Number of quantizable weights of the network."""
        return sum(layer.numel for layer in self.layers)

    @property
    def coverage(self) -> Coverage:
        """The share of the network's weights in the table, and what is left in float and why."""
        missing = {
            **self.provenance.get("ignored", {}),
            **dict.fromkeys(self.floats, "excluded by the policy"),
        }
        excluded = sum(size // FLOAT_BITS for size in self.floats.values())
        total = self.provenance.get("weights", self.weights + excluded)
        return Coverage(self.weights, max(total, self.weights), missing)

    @property
    def activation_bits(self) -> NDArray[np.int64]:
        """(n,) activation bits of an operand, 32 where inputs stay in float."""
        if self.activations is None:
            return np.full(len(self.labels), FLOAT_BITS, dtype=np.int64)
        return self.activations.bits

    @property
    def choices(self) -> tuple[str, ...]:
        """All labels, from few bits to many."""
        return tuple(sorted(set(self.labels), key=by_size))

    @property
    def layer_choices(self) -> dict[str, tuple[str, ...]]:
        """Layer -> the labels of its items."""
        return {layer.name: self.labels[self.items(i)] for i, layer in enumerate(self.layers)}

    @cached_property
    def code_bits(self) -> NDArray[np.int64]:
        """(n,) bits of each item's codes alone; the rest of its size are scales and zero points."""
        counts = np.repeat([layer.numel for layer in self.layers], np.diff(self.offsets))
        choice = {label: parse_label(label)[0] for label in set(self.labels)}
        pairs = zip(self.labels, counts.tolist(), strict=True)
        bits = np.array([code_bits(choice[s], n) for s, n in pairs], dtype=np.int64)
        bits.flags.writeable = False
        return bits

    @cached_property
    def overhead_bits(self) -> int:
        """Bits that are stored besides the codes: scales and zero points.

        Where they differ between the items of a layer, the most counts.
        """
        overhead = self.costs["size_bits"] - self.code_bits
        return int(np.maximum.reduceat(overhead, self.offsets[:-1]).sum())

    def items(self, layer: int) -> slice:
        """The items of a layer."""
        return slice(int(self.offsets[layer]), int(self.offsets[layer + 1]))

    def positions(self, plan: Mapping[str, Choice]) -> NDArray[np.int64]:
        """(L,) items that a plan of layer -> label chooses.

        Raises:
            DataError: a layer is unknown or missing, or has no item of that label.
        """
        names = [layer.name for layer in self.layers]
        unknown = sorted(set(plan) - set(names))
        if unknown:
            raise DataError(f"the table has no layer {unknown[0]!r}")
        found = []
        for i, name in enumerate(names):
            choices = self.labels[self.items(i)]
            if name not in plan:
                raise DataError(f"the plan has no choice for layer {name!r}")
            label = str(plan[name])
            if label not in choices:
                raise DataError(
                    f"layer {name!r} has no choice {label!r}, only {', '.join(choices)}"
                )
            found.append(int(self.offsets[i]) + choices.index(label))
        return np.array(found, dtype=np.int64)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics in the table."""
        return tuple(self.omega)

    def terms(self, metric: str) -> Floats:
        """(N, n) per-sample terms whose mean is the metric's Omega (its sign apart)."""
        self._require(metric)
        if metric not in self.scores:
            raise DataError(f"metric {metric!r} keeps no per-sample scores, so it has no spread")
        return STATISTICS[self.statistics[metric]](self.scores[metric].astype(np.float64))

    def standard_error(self, metric: str) -> Floats:
        """(n,) standard error of Omega: over samples, std of the terms / sqrt(N).

        For metrics that estimate by random vectors, it is the error of that estimate.

        Raises:
            DataError: the metric is unknown or keeps no per-sample scores.
        """
        if metric in self.errors:
            return self.errors[metric]
        terms = self.terms(metric)
        if len(terms) < 2:
            return np.full(terms.shape[1], np.nan)
        error: Floats = terms.std(axis=0, ddof=1) / math.sqrt(len(terms))
        return error

    def cross(self, metric: str) -> Floats:
        """(n, n) cross terms s's / N of a metric with ``half_square`` scores.

        1/2 x' (s's / N) x is the Fisher's whole quadratic form at the choice x (n,) of zeros and
        ones, terms between layers included; Omega is half the diagonal.
        """
        if self.statistics.get(metric) != "half_square":
            raise DataError(f"metric {metric!r} has no scores whose squares make up Omega")
        scores = self.scores[metric].astype(np.float64)
        product: Floats = scores.T @ scores / len(scores)
        return product

    def capacity(self, average_bits: float | Fraction) -> int:
        """Size budget in bits for an average bit-width, scales not held against it.

        floor(average * number of weights) bits of codes, and what is stored besides them. Where
        that depends on the choice (zero points of b bits, scales of activations), the budget is
        the largest that no plan with more codes is sure to keep, by the linear relaxation; yet
        uniform b bits always fit the budget of b bits on average, and use it up where nothing
        depends on the choice.
        """
        if not 0 < average_bits < math.inf:
            raise DataError(f"average bits must be a positive number, got {average_bits!r}")
        codes = math.floor(average_bits * self.weights)
        sizes = self.costs["size_bits"]
        if np.array_equal(
            np.maximum.reduceat(sizes - self.code_bits, self.offsets[:-1]),
            np.minimum.reduceat(sizes - self.code_bits, self.offsets[:-1]),
        ):
            return codes + self.overhead_bits
        same = [label for label in set(self.labels) if _weight_rate(label) == average_bits]
        fits = max((self._uniform_size(label) for label in same), default=0)
        return max(least_size(self.code_bits, sizes, self.offsets, codes + 1) - 1, fits)

    def _uniform_size(self, label: str) -> int:
        """Bits of all layers with one label; 0 where some lack it."""
        of_label = np.array([one == label for one in self.labels])
        sizes = self.costs["size_bits"][of_label]
        return int(sizes.sum()) if len(sizes) == len(self.layers) else 0

    def uniform(self, choice: Choice) -> dict[str, str]:
        """Layer -> its choice nearest to one label, the fewer bits of two.

        Where layers may take the same choices, all have this one; pinned ones keep theirs, and tied
        ones have the nearest that they share.
        """
        *wanted, name = by_size(str(choice))
        choices = {name: set(labels) for name, labels in self.layer_choices.items()}
        for tie in self.ties:
            shared = set.intersection(*(choices[name] for name in tie.layers))
            choices |= dict.fromkeys(tie.layers, shared)

        def distance(label: str) -> tuple[object, ...]:
            *bits, _ = by_size(label)
            away = [abs(a - b) for a, b in zip(bits, wanted, strict=True)]
            return away, label != name, bits, label

        return {name: min(labels, key=distance) for name, labels in choices.items()}

    def with_cost(self, resource: str, values: NDArray[np.int64]) -> SensitivityTable:
        """The table with one more resource, or another cost for one it has.

        Args:
            values: (n,) integers >= 0 in the resource's unit.
        """
        return replace(self, costs={**self.costs, resource: np.array(values, dtype=np.int64)})

    def to_instance(
        self,
        metric: str,
        budget: int | Mapping[str, int],
        resource: str = "size_bits",
        name: str | None = None,
    ) -> Instance:
        """The knapsack: minimise the summed Omega with every resource within its budget.

        Args:
            budget: capacity in the resource's unit, see `capacity` for average bits; or several,
                resource -> capacity, e.g. ``{"size_bits": 4_000_000, "bops": 10**12}``.
            resource: a name in ``costs``, when the budget is one number.
            name: of the instance; by default the metric and the budget.
        """
        self._require(metric)
        budgets = dict(budget) if isinstance(budget, Mapping) else {resource: budget}
        if not budgets:
            raise DataError("an instance needs a budget for at least one resource")
        for wanted in budgets:
            if wanted not in self.costs:
                known = ", ".join(self.costs)
                raise DataError(f"the table has no resource {wanted!r}; choose one of: {known}")
        place = {layer.name: i for i, layer in enumerate(self.layers)}
        excluded = ", ".join(f"{layer} ({size:,} bits)" for layer, size in self.floats.items())
        return Instance(
            name=name or "-".join([metric, *map(str, budgets.values())]),
            offsets=self.offsets,
            cost=self.omega[metric],
            weight=np.stack([self.costs[wanted] for wanted in budgets]),
            capacity=np.array(list(budgets.values()), dtype=np.int64),
            class_names=tuple(layer.name for layer in self.layers),
            labels=self.labels,
            resources=tuple(budgets),
            ties=tuple(tuple(place[layer] for layer in tie.layers) for tie in self.ties),
            source=f"sensitivity table, metric {metric}"
            + (f"; left in float, beside the budget: {excluded}" if excluded else ""),
        )

    def to_quadratic(
        self,
        metric: str,
        budget: int | Mapping[str, int],
        resource: str = "size_bits",
        name: str | None = None,
        shrinkage: float = 0.0,
    ) -> QuadraticInstance:
        """The quadratic knapsack: the terms between layers count as well.

        With scores s whose half mean squares are Omega: minimise 1/2 x'Gx, G = s's / N, the mean
        over the samples of half the square of the chosen scores' sum. With measured pairs: Omega
        and the interactions of the chosen items.

        Args:
            metric: one with ``half_square`` scores or with interactions.
            budget: see `to_instance`.
            resource: see `to_instance`.
            name: see `to_instance`.
            shrinkage: r between 0 and 1 that terms between items are lowered by: (1 - r) G + r
                diag G. At 1 it is the knapsack of Omega.

        Raises:
            DataError: the metric has neither.
        """
        knapsack = self.to_instance(metric, budget, resource, name)
        if metric in self.interactions:
            return QuadraticInstance(knapsack, (1.0 - shrinkage) * self.interactions[metric])
        if self.statistics.get(metric) != "half_square":
            raise DataError(
                f"metric {metric!r} has no terms between layers; those with half_square scores, "
                "such as fisher, and pairwise have"
            )
        plain = replace(knapsack, cost=np.zeros(len(self.labels)))
        return QuadraticInstance.from_scores(plain, self.scores[metric], shrinkage)

    def _require(self, metric: str) -> None:
        if metric not in self.omega:
            known = ", ".join(self.omega) or "none"
            raise DataError(f"the table has no metric {metric!r}; it has: {known}")


_PROVENANCE: dict[str, Any] = {
    "weights": Count,
    "ignored": dict[str, str],
    "quantizer": dict[str, Any],
    "model": str,
}
"""What the provenance holds under these keys, where it has them."""


def _check(table: SensitivityTable) -> None:
    """Shapes, types and finiteness."""
    for key in _PROVENANCE.keys() & table.provenance.keys():
        convert(_PROVENANCE[key], table.provenance[key], f"provenance.{key}")
    offsets, items = table.offsets, len(table.labels)
    if offsets.shape != (len(table.layers) + 1,) or offsets[0] != 0 or offsets[-1] != items:
        raise DataError(f"offsets must run from 0 to the number of items ({items}) over the layers")
    if np.any(np.diff(offsets) < 1):
        raise DataError("every layer needs at least one item")
    for label in set(table.labels):
        parse_label(label)
    errors = {f"errors of {name}": array for name, array in table.errors.items()}
    vectors = {"bits": table.bits, **table.costs, **table.omega, **errors}
    if table.activations is not None:
        vectors["activation bits"] = table.activations.bits
    for name, array in vectors.items():
        if array.shape != (items,):
            raise DataError(f"{name} must have shape ({items},), got {array.shape}")
    if "size_bits" not in table.costs:
        raise DataError("the table's costs lack the resource 'size_bits'")
    _check_metrics(table)
    _check_sizes(table)
    _check_ties(table)


def _check_metrics(table: SensitivityTable) -> None:
    """Omega is finite; scores and interactions are about the same items."""
    items = len(table.labels)
    for metric, array in table.omega.items():
        if not np.isfinite(array).all():
            place = int(np.flatnonzero(~np.isfinite(array))[0])
            layer = table.layers[int(np.searchsorted(table.offsets, place, side="right")) - 1]
            raise DataError(
                f"metric {metric} is not finite for layer {layer.name} at "
                f"{table.labels[place]} bits; check the network's loss on this data for overflow"
            )
    for metric, scores in table.scores.items():
        if metric not in table.omega or metric not in table.statistics:
            raise DataError(f"the table has scores of {metric} without its omega and statistic")
        if table.statistics[metric] not in STATISTICS:
            raise DataError(f"unknown statistic {table.statistics[metric]!r} of metric {metric}")
        if scores.ndim != 2 or scores.shape[1] != items:
            raise DataError(f"scores of {metric} must be (N, {items}), got {scores.shape}")
    for metric, array in table.interactions.items():
        if array.shape != (items, items):
            raise DataError(f"interactions of {metric} must be ({items}, {items})")


def _check_sizes(table: SensitivityTable) -> None:
    """Sums of sizes and operations at 32 bits fit 64-bit integers."""
    for layer in table.layers:
        if not layer.numel:
            raise DataError(f"layer {layer.name!r} has no weights")
    macs = sum(layer.macs for layer in table.layers)
    if table.weights >= 1 << 56 or macs >= 1 << 50:
        raise DataError(
            f"{table.weights:,} weights and {macs:,} multiply-accumulates are too many; fewer than "
            "2^56 and 2^50 are counted"
        )
    for name, array in table.costs.items():
        if (array < 0).any() or array.sum(dtype=np.float64) >= 1 << 62:
            raise DataError(f"the costs of {name} must not be negative, nor 2^62 or more in all")


def _check_ties(table: SensitivityTable) -> None:
    names = {layer.name for layer in table.layers}
    seen: set[str] = set()
    for tie in table.ties:
        if len(tie.layers) < 2:
            raise DataError(f"a tie needs at least two layers, got {list(tie.layers)}")
        for layer in tie.layers:
            if layer not in names:
                raise DataError(f"a tie names layer {layer!r}, which the table lacks")
            if layer in seen:
                raise DataError(f"layer {layer!r} stands in two ties; merge them into one")
            seen.add(layer)


def _weight_rate(label: str) -> Fraction | None:
    """Bits per weight of a label without activations."""
    weight, activation = parse_label(label)
    return rate(weight) if activation is None else None
