"""The recommended plans beside float and uniform: numbers, a finding, and which one to take."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from bitknap.plans.measured import MeasuredPlan
from bitknap.problems.sizes import kilobytes

from ..tables.table import Table
from ..workloads.accuracy import NOISE, Accuracy, Difference
from .recommended import RECOMMENDED
from .results import Results, plan_path
from .tables import last_repair, short_budget, uniform_within


@dataclass(frozen=True)
class PlanRow:
    """The recommended plan of one budget.

    Args:
        size_bits: of the quantized weights, with their scales.
        average_bits: bits per weight of the codes.
        compression: size of the float32 weights over that.
        to_float: against the float network.
        uniform: label of the largest uniform choice within the budget; empty where there is none.
        to_uniform: against that choice.
    """

    budget: str
    plan: MeasuredPlan
    own: Accuracy
    size_bits: int
    average_bits: float
    compression: float
    to_float: Difference
    uniform: str = ""
    to_uniform: Difference | None = None

    @property
    def size(self) -> str:
        """In kB."""
        return kilobytes(self.size_bits)


def plan_rows(results: Results) -> list[PlanRow]:
    """The recommended plan of every budget, in the order of the budgets."""
    repair, table = last_repair(results), results.table
    measured = [m for m in results.measured if m.repair == repair or m.plan == "float"]
    whole = next(m.accuracy for m in measured if m.plan == "float")
    rows = []
    for budget, plan in results.recommended.items():
        own = next(m for m in measured if (m.plan, m.budget) == (RECOMMENDED, budget))
        size = int(table.costs["size_bits"][table.positions(plan.plan)].sum())
        uniform = uniform_within(results, budget, repair)
        rows.append(
            PlanRow(
                budget,
                plan,
                own.accuracy,
                size,
                own.average_bits,
                32 * table.weights / size,
                own.accuracy.minus(whole),
                "" if uniform is None else uniform.budget,
                None if uniform is None else own.accuracy.minus(uniform.accuracy),
            )
        )
    return rows


def preferred(rows: Sequence[PlanRow]) -> PlanRow:
    """The smallest plan that is level with the float network, else the most accurate one."""
    level = [r for r in rows if r.to_float.level or r.to_float.value > 0]
    return min(level, key=lambda r: r.size_bits) if level else max(rows, key=lambda r: r.own.value)


def finding(rows: Sequence[PlanRow]) -> str:
    """What the rows say, in a sentence or two."""
    row = preferred(rows)
    text = (
        f"{row.average_bits:.2f} bits per weight ({row.size}, {row.compression:.1f} times smaller "
        f"than float32) give {row.own} accuracy, {_against(row.to_float, 'the float network')}"
    )
    if row.to_uniform is not None:
        text += f" and {_against(row.to_uniform, f'uniform {row.uniform} bits')}"
    level = [
        short_budget(r.budget) for r in rows if r.to_uniform is not None and r.to_uniform.level
    ]
    if level:
        text += f". Mixed and uniform bits are within noise of each other at {' and '.join(level)}"
    return text + "."


def _against(difference: Difference, other: str) -> str:
    if difference.level:
        return f"within noise of {other} ({100 * difference.value:+.2f} points)"
    side = "above" if difference.value > 0 else "below"
    return f"{abs(100 * difference.value):.2f} points {side} {other}"


def plan_table(results: Results) -> Table:
    """The recommended plans: size, compression, accuracy, against float and uniform, origin."""
    rows = plan_rows(results)
    whole = next(m.accuracy for m in results.measured if m.plan == "float")
    cells = [
        [
            short_budget(row.budget),
            row.size.removesuffix(" kB"),
            f"{row.compression:.1f}x",
            f"{100 * row.own.value:.2f} ± {50 * (row.own.interval[1] - row.own.interval[0]):.2f}",
            str(row.to_float),
            "-" if row.to_uniform is None else f"{row.uniform}: {row.to_uniform}",
        ]
        for row in rows
    ]
    columns = ("budget", "kB", "smaller", "accuracy, %", "to float", "to uniform")
    notes = (
        f"Accuracy on {whole.total:,} test samples, with its 95 % interval; float {whole}. level: "
        f"within {NOISE} standard errors of the difference.",
        "to uniform: to the largest uniform choice within the budget, which is named.",
        *results.asked.notes,
    )
    return Table("Recommended plans", columns, cells, notes=notes)


def plan_lines(results: Results) -> list[str]:
    """Finding, the plan's file and what to do with it, for the end of a run."""
    rows = plan_rows(results)
    path = plan_path(results.out, preferred(rows).budget)
    made = str(results.out / "model.safetensors")
    apply = ["bitknap", "apply", str(path), results.asked.workload, "--packed", "--out", made]
    return [finding(rows), f"plan: {path}", f"next: {shlex.join(apply)}"]
