"""Plans of every kind at every budget, as quantized and repaired, and what they cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bitknap.plans.repair.base import NONE
from bitknap.problems import DataError, write_atomically

from ..figures.plan_quality import draw_plan_quality
from ..figures.style import svg_text
from ..job.plan_quality import REPAIRED, STATES, Measured, PlanQuality
from ..measures.paired import Paired, paired
from ..tables.table import Table, digits
from ..workloads.loading import load_workload
from .metrics import SAMPLES

CHOICES = ("ternary", 2, 3, 4, 5, 6, 8)
FEWEST = 8
CONTROLS = ("uniform", "random", "shuffled", "limit")


@dataclass(frozen=True)
class Settings:
    """What ``--set NAME=VALUE`` may say.

    Args:
        workloads: names.
        budgets: average bits per weight.
        draws: calibration draws, seeds 0 and up.
        samples: calibration samples of each.
        metrics: names; those whose passes are costly take a share of the samples.
        evaluations: networks that measured searches run.
        limit: networks that the search for the limit runs, once per budget; 0 leaves it out.
        limit_samples: training samples that it measures on.
        images: test samples.
    """

    workloads: tuple[str, ...] = ("fashion-resnet18", "fashion-mobilenetv2")
    budgets: tuple[float, ...] = (1.6, 1.8, 2.02, 2.1, 2.25, 2.5, 3.0)
    draws: int = 5
    samples: int = 1024
    metrics: tuple[str, ...] = tuple(name for name in SAMPLES if name != "pairwise")
    evaluations: tuple[int, ...] = (50, 100, 200)
    limit: int = 5000
    limit_samples: int = 4096
    images: int = 10_000

    def but(self, settings: Mapping[str, str]) -> Settings:
        """These with some changed, from text.

        Raises:
            DataError: there is no such setting, or its value is of another kind.
        """
        changed: dict[str, Any] = {}
        for name, text in settings.items():
            known = {field.name for field in dataclasses.fields(self)}
            if name not in known:
                raise DataError(
                    f"plans has no setting {name!r}; choose one of: {', '.join(sorted(known))}"
                )
            default = getattr(self, name)
            kind = type(default[0]) if isinstance(default, tuple) else type(default)
            try:
                words = [kind(word) for word in text.split(",")]
            except ValueError:
                raise DataError(f"{name} must be {kind.__name__}, got {text!r}") from None
            changed[name] = tuple(words) if isinstance(default, tuple) else words[0]
        return replace(self, **changed)


QUICK = Settings(
    workloads=("fashion-resnet18",), budgets=(2.25,), draws=1, samples=64, evaluations=(8,),
    metrics=("fisher", "weight_mse"), limit=0, images=200,
)  # fmt: skip

Found = Mapping[tuple[float, int], Mapping[tuple[str, str], Measured]]
"""(budget, draw) -> (plan, repair) -> what was measured."""


def study(
    quick: bool, folder: Path, say: Callable[[str], None], settings: Mapping[str, str]
) -> Iterator[Table]:
    """Every kind of plan on trained networks; a few on one network when quick."""
    asked = (QUICK if quick else Settings()).but(settings)
    panels = {}
    for name in asked.workloads:
        quality = PlanQuality(
            load_workload(name, None),
            {m: max(FEWEST, SAMPLES[m] * asked.samples // 1024) for m in asked.metrics},
            CHOICES,
            asked.samples,
            asked.evaluations,
            asked.limit,
            asked.limit_samples,
            asked.images,
            folder / name,
            say,
        )
        found = measured(quality, asked)
        yield accuracy_table(name, found)
        yield damage_table(name, found)
        yield paired_table(name, found, f"measured, {asked.evaluations[-1]}")
        panels[name] = {plan: _means(found, plan, REPAIRED, _damage) for plan in _plans(found)}
    write_atomically(folder / "plans.svg", svg_text(draw_plan_quality(panels)))


def measured(quality: PlanQuality, asked: Settings) -> Found:
    """All plans of all budgets and draws."""
    draws = range(asked.draws)
    tables = quality.tables(draws)
    return {
        (budget, draw): {(m.plan, m.repair): m for m in quality.measured(tables, draw, budget)}
        for budget in asked.budgets
        for draw in draws
    }


def accuracy_table(workload: str, found: Found) -> Table:
    """Mean accuracy over the draws, by plan and budget, as quantized and repaired."""
    total = len(next(iter(next(iter(found.values())).values())).right)
    rows = []
    for plan in _plans(found):
        both = (_cells(found, plan, repair, _accuracy, ".2f") for repair in STATES)
        cells = [cell for pair in zip(*both, strict=True) for cell in pair]
        rows.append([plan, *cells, digits(_passes(found, plan))])
    columns = [text for bits in _headings(found) for text in (bits, f"{bits}, repaired")]
    return Table(
        f"{workload}: test accuracy as quantized and repaired, %, by average bits",
        ("plan", *columns, "passes"),
        rows,
        notes=(
            f"Mean of {len({draw for _, draw in found})} calibration draw(s), {total:,} test "
            "samples: the standard error of one accuracy is "
            f"{100 * np.sqrt(0.94 * 0.06 / total):.2f} at 94 %.",
            "passes: over the calibration samples, to find the plan at the last budget. "
            "measured, E: at most E networks on half of the samples, repaired, and what the race "
            "takes; topk: with the five best plans of fisher and of weight_mse among the "
            "candidates; unrepaired: judged as quantized.",
        ),
    )


def damage_table(workload: str, found: Found) -> Table:
    """Mean KL to the float network, repaired, by plan and budget."""
    return Table(
        f"{workload}: KL to the float network on the test set, repaired, by average bits",
        ("plan", *_headings(found)),
        [[p, *_cells(found, p, REPAIRED, _damage, ".4f")] for p in _plans(found)],
    )


def paired_table(workload: str, found: Found, recommended: str) -> Table:
    """The recommended plan against the best other plan and the limit, pooled over the draws."""
    rows, names = [], _plans(found)
    for budget in _budgets(found):
        for repair in STATES:
            means = {p: _means(found, p, repair, _accuracy).get(budget, -1.0) for p in names}
            plain = [p for p in names if not p.startswith(("measured", "limit"))]
            for rival in (max(plain, key=means.__getitem__), *({"limit"} & set(names))):
                test = _against(found, budget, repair, recommended, rival)
                rows.append(
                    [
                        f"{budget:g}",
                        "as quantized" if repair == NONE else "repaired",
                        rival,
                        f"{means[recommended]:.2f}",
                        f"{means[rival]:.2f}",
                        f"{test.better}:{test.worse}",
                        digits(test.p, 2),
                        f"{test.damage:+.4f} ± {test.error:.4f}",
                    ]
                )
    return Table(
        f"{workload}: {recommended} against the best of all other plans",
        ("bits", "state", "other plan", "accuracy", "other's", "better:worse", "p", "KL"),
        rows,
        notes=(
            "The other plan is the most accurate one on these test samples, chosen afterwards, "
            "which favours it. better:worse: samples that one of both answers right; p: McNemar's "
            "exact test; KL: mean difference and its standard error, paired by sample.",
        ),
        text_columns=3,
    )


def _against(found: Found, budget: float, repair: str, one: str, other: str) -> Paired:
    pairs = [
        (rows[one, repair], rows[other, repair])
        for (at, _), rows in found.items()
        if at == budget and (other, repair) in rows
    ]
    mine, theirs = zip(*pairs, strict=True)
    return paired(
        np.concatenate([m.right for m in mine]),
        np.concatenate([m.right for m in theirs]),
        np.concatenate([m.damages for m in mine]),
        np.concatenate([m.damages for m in theirs]),
    )


def _plans(found: Found) -> list[str]:
    names = dict.fromkeys(plan for rows in found.values() for plan, _ in rows)
    return [*(n for n in names if n not in CONTROLS), *(n for n in CONTROLS if n in names)]


def _budgets(found: Found) -> list[float]:
    return sorted({budget for budget, _ in found})


def _headings(found: Found) -> list[str]:
    return [f"{budget:g}" for budget in _budgets(found)]


def _accuracy(row: Measured) -> float:
    return 100 * float(row.right.mean())


def _damage(row: Measured) -> float:
    return float(row.damages.mean())


def _means(
    found: Found, plan: str, repair: str, value: Callable[[Measured], float]
) -> dict[float, float]:
    """Budget -> mean over the draws."""
    by_budget: dict[float, list[float]] = {}
    for (budget, _), rows in found.items():
        if (plan, repair) in rows:
            by_budget.setdefault(budget, []).append(value(rows[plan, repair]))
    return {budget: float(np.mean(values)) for budget, values in by_budget.items()}


def _cells(
    found: Found, plan: str, repair: str, value: Callable[[Measured], float], form: str
) -> Sequence[str]:
    means = _means(found, plan, repair, value)
    return [f"{means[b]:{form}}" if b in means else "-" for b in _budgets(found)]


def _passes(found: Found, plan: str) -> float:
    return [rows[plan, NONE].passes for rows in found.values() if (plan, NONE) in rows][-1]
