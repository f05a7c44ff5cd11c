"""A plan as a file of another runtime, read back: its size, its outputs and its accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bitknap.plans import Plan
from bitknap.plans.export.base import NetworkTarget, applied
from bitknap.plans.read_back import output_difference
from bitknap.plans.state import distinct_state

from ..tables.table import Table
from ..workloads.accuracy import Accuracy
from ..workloads.base import Workload


@dataclass(frozen=True)
class Shipped:
    """What was written, and what it does.

    Args:
        float_bytes: of all parameters and buffers of the float network.
        predicted_bytes: of the quantized weights by the plan, and of all other floats.
        file_bytes: written.
        difference: largest difference of the outputs in PyTorch and in the runtime, as a share of
            the largest output.
        accuracy: in PyTorch, and in the runtime; None where they were not asked for.
    """

    float_bytes: int
    predicted_bytes: int
    file_bytes: int
    difference: float
    accuracy: tuple[Accuracy, Accuracy] | None

    @property
    def changed(self) -> int | None:
        """Questions that only one of the two answers rightly; None where that is not known."""
        if self.accuracy is None or not all(one.answers for one in self.accuracy):
            return None
        first, second = (int(one.answers, 16) for one in self.accuracy)
        return (first ^ second).bit_count()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        found = asdict(self) | {"accuracy": None, "changed": self.changed}
        if self.accuracy is not None:
            shares = [{"correct": one.correct, "total": one.total} for one in self.accuracy]
            found["accuracy"] = dict(zip(("pytorch", "runtime"), shares, strict=True))
        return found

    def table(self, title: str) -> Table:
        """A line per number."""
        rows = [
            ("float network", f"{self.float_bytes:,} bytes"),
            ("predicted by the plan", f"{self.predicted_bytes:,} bytes"),
            ("file", f"{self.file_bytes:,} bytes"),
            ("file / predicted", f"{self.file_bytes / self.predicted_bytes:.3f}"),
            ("largest difference of outputs", f"{self.difference:.2g}"),
        ]
        if self.accuracy is not None:
            names = ("accuracy in PyTorch", "accuracy in the runtime")
            rows += [(name, str(value)) for name, value in zip(names, self.accuracy, strict=True)]
        if self.changed is not None:
            rows.append(("right in one of the two alone", f"{self.changed:,}"))
        return Table(title, ("", ""), rows)


def ship(
    target: NetworkTarget,
    plan: Plan,
    workload: Workload,
    out: Path,
    repair: str,
    say: Callable[[str], None],
    *,
    accuracy: bool = True,
) -> Shipped:
    """Apply a plan with calibration data, write the network, and read it back.

    Raises:
        DataError, UnsupportedError: as `Plan.export`.
    """
    say("applying the plan")
    made = replace(applied(plan, workload.model, repair=repair), like=workload.like)
    say(f"writing {out}")
    written = target.write(made, out)
    say("reading it back")
    loaded = target.load(out, workload.model)
    assert plan.calibration is not None
    difference = output_difference(made.network, loaded, plan.calibration, workload.forward)
    measured = None
    if accuracy:
        say("evaluating in PyTorch")
        first = workload.accuracy(made.network)
        say("evaluating in the runtime")
        measured = first, workload.accuracy(loaded)
    state = distinct_state(workload.model).values()
    whole = sum(value.numel() * value.element_size() for value in state)
    assert written.predicted is not None
    return Shipped(whole, written.predicted, written.size, difference, measured)
