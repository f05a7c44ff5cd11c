"""The quadratic knapsack: which method finds and proves what on real networks, and how fast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bitknap.problems import QuadraticInstance, build_instance, load_quadratic
from bitknap.problems.library import FOLDER, quadratic_names
from bitknap.solvers import Solution
from bitknap.solvers.quadratic import QUADRATIC, solve_quadratic

from ..tables.table import Table, digits

SECONDS = 60.0
WIDTHS = (2, 3, 4, 5, 6, 8)


def study(quick: bool) -> Iterator[Table]:
    """Solve the shipped instances by every method, and time exchanges on larger ones."""
    methods = [name for name in QUADRATIC.names() if not (quick and name == "quadratic_scip")]
    rows = []
    for name in quadratic_names()[: 2 if quick else None]:
        problem = load_quadratic(FOLDER / f"{name}.npz")
        for method in methods:
            solution = solve_quadratic(problem, method, SECONDS)
            rows.append([name.removeprefix("quadratic/"), method, *_cells(solution, problem)])
    yield Table(
        "Objective, bound and gap of every method, one core",
        ("instance", "method", "status", "objective", "above the best, %", "bound", "gap, %", "s"),
        rows,
        notes=(
            f"At most {SECONDS:g} s. Gap: (objective - bound) / objective. Best: the least "
            "objective known, which the file states.",
            "quadratic_scip claims nothing optimal: its answers hold up to a tolerance.",
        ),
    )
    rows = []
    for layers in (50, 100) if quick else (50, 100, 200):
        problem = synthetic(layers)
        solution = solve_quadratic(problem, "exchange")
        rows.append([str(layers), str(problem.knapsack.n_items), digits(solution.seconds, 2)])
    yield Table(
        "Seconds of exchange (21 local optima)",
        ("layers", "items", "s"),
        rows,
        notes=(
            "Correlated scores of 256 samples; squares fall fourfold per bit; 2.5 bits on average.",
        ),
    )


def _cells(solution: Solution, problem: QuadraticInstance) -> list[str]:
    seconds = digits(solution.seconds, 2)
    if solution.objective is None:
        return [solution.status.value, "-", "-", "-", "-", seconds]
    above = "-"
    if problem.best is not None:
        above = f"{100 * (solution.objective / problem.best - 1):.2f}"
    bound, gap = "-", "-"
    if solution.bound is not None and solution.gap is not None:
        bound, gap = f"{solution.bound:.6g}", f"{100 * solution.gap:.2f}"
    return [solution.status.value, f"{solution.objective:.6g}", above, bound, gap, seconds]


def synthetic(layers: int) -> QuadraticInstance:
    """Layers of log-normal sizes whose scores are correlated within a layer and between layers."""
    generator = np.random.default_rng(layers)
    sizes = np.exp(generator.normal(10, 1.5, layers)).astype(np.int64) + 1
    bits = np.array(WIDTHS)
    shared, own = generator.normal(size=(256, 1, 1)), generator.normal(size=(256, layers, 1))
    noise = generator.normal(size=(256, layers, len(bits)))
    scale = np.exp(generator.normal(0, 1, layers))[:, None] * 2.0 ** -bits.astype(float)
    scores = (0.3 * shared + own + 0.3 * noise) * scale
    classes = [[(0.0, int(size * b)) for b in WIDTHS] for size in sizes.tolist()]
    knapsack = build_instance(classes, int(2.5 * sizes.sum()), name=f"{layers} layers")
    return QuadraticInstance.from_scores(knapsack, scores.reshape(256, -1))
