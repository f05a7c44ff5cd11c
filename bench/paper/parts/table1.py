"""Table 1: Top-1 against the float network by method and rate, before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator

from ...report.base import Content, Section
from ...tables.table import Table, mean, signed
from ...workloads.accuracy import Accuracy
from ..cells import Cell
from ..plans import METHODS, methods_of
from ..study import Network, Study

PAPERS = "fisher"


def build(study: Study) -> Content:
    """One table per network, and every cell as CSV."""
    printed = {
        f"table1_{name}": _table(name, network, study) for name, network in study.networks.items()
    }
    return Content(texts=[_recipe(study)], tables=printed | {"cells": _cells(study)})


def _table(name: str, network: Network, study: Study) -> Table:
    rates, tuned = study.scale.rates[name], study.scale.tuned[name]
    columns = ["method"]
    for rate in rates:
        columns += [rate] if rate not in tuned else [rate, f"{rate}, tuned"]
    rows = []
    for method, title in methods_of(study.scale).items():
        row = [title]
        for rate in rates:
            cells = network.select(method, rate)
            row.append(signed([network.change(c.before) for c in cells]))
            if rate in tuned:
                row.append(signed([network.change(c.after) for c in cells if c.after]))
        rows.append(row)
    test = network.whole.total
    return Table(
        f"Top-1 against float, points: {network.workload.title}",
        columns,
        rows,
        notes=(
            f"Float: {100 * network.whole.value:.2f} % of {test:,} test images"
            f"{', the first ones' if study.scale.test else ''}.",
            "Rates are of float32 weights, codes only: 32 over the average bits; scales (32 bits a "
            "channel) come on top for all alike. Every layer has 2, 3, 4, 5, 6 or 8 bits.",
            f"Mean ± standard error over {len(study.scale.seeds)} seeds, each a calibration draw, "
            "a random plan and a fine-tuning; uniform and weight MSE need no draw, so that their "
            "plans do not vary.",
            "uniform: the largest single bit-width within the rate, which leaves part of a budget "
            "unused. Metrics are solved exactly but for the greedy.",
            "The error over seeds leaves out that of the test set: "
            f"{100 * network.whole.standard_error:.2f} points for the float network's; two "
            "networks on the same images usually differ by a surer number.",
            *_ahead(name, network, study),
        ),
    )


def _ahead(name: str, network: Network, study: Study) -> Iterator[str]:
    """Which methods are ahead of the paper's, in one sentence per column."""
    for rate in study.scale.rates[name]:
        for tuned in (False, True)[: 1 + (rate in study.scale.tuned[name])]:
            means = {
                title: mean([network.change(_accuracy(c, tuned)) for c in found])[0]
                for method, title in methods_of(study.scale).items()
                if (found := network.select(method, rate))
            }
            papers = means.pop(METHODS[PAPERS])
            better = [title for title, value in means.items() if value > papers]
            column = f"{rate}{', tuned' if tuned else ''}"
            yield f"Ahead of {METHODS[PAPERS]} at {column}: {', '.join(better) or 'none'}."


def _accuracy(cell: Cell, tuned: bool) -> Accuracy:
    found = cell.after if tuned else cell.before
    assert found is not None
    return found


def _recipe(study: Study) -> str:
    tuning = study.scale.tuning
    extent = "all batches" if tuning.batches is None else f"the first {tuning.batches} batches"
    samples = ", ".join(f"{name} {count:,}" for name, count in study.scale.samples.items())
    return (
        f"Calibration images per draw: {samples}. Fine-tuning with learned steps: "
        f"{tuning.epochs} epoch{'s' if tuning.epochs > 1 else ''} of {extent}, rate "
        f"{tuning.learning_rate:g} falling to 0, weights only. Quantizer, candidate bits and "
        "recipe are ours: the paper's are not known to us."
    )


def _cells(study: Study) -> Table:
    rows = []
    for name, network in study.networks.items():
        for cell in network.cells:
            after = f"{cell.after.value:.4f}" if cell.after else "-"
            bits = " ".join(cell.plan.allocation.values())
            labels = [name, cell.plan.method, cell.plan.rate, str(cell.plan.seed), bits]
            rows.append([*labels, f"{cell.before.value:.4f}", after])
    return Table(
        "Every plan",
        ("network", "method", "rate", "seed", "bits by layer", "Top-1", "fine-tuned"),
        rows,
        text_columns=5,
    )


SECTION = Section("Table 1: accuracy by method", 10, "plans with accuracies", build)
