"""Pages of the site about the shipped instances and the open ones, as Markdown."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bitknap.problems import Instance, QuadraticInstance, merge_ties
from bitknap.problems.library import (
    find_quadratic,
    library_instance,
    library_names,
    quadratic_names,
)
from bitknap.problems.report import reduction_report
from bitknap.solvers import solve
from bitknap.solvers.verify import verify

from ..measures.answers import SolverRuns, answers_of, reference_of
from ..measures.gap import above_optimum
from ..records.record import Record, load_records
from ..runner.cases import content_hash
from ..tables.table import digits, percent
from .results import csv_table, made_with, markdown

INDEX = "library.md"


def instance_pages(results: Path) -> dict[str, str]:
    """Path of each page -> its Markdown: ``library.md``, and ``library/NAME.md`` per instance.

    Every optimum of a linear instance is solved and verified while its page is made.

    Args:
        results: the folder of committed results, with records in ``published`` and ``open``.
    """
    answers: dict[str, list[SolverRuns]] = {}
    for answer in answers_of(load_records(results / "published" / "records.jsonl")):
        answers.setdefault(answer.first.instance_hash, []).append(answer)
    pages, rows = {}, []
    for name in library_names():
        instance = library_instance(name)
        solvers = _solvers(answers.get(content_hash(instance), []))
        pages[f"library/{name}.md"] = _page(instance, _proof(instance), solvers)
        rows.append(_row(instance, instance.optimum, instance.optimum))
    for name in quadratic_names():
        problem = find_quadratic(name)
        assert problem is not None
        solvers = _quadratic_solvers(name, results / "quadratic" / "quadratic-0.csv")
        pages[f"library/{name}.md"] = _page(problem.knapsack, _quadratic_proof(problem), solvers)
        rows.append(_row(problem.knapsack, problem.best, problem.bound))
    published = results / "open"
    pages[INDEX] = _index(
        rows, load_records(published / "records.jsonl"), csv_table(published / "classical.csv")
    )
    return pages


def _row(instance: Instance, best: float | None, bound: float | None) -> list[str]:
    return [
        f"[{instance.name}](library/{instance.name}.md)",
        "quadratic" if instance.name.startswith("quadratic/") else "linear",
        *map(str, (len(instance), instance.n_items, len(instance.ties), instance.n_resources)),
        "-" if best is None else digits(best, 6),
        "optimal" if _closed(best, bound) else "open",
    ]


def _closed(best: float | None, bound: float | None) -> bool:
    return best is not None and bound is not None and best - bound <= 1e-9 * abs(best)


def _page(instance: Instance, proof: list[tuple[str, str]], solvers: str) -> str:
    first, *facts = [*proof, *_features(instance)]
    text = f"# {instance.name}\n\n{markdown(first, facts)}"
    return f"{text}\n## Solvers\n\n{solvers}" if solvers else text


def _proof(instance: Instance) -> list[tuple[str, str]]:
    """What is known of the optimum, solved and verified now."""
    solution = solve(instance)
    verdict = verify(instance, solution.to_dict())
    how = (
        f"found by `{solution.solver}`, and {verdict.finding} by the solver-free checker when "
        "this page was made"
    )
    return [
        ("status", f"{solution.status}: {how}"),
        ("best known", repr(solution.objective)),
        ("bound", repr(solution.bound)),
    ]


def _quadratic_proof(problem: QuadraticInstance) -> list[tuple[str, str]]:
    best, bound = problem.best, problem.bound
    assert best is not None
    assert bound is not None
    gap = f"the gap is {percent((best - bound) / abs(best))}"
    status = f"optimal: proven by `quadratic_branch_bound`; {gap}"
    status = status if _closed(best, bound) else f"open: {gap}"
    return [
        ("status", status),
        ("best known", repr(best)),
        ("bound", repr(bound)),
        ("objective", "with terms between classes: [the quadratic knapsack](../../quadratic.md)"),
    ]


def _features(instance: Instance) -> list[tuple[str, str]]:
    merged, left = merge_ties(instance).instance, reduction_report(instance)
    heaviest = np.maximum.reduceat(merged.weight, merged.offsets[:-1], axis=1).sum(axis=1)
    limits = []
    for k, resource in enumerate(instance.resources):
        low, high = int(merged.min_usage[k]), int(heaviest[k])
        at = (int(instance.capacity[k]) - low) / (high - low) if high > low else math.inf
        limits.append(
            f"{instance.capacity[k]:,} {resource}, {percent(at)} of the way from the lightest "
            f"choice ({low:,}) to the heaviest ({high:,})"
        )
    costs = np.abs(instance.cost[instance.cost != 0])
    span = f"{costs.min():.3g} to {costs.max():.3g} in size" if costs.size else "all 0"
    hull = "" if left.hull_items is None else f", {left.hull_items} on the convex hulls"
    merging = f"; {left.merged_classes} once tied ones are merged" if instance.ties else ""
    return [
        ("classes", f"{left.classes}{merging}"),
        ("items", f"{left.items}; {left.undominated_items} undominated{hull}"),
        ("capacity", "; ".join(limits)),
        ("costs", span),
        ("source", instance.source),
        ("sha256 of its content", f"`{content_hash(instance)}`"),
        ("get it", f"`bitknap instances {instance.name} --out FILE`"),
    ]


def _solvers(answers: Iterable[SolverRuns]) -> str:
    """Who answered what in which time."""
    able = [answer for answer in answers if answer.supported]
    if not able:
        return ""
    rows = [
        [
            answer.first.solver,
            "exact" if answer.first.exact else "heuristic",
            answer.first.status.value,
            _above(answer.first.objective, answer.reference.best),
            digits(1e3 * answer.seconds),
            str(len(answer.runs)),
        ]
        for answer in sorted(able, key=lambda a: (not a.first.exact, a.seconds))
    ]
    columns = ("solver", "kind", "status", "above the best", "median ms", "runs")
    first = able[0].first
    limit = f"At most {first.time_limit:g} s a run, `bitknap bench {first.suite}` on "
    return f"{markdown(columns, rows)}\n{limit}{made_with(first)}.\n"


def _quadratic_solvers(name: str, path: Path) -> str:
    """The rows of an instance in the table of `bitknap bench quadratic`."""
    with path.open(encoding="utf-8", newline="") as stream:
        columns, *rows = csv.reader(stream)
    own = [row[1:] for row in rows if f"quadratic/{row[0]}" == name]
    return f"{markdown(columns[1:], own)}\n`bitknap bench quadratic`, one core.\n" if own else ""


def _above(objective: float | None, best: float | None) -> str:
    if objective is None or best is None:
        return "-"
    return percent(above_optimum(objective, best))


def _index(rows: Sequence[Sequence[str]], records: Sequence[Record], classical: str) -> str:
    columns = ("instance", "objective", "classes", "items", "ties", "resources", "best known")
    proven = sum(row[-1] == "optimal" for row in rows)
    first, share = records[0], "all" if proven == len(rows) else proven
    return f"""# Library of instances

