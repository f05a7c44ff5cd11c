"""HAWQ-V3's published allocations, solved again exactly."""

from __future__ import annotations

from bitknap.problems import Instance, IntArray
from bitknap.problems.library import library_instance
from bitknap.problems.library.hawq import published_allocations
from bitknap.solvers import solve

from ...report.base import Content, Section
from ...tables.table import Table
from ..study import Study

SOLVERS = ("core", "highs", "cbc", "greedy")


def build(_study: Study) -> Content:
    """The nine published programs for ResNet-18: published choice, our optimum, the greedy."""
    rows = []
    for name, theirs in published_allocations().items():
        instance = library_instance(name)
        answers = {solver: solve(instance, solver) for solver in SOLVERS}
        best = answers["core"]
        assert best.choice is not None
        same = all(
            answer.choice is not None and (answer.choice == theirs).all()
            for solver, answer in answers.items()
            if solver != "greedy"
        )
        rows.append(
            [
                name.split("/", 1)[1],
                _bits(instance, theirs),
                _bits(instance, best.choice),
                "yes" if same else "no",
                f"{instance.objective(theirs):.9g}",
                f"{best.objective:.9g}",
                f"{answers['greedy'].objective:.9g}",
            ]
        )
    exact = ", ".join(solver for solver in SOLVERS if solver != "greedy")
    table = Table(
        "HAWQ-V3's nine programs for ResNet-18",
        ("program", "published bits", "our optimum", "same", "published", "optimum", "greedy"),
        rows,
        notes=(
            "Bits of the 19 convolutions of the residual blocks in order, 4 or 8; the last three "
            "columns are objectives, trace times squared quantization error.",
            f"same: {exact} each give the published choice, bit for bit.",
            "Source: the method's own repository (primary), see `bitknap instances --published`.",
        ),
        text_columns=4,
    )
    return Content(tables={"hawq_v3": table})


def _bits(instance: Instance, choice: IntArray) -> str:
    return "".join(instance.by_label(choice).values())


SECTION = Section("HAWQ-V3: published allocations solved again", 70, "nothing", build)
