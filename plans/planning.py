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
from bitknap.sensitivity.checks import refuse_unready
from bitknap.sensitivity.metrics.context import Metric, Progress
from bitknap.sensitivity.prepare import NetworkData, prepare
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.tracing.batches import (
    Batch,
    Forward,
    LossFn,
    default_forward,
    device_of,
    read_batches,
)

from .budgets import budgets_of, limits_of, require_feasible
from .candidates import TIME_LIMIT, distinct, pair_plans, uniform_plan
from .layer_plan import Plan
from .measure import Measurer
from .measured import MeasuredPlan
from .optimum import labels, predicted, solved
from .search import EVALUATIONS, measured_plan
from .smallest import require_damage, smallest_plan
from .yardsticks import yardstick as damage_of

CHOICES: tuple[Choice, ...] = (2, 3, 4, 5, 6, 8)


def plan(  # noqa: PLR0913, public keywords
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    bits: float | Sequence[float] | None = None,
    size: str | None = None,
    compression: float | None = None,
    limits: Mapping[str, int] | None = None,
    damage: float | None = None,
    metric: str | Metric | Sequence[str | Metric] = ("fisher", "weight_mse"),
    choices: Choice | Sequence[Choice] = CHOICES,
    loss_fn: LossFn | nn.Module | None = None,
    forward: Forward | None = None,
    quantizer: Quantizer | None = None,
    policy: LayerPolicy | None = None,
    measure: int = EVALUATIONS,
    yardstick: str = "auto",
    seed: int = 0,
    time_limit: float = TIME_LIMIT,
    progress: Progress | None = None,
    damages: Path | None = None,
) -> Any:
    """The plan to use for a network within a budget; a list of them for a list of bits.

    Sensitivities by every metric give candidates, each the exact optimum of its metric. They are
    measured, repaired, on the calibration data, and the best is improved by measured exchanges.
    Given a damage instead, the plan is the smallest one on the metrics' exact frontiers whose
    measured damage stays below it.

    Args:
        model: in evaluation mode; not changed.
        batches: calibration data, as for `sensitivity_table`.
        bits: average bits per weight of the codes, scales on top; or several.
        size: of all quantized weights with their scales, e.g. ``300 kB``.
        compression: of the float32 weights, e.g. 10.7, which is 32 / 10.7 bits per weight of the
            codes, scales on top.
        limits: resource -> limit, e.g. ``{"size_bits": 2_400_000, "bops": 10**9}``.
        damage: the most that may be measured of it, e.g. 0.02.
        metric: names of metrics or metrics; the first one predicts.
        choices: candidates for every layer.
        loss_fn, forward, quantizer, seed: as for `sensitivity_table`.
        policy: what is decided about layers beforehand.
        measure: networks to run on half of the data for each budget; 0 takes the exact optimum of
            the first metric as it is.
        yardstick: the damage: ``kl``, ``agreement``, ``loss``, or ``auto``: ``kl`` where the
            outputs are scores of classes, ``loss`` else.
        time_limit: seconds for each solve; then its best choice so far.
        progress: called with (what, done, total).
        damages: file in which measured damages are kept, so that a stopped search goes on.

    Returns:
        A `Plan`, or a list of them where ``bits`` is a sequence.

    Raises:
        InfeasibleError: a budget is below the smallest size, told before anything is scored; or
            even the largest plan has more than the damage.
        DataError, UnsupportedError: as for `sensitivity_table`; or no budget, or two.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
        >>> data = [(torch.randn(8, 4), torch.randint(3, (8,))) for _ in range(2)]
        >>> plan(net, data, bits=4, measure=0).choices
        {'1': '4'}
    """
    budgets = budgets_of(bits, size, compression, limits, damage)
    if damage is not None:
        require_damage(damage)
        if not measure:
            raise DataError("a damage is measured, so measure= must be 1 or more; got 0")
    if measure < 0:
        raise DataError(f"measure= is a number of networks, 0 or more; got {measure}")
    metrics = chosen_metrics(metric)
    if not metrics:
        raise DataError("name a metric, such as metric='fisher'")
    refuse_unready(model)
    data = read_batches(batches, device_of(model))
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
            require_feasible(blank, limits_of(budget, blank), text)
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
            damage_of(yardstick, prepared.context.loss_fn),
            name=yardstick,
            quantizer=quantizer,
            path=damages,
            say=lambda number: progress("measuring plans", number, 0) if progress else None,
        )
    if damage is not None:
        return search.smallest(damage)
    plans = [search.best(text, limits_of(budget, table)) for text, budget in budgets.items()]
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
        if self.measurer is None:
            return self._plan(text, limits)
        solutions = {
            m: solved(table.to_instance(m, limits), self.time_limit) for m in table.metrics
        }
        instance = solutions[table.metrics[0]].instance
        plans: dict[str, dict[str, str] | None] = {m: labels(s) for m, s in solutions.items()}
        plans |= pair_plans(table, limits, self.time_limit)
        plans["uniform"] = uniform_plan(table, instance)
        found = measured_plan(instance, table, distinct(plans), self.measurer, self.measure)
        return self._plan(text, limits, found)

    def smallest(self, damage: float) -> Plan:
        """The smallest plan of at most this damage."""
        assert self.measurer is not None
        found = smallest_plan(self.table, damage, self.measurer, self.measure, self.time_limit)
        size = self.table.costs["size_bits"][self.table.positions(found.plan)].sum()
        return self._plan(f"damage {damage:g}", {"size_bits": int(size)}, found)

    def _plan(
        self, text: str, limits: Mapping[str, int], measured: MeasuredPlan | None = None
    ) -> Plan:
        """The measured plan, or the first metric's optimum, with what that metric predicts."""
        table = self.table
        first = table.metrics[0]
        solution = solved(table.to_instance(first, limits), self.time_limit)
        chosen = labels(solution) if measured is None else dict(measured.plan)
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
