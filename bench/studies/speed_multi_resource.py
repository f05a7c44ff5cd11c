"""Several capacities at once: which solvers prove optima, and how fast."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bitknap.problems import Instance
from bitknap.problems.families import mmkp_correlated, mmkp_uncorrelated, mpq_multi
from bitknap.solvers import Solution, Status, relative_gap, solve

from ..tables.table import Table, digits

SOLVERS = ("multi", "highs", "cbc", "cpsat", "scip")
BITS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    3: ((2, 4, 8), ()),
    8: ((2, 3, 4, 5, 6, 7, 8, 16), ()),
    16: ((2, 4, 6, 8), (2, 4, 6, 8)),
}
"""Items a layer -> candidate bit-widths of the weights, and of the activations."""

HEAVIEST = 1 << 39
"""Back-ends with float64 rows refuse weights of 2^40; heavier ones are counted in coarser units."""


@dataclass(frozen=True)
class Setting:
    """Instances of one row that differ by their seed only."""

    labels: tuple[str, ...]
    instances: Sequence[Instance]


def study(quick: bool) -> Iterator[Table]:
    """Layers under two, three and four limits; then the classical families."""
    seeds = range(1, 2 if quick else 4)
    seconds = 5.0 if quick else 10.0
    sizes = ((54, 3), (54, 8)) if quick else tuple((n, m) for n in (54, 200) for m in BITS)
    for solver in SOLVERS:
        solve(mpq_multi.generate(classes=5, resources=2), solver)
    yield _table(
        "Layers under limits of size, BOPs, latency and activation memory",
        ("layers", "items", "limits"),
        [
            Setting(
                (str(layers), str(items), str(count)),
                [layers_instance(layers, items, count, seed) for seed in seeds],
            )
            for layers, items in sizes
            for count in (2, 3, 4)
        ],
        seconds,
    )
    families = {"uncorrelated": mmkp_uncorrelated, "correlated": mmkp_correlated}
    yield _table(
        "Classical families, 30 classes of 10 items, usages 0 to 10",
        ("family", "limits"),
        [
            Setting((name, str(count)), [family.generate(resources=count, seed=s) for s in seeds])
            for name, family in families.items()
            for count in ((2, 4) if quick else (2, 3, 4, 5))
        ],
        seconds,
    )


def layers_instance(layers: int, items: int, limits: int, seed: int) -> Instance:
    """A mixed-precision instance with weights that all solvers accept."""
    bits, activation_bits = BITS[items]
    return coarse(
        mpq_multi.generate(
            classes=layers, bits=bits, activation_bits=activation_bits, resources=limits, seed=seed
        )
    )


def coarse(instance: Instance) -> Instance:
    """The same with weights rounded up, and capacities down, to units below ``HEAVIEST``.

    A choice that fits the result fits the instance.
    """
    heaviest = instance.weight.max(axis=1).tolist()
    shift = np.array([max(0, w.bit_length() - HEAVIEST.bit_length() + 1) for w in heaviest])
    weight = -(-instance.weight >> shift[:, None])
    return replace(instance, weight=weight, capacity=instance.capacity >> shift)


def _table(
    title: str, heads: tuple[str, ...], settings: Sequence[Setting], seconds: float
) -> Table:
    rows, worst, count = [], 0.0, 0
    for setting in settings:
        answers = {
            name: [solve(instance, name, seconds) for instance in setting.instances]
            for name in SOLVERS
        }
        count += len(setting.instances)
        worst = max(worst, _disagreement(list(answers.values())))
        rows.append([*setting.labels, *map(_cell, answers.values()), *_fastest(answers)])
    return Table(
        title,
        (*heads, *SOLVERS, "fastest", "next"),
        rows,
        notes=(
            f"Median milliseconds over {count // len(rows)} seeds, the method and "
            f"its model, one thread, limit {seconds:g} s; (p/n) where only p of n were proven.",
            "next: the second fastest, and how many times as long it took.",
            "All proven optima agree (1e-12 relative)."
            if worst <= 1e-12
            else f"Proven optima differ by up to {worst:.1e} relative.",
        ),
        text_columns=len(heads),
    )


def _milliseconds(answers: Sequence[Solution]) -> float:
    return 1000.0 * statistics.median(answer.seconds for answer in answers)


def _proofs(answers: Sequence[Solution]) -> int:
    return sum(a.status in (Status.OPTIMAL, Status.INFEASIBLE) for a in answers)


def _cell(answers: Sequence[Solution]) -> str:
    proven = _proofs(answers)
    if not proven:
        return f"- (0/{len(answers)})"
    text = digits(_milliseconds(answers))
    return text if proven == len(answers) else f"{text} ({proven}/{len(answers)})"


def _fastest(answers: dict[str, list[Solution]]) -> tuple[str, str]:
    """Most proofs first, then least time."""
    order = sorted(
        answers, key=lambda name: (-_proofs(answers[name]), _milliseconds(answers[name]))
    )
    first, second = order[:2]
    if not _proofs(answers[first]):
        return "none", ""
    ratio = _milliseconds(answers[second]) / _milliseconds(answers[first])
    return first, f"{second} {digits(ratio)}x"


def _disagreement(columns: Sequence[Sequence[Solution]]) -> float:
    """Largest relative difference between proven optima of one instance."""
    worst = 0.0
    for answers in zip(*columns, strict=True):
        proven = [a.objective for a in answers if a.status is Status.OPTIMAL]
        costs = [cost for cost in proven if cost is not None]
        if costs:
            worst = max(worst, abs(relative_gap(max(costs), min(costs))))
    return worst
