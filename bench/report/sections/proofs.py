"""Who proves how much, whose proof is the fastest and by how much, and whether claims are true."""

from __future__ import annotations

from ...measures.answers import by_solver
from ...measures.contradictions import false_claims
from ...measures.gap import is_optimum
from ...measures.speedup import GENERAL, Times, proof_times, speedup, wins
from ...tables.table import Table, digits
from ..base import Content, Section
from ..source import Source


def build(source: Source) -> Content | None:
    """Counts by solver, and every exact method against the best of the others."""
    times = proof_times(source.answers)
    if not times or source.results is not None:
        return None
    printed = {"proofs": _proofs(source, times), "speedups": _speedups(source, times)}
    return Content(tables={name: table for name, table in printed.items() if table.rows})


def _proofs(source: Source, times: Times) -> Table:
    false, won = false_claims(source.records), wins(times)
    rows = []
    for solver, solver_runs in by_solver(source.answers).items():
        able = [answer for answer in solver_runs if answer.supported]
        exact = solver_runs[0].first.exact
        rows.append(
            [
                solver,
                "exact" if exact else "heuristic",
                f"{sum(answer.proven for answer in able)}/{len(able)}" if exact else "-",
                f"{won[solver]}" if exact else "-",
                f"{sum(map(is_optimum, able))}/{len(able)}",
                f"{false[solver]}",
            ]
        )
    return Table(
        f"Proofs on {len({answer.first.instance for answer in source.answers})} instances",
        ("solver", "kind", "proven", "fastest proof", "optimum found", "false claims"),
        rows,
        notes=(
            f"proven, optimum found: of the instances that the solver supports; {len(times)} are "
            "proven by some solver. fastest proof: in processor time.",
            "false claims: runs that the referee refuted, and optima, bounds and infeasibilities "
            "that a choice of another run contradicts.",
        ),
        text_columns=2,
    )


def _speedups(source: Source, times: Times) -> Table:
    general = [solver for solver in GENERAL if solver in source.solvers]
    rows = []
    for solver in source.solvers:
        against = {"all others": source.solvers}
        if solver not in GENERAL:
            against[", ".join(general)] = general
        for name, peers in against.items():
            found = speedup(times, solver, peers)
            if found is not None:
                ratios = map(digits, (found.least, found.median, found.largest))
                rows.append([solver, name, f"{found.instances}", *ratios])
    return Table(
        "Speed-up of proofs over the best of others",
        ("solver", "against the best of", "instances", "least", "median", "largest"),
        rows,
        notes=(
            "Processor time of the fastest of the others over the solver's own, instance by "
            "instance, where both have a proof: above 1 the solver is the faster one.",
        ),
        text_columns=2,
    )


SECTION = Section("Proofs", 55, "processor times of exact methods (`bitknap bench SUITE`)", build)