{len(rows)} instances of real networks ship with bitknap, {share} with a proven optimum.
Each has a page with its features, its source, the proof, and what every solver needed.
[Instances](instances.md) says how they were made.

{markdown((*columns, "status"), rows)}
## Open

Instances whose optimum nobody has proven here. They are generated, so that anyone has the same
ones: a name is `FAMILY-classes-items-resources-range-seed` of
[the families](instances.md#generated-families). A better choice or bound is
[welcome as a record](benchmark.md#adding-results-instances-and-solvers-by-others).

{_open(records)}
`bitknap bench {first.suite} --time-limit {first.time_limit:g}` on {made_with(first)}.
Costs are minimised, bounds are from below.

### The classical sets

These sets of the multi-resource literature belong to their authors and do not ship with bitknap.
`bitknap instances import` [reads their files](instances.md#files-of-others).

{markdown(("set", "classes", "layout", "best known values in"), _SETS)}
Best known profits as two public repositories state them, the larger one where both do; the papers
may have better ones. INST01 was read and solved here (`bitknap solve INST01.txt --time-limit 120`):
no choice has a profit above 10,749. CP-SAT found 10,694 in that time and `multi` 10,622, both less
than is known. The other values were not checked.

{classical}"""


def _open(records: Sequence[Record]) -> str:
    """Best known objective and bound of each instance that no record proves."""
    by_instance: dict[str, list[Record]] = {}
    for record in records:
        by_instance.setdefault(record.instance, []).append(record)
    rows = []
    for name, runs in sorted(by_instance.items()):
        known = reference_of(runs)
        if known.proven or known.best is None or known.bound is None:
            continue
        rows.append(
            [
                f"`{name}`",
                *map(str, (runs[0].classes, runs[0].items, runs[0].resources)),
                f"{known.best:.17g}",
                _by(run.solver for run in runs if run.objective == known.best),
                digits(known.bound, 8),
                _by(run.solver for run in runs if run.bound == known.bound),
                percent((known.best - known.bound) / abs(known.best)),
            ]
        )
    columns = (
        "instance",
        "classes",
        "items",
        "resources",
        "best known",
        "by",
        "bound",
        "by",
        "gap",
    )
    return markdown(columns, rows)


def _by(solvers: Iterable[str]) -> str:
    return ", ".join(f"`{solver}`" for solver in sorted(set(solvers)))


_CHEN_HAO = (
    "[Y. Chen, J.-K. Hao, EJOR 239 (2014)](https://leria-info.univ-angers.fr/~jinkao.hao/mmkp.html)"
)

_SETS = [
    [
        "I01 to I06",
        "5 to 30",
        "khan",
        "S. Khan and others, Studia Informatica Universalis 2 (2002)",
    ],
    ["I07 to I13", "100 to 400", "khan", _CHEN_HAO],
    ["INST01 to INST20", "-", "mansi", _CHEN_HAO],
    ["INST21 to INST30, irregular", "-", "shojaei", _CHEN_HAO],
    ["TestSet", "-", "hiremath-hill", "C. S. Hiremath, R. R. Hill, IJOR 2 (2007)"],
]
