"""Plans of every kind for one workload, and their answers on the test set."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from bitknap.plans.apply import Applier
from bitknap.plans.candidates import distinct, pair_plans, uniform_plan
from bitknap.plans.measure import Measurer
from bitknap.plans.measured import MeasuredPlan
from bitknap.plans.remembered import Remembered
from bitknap.plans.repair.base import AUTO, NONE, VERSION
from bitknap.plans.search import measured_plan
from bitknap.plans.yardsticks import yardstick
from bitknap.problems import DataError
from bitknap.sensitivity import SensitivityTable
from bitknap.sensitivity.quantization.choices import Choice
from bitknap.sensitivity.tracing.losses import class_scores
from bitknap.solvers import solve
from bitknap.solvers.topk import top_k

from ..confidence.bootstrap import optimum
from ..workloads.base import Workload
from .metric_comparison import Entry, MetricComparison, Tables, shuffled
from .random_plan import random_choice
from .table_cache import QUANTIZER, calibration_batches

FORMAT = "bitknap.answers/2"
BASIS = ("fisher", "weight_mse")
"""Metrics whose plans the measured search starts from, as `bitknap.plan` does."""
BEST = 5
"""Plans per metric that join the candidates of ``measured, topk``."""
REPAIRED = "auto"
Search = Callable[[Mapping[str, Mapping[str, str]], int], MeasuredPlan]
"""``search(candidates, evaluations)``."""
STATES = (NONE, REPAIRED)


class Made(NamedTuple):
    """A plan and what it took: passes over the calibration samples."""

    plan: Mapping[str, str]
    passes: float


class Measured(NamedTuple):
    """One plan on the test set: (N,) right answers, (M,) KL to the float network, its cost."""

    plan: str
    repair: str
    bits: float
    passes: float
    right: NDArray[np.bool_]
    damages: NDArray[np.float32]


@dataclass(frozen=True)
class _Answers:
    count: int
    right: str
    damages: str


@dataclass(frozen=True)
class PlanQuality:
    """What is compared on one workload.

    Args:
        workload: with batches of its test set.
        metrics: name -> calibration samples.
        choices: candidates of every layer.
        samples: of each calibration draw, for repairs and measured plans.
        evaluations: networks that measured searches run; the last number also for other searches.
        limit: networks that the search for the limit runs, once per budget; 0 leaves it out.
        limit_samples: training samples that this search measures on.
        images: test samples.
        folder: keeps all that is finished.
        say: told what is done.
    """

    workload: Workload
    metrics: Mapping[str, int]
    choices: tuple[Choice, ...]
    samples: int
    evaluations: tuple[int, ...]
    limit: int
    limit_samples: int
    images: int
    folder: Path
    say: Callable[[str], None]

    def tables(self, draws: Sequence[int]) -> Tables:
        """The sensitivity table of every metric and draw."""
        entries = {name: Entry(name, count) for name, count in self.metrics.items()}
        return MetricComparison(
            self.workload, entries, self.choices, (), draws, 0, self.folder, self.say
        ).tables()

    def measured(self, tables: Tables, draw: int, budget: float) -> Iterator[Measured]:
        """Every plan of a draw and budget, as quantized and repaired."""
        table = tables[BASIS[0], draw]
        batches = calibration_batches(self.workload, self.samples, draw)
        applier = Applier(self.workload.model, table, QUANTIZER, batches, self.workload.forward)
        facts = {**self.workload.provenance, "quantizer": QUANTIZER.describe()}
        key = json.dumps([facts, self.samples, draw, self.images, *AUTO, VERSION], sort_keys=True)
        path = self.folder / f"answers-{draw}-{budget:g}.jsonl"
        known = Remembered(path, FORMAT, sha256(key.encode()).hexdigest(), _Answers)
        for name, made in self.plans(tables, draw, budget).items():
            codes = table.code_bits[table.positions(made.plan)]
            bits = int(codes.sum()) / table.weights
            for repair in STATES:
                text = json.dumps([sorted(made.plan.items()), repair])
                place = sha256(text.encode()).hexdigest()[:16]
                if place not in known:
                    self.say(f"{self.workload.name} at {budget:g}, draw {draw}: {name}, {repair}")
                    known[place] = self._answers(applier(made.plan, repair))
                right, damages = _decoded(known[place])
                yield Measured(name, repair, bits, made.passes, right, damages)

    def plans(self, tables: Tables, draw: int, budget: float) -> dict[str, Made]:
        """Every kind's plan within a budget, by name."""
        table = tables[BASIS[0], draw]
        limits = {"size_bits": table.capacity(budget)}
        instance = table.to_instance(BASIS[0], limits)
        found: dict[str, Made] = {}
        for name in self.metrics:
            own = tables[name, draw]
            labels = instance.by_label(optimum(own.to_instance(name, limits))[0])
            found[name] = Made(labels, own.metric_cost[name]["passes"])
        basis = [*BASIS]
        for name in BASIS:
            greedy = solve(tables[name, draw].to_instance(name, limits), "greedy")
            if greedy.labels is not None:
                basis.append(f"{name}, greedy")
                found[basis[-1]] = Made(dict(greedy.labels), found[name].passes)
        for name, plan in pair_plans(table, limits).items():
            if name.startswith(BASIS[0]):
                basis.append(name)
                found[name] = Made(plan, found[BASIS[0]].passes)
        uniform = uniform_plan(table, instance)
        started: dict[str, Mapping[str, str] | None] = {n: found[n].plan for n in basis}
        candidates = distinct(started | {"uniform": uniform})
        searched = self._searched(tables, draw, limits, candidates)
        if self.limit and draw == 0:
            every = {name: made.plan for name, made in (found | searched).items()}
            search = self._search(table, draw, limits, self.limit_samples)
            result = search(distinct(every), self.limit)
            share = self.limit_samples / self.samples
            searched["limit"] = Made(result.plan, share * result.evaluations)
        mixed = instance.by_label(optimum(shuffled(instance, draw))[0])
        drawn = instance.by_label(random_choice(instance, draw))
        free = {"random": Made(drawn, 0), "shuffled": Made(mixed, 0)}
        if uniform is not None:
            free["uniform"] = Made(uniform, 0)
        return found | searched | free

    def _searched(
        self,
        tables: Tables,
        draw: int,
        limits: Mapping[str, int],
        candidates: Mapping[str, Mapping[str, str]],
    ) -> dict[str, Made]:
        """Plans of the measured searches; an evaluation repaired is a pass, else half of one."""
        table, most = tables[BASIS[0], draw], self.evaluations[-1]
        first = table.metric_cost[BASIS[0]]["passes"]
        search = self._search(table, draw, limits, self.samples)
        found = {}
        for count in self.evaluations:
            result = search(candidates, count)
            found[f"measured, {count}"] = Made(result.plan, first + result.evaluations)
        ranked = {}
        for name in BASIS:
            instance = tables[name, draw].to_instance(name, limits)
            for k, (choice, _) in enumerate(top_k(instance, BEST), 1):
                ranked[f"{name}, {k}"] = instance.by_label(choice)
        result = search(distinct({**candidates, **ranked}), most)
        found[f"measured, topk, {most}"] = Made(result.plan, first + result.evaluations)
        result = self._search(table, draw, limits, self.samples, NONE)(candidates, most)
        found[f"measured unrepaired, {most}"] = Made(result.plan, first + result.evaluations / 2)
        return found

    def _search(
        self,
        table: SensitivityTable,
        draw: int,
        limits: Mapping[str, int],
        samples: int,
        repair: str = REPAIRED,
    ) -> Search:
        """A measured search within the limits; those of equal arguments share what they measure."""
        instance = table.to_instance(BASIS[0], limits)
        place = f"{self.workload.name}, {limits['size_bits'] / 8000:.0f} kB, draw {draw}"
        measure = Measurer(
            self.workload.model,
            table,
            calibration_batches(self.workload, samples, draw),
            self.workload.forward,
            yardstick("kl"),
            name="kl",
            quantizer=QUANTIZER,
            repair=repair,
            path=self.folder / f"damages-{draw}-{samples}-{repair}-{limits['size_bits']}.jsonl",
            say=lambda number: self.say(f"{place}: {number} networks measured"),
        )
        return lambda candidates, count: measured_plan(instance, table, candidates, measure, count)

    @cached_property
    def _test(self) -> list[tuple[Any, Any]]:
        """Test batches with the float network's outputs."""
        if self.workload.test is None:
            raise DataError(f"the workload {self.workload.name} gives no batches of its test set")
        found, count = [], 0
        with torch.inference_mode():
            for batch in self.workload.test():
                if count >= self.images:
                    break
                found.append((batch, self.workload.forward(self.workload.model, batch)))
                count += len(batch[0])
        return found

    def _answers(self, network: torch.nn.Module) -> _Answers:
        damage, right, damages = yardstick("kl"), [], []
        with torch.inference_mode():
            for batch, plain in self._test:
                output = self.workload.forward(network, batch)
                right.append((class_scores(output, batch).argmax(dim=1) == batch[1]).flatten())
                damages.append(damage(plain, output, batch).float())
        flags, values = torch.cat(right).numpy(), torch.cat(damages).numpy()
        packed = (b64encode(a.tobytes()).decode() for a in (np.packbits(flags), values))
        return _Answers(len(flags), *packed)


def _decoded(answers: _Answers) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    bits = np.frombuffer(b64decode(answers.right), dtype=np.uint8)
    right = np.unpackbits(bits, count=answers.count).astype(bool)
    return right, np.frombuffer(b64decode(answers.damages), dtype=np.float32)
