"""From a network to plans: sensitivities, an exact solve, a measured search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bitknap.problems.errors import DataError
from bitknap.sensitivity import LayerPolicy, Quantizer, SensitivityTable
from bitknap.sensitivity.build import chosen_metrics, warn_of_coverage
from bitknap.sensitivity.metrics.context import Metric, Progress
from bitknap.sensitivity.prepare import NetworkData, prepare
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.tracing.batches import Batch, Forward, LossFn, default_forward

from .budgets import Budget, parse_budget, require_feasible
from .candidates import TIME_LIMIT, distinct, pair_plans, uniform_plan
from .layer_plan import Plan
from .measure import Measurer
from .optimum import labels, predicted, solved
from .search import EVALUATIONS, measured_plan
from .yardsticks import yardstick

CHOICES: tuple[Choice, ...] = (2, 3, 4, 5, 6, 8)


def plan(  # noqa: PLR0913, public keywords
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    bits: float | Sequence[float] | None = None,
    size: str | None = None,
    compression: float | None = None,
    limits: Mapping[str, int] | None = None,
    metric: str | Metric | Sequence[str | Metric] = ("fisher", "weight_mse"),
    choices: Choice | Sequence[Choice] = CHOICES,
    loss_fn: LossFn | nn.Module | None = None,
    forward: Forward | None = None,
    quantizer: Quantizer | None = None,
    policy: LayerPolicy | None = None,
    measure: int = EVALUATIONS,
    damage: str = "auto",
    seed: int = 0,
    time_limit: float = TIME_LIMIT,
    progress: Progress | None = None,
    damages: Path | None = None,
) -> Any:
    """The plan to use for a network within a budget; a list of them for a list of bits.

    Sensitivities by every metric give candidates, each the exact optimum of its metric. They are
    measured, repaired, on the calibration data, and the best is improved by measured exchanges.

    Args:
        model: in evaluation mode; not changed.
        batches: calibration data, as for `sensitivity_table`.
        bits: average bits per weight of the codes, scales on top; or several.
        size: of all quantized weights with their scales, e.g. ``300 kB``.
        compression: of the float32 weights, e.g. 10.7.
        limits: resource -> limit, e.g. ``{"size_bits": 2_400_000, "bops": 10**9}``.
        metric: names of metrics or metrics; the first one predicts.
        choices: candidates for every layer.
        loss_fn, forward, quantizer, seed: as for `sensitivity_table`.
        policy: what is decided about layers beforehand.
        measure: networks to run on half of the data for each budget; 0 takes the exact optimum of
            the first metric as it is.
        damage: what is measured: ``kl``, ``agreement``, ``loss``, or ``auto``: ``kl`` where the
            outputs are scores of classes, ``loss`` else.
        time_limit: seconds for each solve; then its best choice so far.
        progress: called with (what, done, total).
        damages: file in which measured damages are kept, so that a stopped search goes on.

    Returns:
        A `Plan`, or a list of them where ``bits`` is a sequence.

    Raises:
        InfeasibleError: a budget is below the smallest size; told before anything is scored.
        DataError, UnsupportedError: as for `sensitivity_table`; or no budget, or two.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
        >>> data = [(torch.randn(8, 4), torch.randint(3, (8,))) for _ in range(2)]
        >>> plan(net, data, bits=4, measure=0).choices
        {'1': '4'}
    """
    budgets = _budgets(bits, size, compression, limits)
    metrics = chosen_metrics(metric)
    if not metrics:
        raise DataError("name a metric, such as metric='fisher'")
    data = list(batches)
    with torch.inference_mode(False):
        given = NetworkData(
            model,
            data,
            choices,
            loss_fn,
            forward,
            quantizer,
            seed=seed,
            progress=progress,
        )
        prepared = prepare(given, metrics)
        rules = policy or LayerPolicy()
        blank = rules.apply(prepared.table())
        for text, budget in budgets.items():
            require_feasible(blank, _limits(budget, blank), text)
        whole = prepared.table(metrics, excluded=blank.floats)
    warn_of_coverage(whole)
    table = rules.apply(whole)
    search = _Search(table, tuple(data), forward or default_forward, measure, time_limit)
    if measure:
        search.measurer = Measurer(
            model,
            table,
            data,
            search.forward,
            yardstick(damage, prepared.context.loss_fn),
            name=damage,
            quantizer=quantizer,
            path=damages,
            say=lambda number: progress("measuring plans", number, 0) if progress else None,
        )
    plans = [search.best(text, _limits(budget, table)) for text, budget in budgets.items()]
    return plans if isinstance(bits, Sequence) else plans[0]


@dataclass
class _Search:
    """Finds the plan of one budget after another."""

    table: SensitivityTable
    data: tuple[Batch, ...]
    forward: Forward
    measure: int
    time_limit: float
    measurer: Measurer | None = None

    def best(self, text: str, limits: Mapping[str, int]) -> Plan:
        """The plan within the limits."""
        table = self.table
        solutions = {
            m: solved(table.to_instance(m, limits), self.time_limit) for m in table.metrics
        }
        first = table.metrics[0]
        instance, solution = solutions[first].instance, solutions[first]
        chosen, measured = labels(solution), None
        if self.measurer is not None:
            plans: dict[str, dict[str, str] | None] = {m: labels(s) for m, s in solutions.items()}
            plans |= pair_plans(table, limits, self.time_limit)
            plans["uniform"] = uniform_plan(table, instance)
            candidates = distinct(plans)
            measured = measured_plan(instance, table, candidates, self.measurer, self.measure)
            chosen = dict(measured.plan)
        return Plan(
            chosen,
            table,
            text,
            predicted(table, first, chosen, solution),
            solution if chosen == labels(solution) else None,
            measured,
            self.data,
            self.forward,
        )


Request = Budget | Mapping[str, int]


def _budgets(
    bits: float | Sequence[float] | None,
    size: str | None,
    compression: float | None,
    limits: Mapping[str, int] | None,
) -> dict[str, Request]:
    """Text of each budget -> what it stands for; one of the four must be given."""
    given = [value for value in (bits, size, compression, limits) if value is not None]
    if len(given) != 1:
        raise DataError(
            "a plan needs one budget: bits=3.0, size='300 kB', compression=10.7 or "
            f"limits={{'size_bits': ...}}; got {len(given)}"
        )
    if limits is not None:
        return {", ".join(f"{name} {value:,}" for name, value in limits.items()): dict(limits)}
    if size is not None:
        return {size: parse_budget(size)}
    if compression is not None:
        return {f"{compression:g}x": parse_budget(f"{compression:g}x")}
    several = list(bits) if isinstance(bits, Sequence) else [bits]
    return {f"{value:g}": parse_budget(f"{value:g}") for value in several if value is not None}


def _limits(request: Request, table: SensitivityTable) -> dict[str, int]:
    return request.limits(table) if isinstance(request, Budget) else dict(request)
