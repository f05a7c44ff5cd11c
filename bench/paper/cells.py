"""Measured accuracies of a network's plans, each distinct cell computed once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bitknap.plans.repair.base import NONE
from bitknap.problems.documents import load_as, save_document
from bitknap.sensitivity import LayerInfo, SensitivityTable
from bitknap.sensitivity.resume.ranks import Ranks

from ..finetuning.fine_tune import FineTuning, fine_tune
from ..job.evaluation import Evaluator
from ..job.plan_quality import REPAIRED
from ..job.table_cache import QUANTIZER
from ..workloads.accuracy import Accuracy
from ..workloads.base import Workload
from .pace import Pace
from .plans import PaperPlan
from .stamps import stamp

FORMAT = "bitknap.paper-cell/1"


@dataclass(frozen=True)
class Cell:
    """A plan with its accuracy, and that repaired and after fine-tuning where these were wanted."""

    plan: PaperPlan
    before: Accuracy
    repaired: Accuracy | None
    after: Accuracy | None


@dataclass(frozen=True)
class PlanMeasurer:
    """Where a network's plans are measured.

    Args:
        calibration: batches of the first draw, by which networks are repaired.
        ranks: processes that share the fine-tuning; the first one evaluates beforehand.
    """

    workload: Workload
    table: SensitivityTable
    calibration: Sequence[Any]
    tuning: FineTuning
    folder: Path
    say: Callable[[str], None]
    ranks: Ranks

    def measure(self, plans: Sequence[PaperPlan]) -> None:
        """Evaluate and fine-tune what is not kept yet; equal plans once."""
        evaluator, tuner, name = self._evaluator(), self._tuner(), self.workload.name
        jobs = {tuner.path(plan).name: plan for plan in plans if plan.tuned}
        missing = [file for file in jobs if not (tuner.folder / file).exists()]
        missing = json.loads(self.ranks.broadcast(json.dumps(missing).encode(), 0))
        new = {
            (*plan.allocation.items(), repair): (plan, repair)
            for plan in plans
            for repair in ((NONE, REPAIRED) if plan.compared else (NONE,))
            if not evaluator.has(plan.allocation, repair)
        }
        alone = list(new.values()) if self.ranks.rank == 0 else []
        pace = Pace({"evaluation": len(alone), "fine-tuning": len(missing)}, self.say)
        if alone or missing:
            stamp(self.folder)
        for plan, repair in alone:
            what = f"evaluating {plan.method} at {plan.rate}{', repaired' * (repair != NONE)}"
            with pace.cell("evaluation", f"{name}: {what}"):
                evaluator.measure(plan.method, plan.allocation, repair=repair)
        for number in self.ranks.take(len(missing)):
            left = -(-(len(missing) - number) // self.ranks.size)
            pace.total["fine-tuning"] = pace.done["fine-tuning"] + left
            plan = jobs[missing[number]]
            what = f"{name}: fine-tuning {plan.method} at {plan.rate}, seed {plan.seed}"
            with pace.cell("fine-tuning", what):
                tuner.tune(plan, pace.say)
        self.ranks.gather(b"")

    def whole(self) -> Accuracy:
        """Accuracy of the float network."""
        self.say(f"{self.workload.name}: the float network")
        return self._evaluator().measure("float", {}).accuracy

    def cells(self, plans: Sequence[PaperPlan]) -> tuple[Cell, ...]:
        """A cell for every plan, from what is kept."""
        evaluator, tuner = self._evaluator(), self._tuner()

        def accuracy(plan: PaperPlan, repair: str) -> Accuracy:
            return evaluator.measure(plan.method, plan.allocation, repair=repair).accuracy

        return tuple(
            Cell(
                plan,
                accuracy(plan, NONE),
                accuracy(plan, REPAIRED) if plan.compared else None,
                tuner.read(plan) if plan.tuned else None,
            )
            for plan in plans
        )

    def _evaluator(self) -> Evaluator:
        path = self.folder / "accuracies.jsonl"
        return Evaluator(
            self.workload, QUANTIZER, self.table, path, lambda text: None, self.calibration
        )

    def _tuner(self) -> _Tuner:
        return _Tuner(self.workload, self.table.layers, self.tuning, self.folder / "fine-tuned")


@dataclass(frozen=True)
class _FineTunedCell:
    """What a file holds."""

    allocation: dict[str, int | str]
    seed: int
    accuracy: Accuracy
    losses: list[float]
    seconds: float


@dataclass(frozen=True)
class _Tuner:
    """Fine-tunes plans, one file each, named by what it depends on."""

    workload: Workload
    layers: tuple[LayerInfo, ...]
    tuning: FineTuning
    folder: Path

    def path(self, plan: PaperPlan) -> Path:
        """The file of a plan and its seed."""
        content: Mapping[str, Any] = {
            "workload": dict(self.workload.provenance),
            "quantizer": QUANTIZER.describe(),
            "allocation": {layer: int(bits) for layer, bits in plan.allocation.items()},
            "tuning": asdict(self.tuning),
            "seed": plan.seed,
        }
        text = json.dumps(content, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def tune(self, plan: PaperPlan, say: Callable[[str], None]) -> None:
        """Fine-tune and evaluate; an interrupted training is resumed."""
        path = self.path(plan)
        partial = path.with_suffix(".partial")
        found = fine_tune(
            self.workload, self.layers, plan.allocation, self.tuning,
            seed=plan.seed, partial=partial, say=say,
        )  # fmt: skip
        say("evaluating")
        content = {
            "allocation": dict(plan.allocation),
            "seed": plan.seed,
            "accuracy": asdict(self.workload.accuracy(found.network)),
            "losses": found.losses,
            "seconds": round(found.seconds, 2),
        }
        save_document(path, FORMAT, content)
        partial.unlink(missing_ok=True)

    def read(self, plan: PaperPlan) -> Accuracy:
        """The accuracy after fine-tuning."""
        remedy = "remove it to tune again"
        return load_as(_FineTunedCell, self.path(plan), (FORMAT,), remedy=remedy).accuracy
