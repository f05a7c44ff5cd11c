"""Plans that changed, layer by layer."""

from __future__ import annotations

from ...job.results import Results
from ...tables.table import Table
from ..base import Content, Section
from ..source import Source


def build(a: Source, b: Source) -> Content | None:
    """The optima of the metrics and budgets that both have."""
    if a.results is None or b.results is None:
        return None
    first, second = _plans(a.results), _plans(b.results)
    common = [key for key in first if key in second]
    if not common:
        return None
    texts, rows = [], []
    for key in common:
        before, after = first[key], second[key]
        layers = [name for name in before if name in after]
        changed = [name for name in layers if before[name] != after[name]]
        metric, budget = key
        texts.append(f"{metric} at {budget}: {len(changed)} of {len(layers)} layers changed.")
        for name in changed:
            rows.append([metric, budget, name, before[name], after[name]])
    table = Table(
        "Layers that changed", ("metric", "budget", "layer", "A", "B"), rows, text_columns=3
    )
    return Content(texts=texts, tables={"changed_layers": table} if rows else {})


def _plans(results: Results) -> dict[tuple[str, str], dict[str, str]]:
    return {key: results.best(*key).labels or {} for key in results.instances}


SECTION = Section("Changed plans", 40, "optima of the same metric and budget in both", build)
