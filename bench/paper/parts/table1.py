"""Table 1: Top-1 against float by method and rate, as quantized, repaired, and fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    rates = study.scale.rates[name]
    rows = []
    for method, title in methods_of(study.scale).items():
        row = [title]
        for rate in rates:
            cells = network.select(method, rate)
            row += [signed([network.change(a) for a in found]) for found in _states(cells).values()]
        rows.append(row)
    columns = ["method"]
    for rate in rates:
        columns += [f"{rate}{state}" for state in _states(network.select(PAPERS, rate))]
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
            "repaired: rounding, batch-norm statistics and biases by the calibration images of the "
            f"first draw, {study.scale.samples[PAPERS]:,}; no labels, no training.",
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
        for state in _states(network.select(PAPERS, rate)):
            means = {
                title: mean([network.change(a) for a in _states(found)[state]])[0]
                for method, title in methods_of(study.scale).items()
                if (found := network.select(method, rate))
            }
            papers = means.pop(METHODS[PAPERS])
            better = [title for title, value in means.items() if value > papers]
            yield f"Ahead of {METHODS[PAPERS]} at {rate}{state}: {', '.join(better) or 'none'}."


def _states(cells: Sequence[Cell]) -> dict[str, list[Accuracy]]:
    """Accuracies of a method's cells at a rate, by what was done to the networks."""
    found = {
        "": [cell.before for cell in cells],
        ", repaired": [cell.repaired for cell in cells if cell.repaired],
        ", tuned": [cell.after for cell in cells if cell.after],
    }
    return {state: accuracies for state, accuracies in found.items() if accuracies}


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
            found = (cell.before, cell.repaired, cell.after)
            bits = " ".join(cell.plan.allocation.values())
            labels = [name, cell.plan.method, cell.plan.rate, str(cell.plan.seed), bits]
            rows.append([*labels, *(f"{a.value:.4f}" if a else "-" for a in found)])
    return Table(
        "Every plan",
        ("network", "method", "rate", "seed", "bits by layer", "Top-1", "repaired", "fine-tuned"),
        rows,
        text_columns=5,
    )


SECTION = Section("Table 1: accuracy by method", 10, "plans with accuracies", build)
