"""Performance profiles of the solvers."""

from __future__ import annotations

import math

from ...figures.performance_profile import draw_profiles
from ...measures.profile import Profile, is_proven, performance_profile, within
from ...tables.table import Table
from ..base import Content, Mark, Panel, Plot, Section
from ..source import Source

NEAR = 0.01
SUCCESSES = {"Optimum proven": is_proven, f"Within {NEAR:.0%} of the best known": within(NEAR)}
FACTORS = (1.0, 2.0, 5.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0)
"""Where the profiles can be read off."""

DRAWN = 9
"""Solvers a panel, those with the largest area below their profile; the CSV file has all."""

CAPTION = (
    "Performance profiles (Dolan and Moré 2002): on which share of the instances a solver took at "
    "most so many times what the fastest took. The left end counts wins, the right end successes: "
    "a true proof of the optimum, or a choice that near the best known. At most "
    f"{DRAWN} solvers are drawn, those with the largest area below their profile."
)


def build(source: Source) -> Content | None:
    """Two profiles: of proofs, and of choices within 1 % of the best."""
    solvers = source.solvers
    if len(solvers) < 2 or source.results is not None:
        return None
    profiles = {
        title: profile
        for title, solved in SUCCESSES.items()
        if math.isfinite((profile := performance_profile(source.answers, solved)).least())
    }
    if not profiles:
        return None
    drawn = {title: _best(p) for title, p in profiles.items()}
    plot = Plot(
        "profile",
        CAPTION,
        draw_profiles({title: p.ratios for title, p in drawn.items()}, source.styles),
        panels=[
            Panel(draw_profiles({title: p.ratios}, source.styles), _marks(p))
            for title, p in drawn.items()
        ],
        data=Table(
            "Performance profiles",
            ("success", "solver", "factor", "share"),
            [
                [title, solver, f"{factor:.6g}", f"{p.share(solver, factor):.6g}"]
                for title, p in profiles.items()
                for solver in solvers
                for factor in sorted({r for r in p.ratios[solver] if math.isfinite(r)})
            ],
        ),
    )
    return Content(plots=[plot])


def _best(profile: Profile) -> Profile:
    """The solvers whose profiles are drawn."""
    end = math.log(2 * profile.largest())

    def area(solver: str) -> float:
        finite = [math.log(ratio) for ratio in profile.ratios[solver] if math.isfinite(ratio)]
        return sum(end - ratio for ratio in finite)

    best = sorted(profile.ratios, key=area, reverse=True)[:DRAWN]
    return Profile({solver: profile.ratios[solver] for solver in sorted(best)})


def _marks(profile: Profile) -> list[Mark]:
    end = profile.largest()
    return [
        Mark(
            factor,
            100 * share,
            {"solver": solver, "within": f"{factor:g} times", "instances": f"{100 * share:.1f} %"},
        )
        for solver in profile.ratios
        for factor in FACTORS
        if factor <= end and (share := profile.share(solver, factor)) > 0
    ]


SECTION = Section(
    "Performance profile", 60, "timed solves of several solvers (`bitknap bench SUITE`)", build
)
