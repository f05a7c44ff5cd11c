"""The core solver's speed: against general solvers, at scale, around it, on known families."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

from bitknap.problems import Instance
from bitknap.problems.families import mpq
from bitknap.solvers import Status, solve
from bitknap.solvers.methods.core import Core

from ..tables.table import Table, digits
from ._speed_families import pisinger
from ._speed_process import cold_starts, overhead
from ._speed_scale import BITS, at_scale

PEERS = ("highs", "cbc", "scip", "cpsat")
TURNS = 5
# A turn of more seconds than this is not repeated: its noise averages out by itself.
LONG = 10.0


def study(quick: bool, say: Callable[[str], None]) -> Iterator[Table]:
    """Against the peers by layers; at scale; around the method; classical families."""
    yield overhead()
    yield cold_starts(3 if quick else 9)
    large = {100_000: range(8), 1_000_000: range(1, 6), 10_000_000: range(1, 2)}
    yield at_scale({100_000: range(1, 6)} if quick else large)
    yield pisinger(quick)
    yield _against_peers((20, 54, 200) if quick else (20, 54, 200, 1000, 10000), quick, say)


def _against_peers(layers: Sequence[int], quick: bool, say: Callable[[str], None]) -> Table:
    seconds = 10.0 if quick else 60.0
    rows = []
    for count in layers:
        seeds = range(1, 2 if quick or count > 1000 else 4)
        for items, bits in BITS.items():
            say(f"proof of the optimum, {count} layers of {items} items")
            instances = [mpq.generate(classes=count, bits=bits, seed=s) for s in seeds]
            core, peers = _in_turn(instances, seconds)
            best = min(peers, key=peers.__getitem__)
            proven = peers[best] < math.inf
            rows.append(
                [
                    f"{count}",
                    f"{items}",
                    digits(1e3 * core),
                    *(digits(1e3 * t) if t < math.inf else "-" for t in peers.values()),
                    f"{best} {peers[best] / core:.0f}x" if proven else f"> {seconds / core:.0f}x",
                ]
            )
    return Table(
        "Proof of the optimum, milliseconds",
        ("layers", "items", "core", *PEERS, "fastest other / core"),
        rows,
        notes=(
            "Median over seeds of the mpq family (1 to 3; seed 1 at 10,000 layers and in a quick "
            "run), one thread, the method's own clock; core: the median of 100 solves.",
            f"The least of {TURNS} turns, taken one after another; of one where a turn takes over "
            f"{LONG:g} s.",
            f"-: not all proven within {seconds:g} s; the ratio is then above that limit's.",
        ),
    )


def _in_turn(instances: Sequence[Instance], seconds: float) -> tuple[float, dict[str, float]]:
    """Least median seconds of core and of the peers, infinite where not all proven."""
    core, peers = math.inf, dict.fromkeys(PEERS, math.inf)
    short = list(PEERS)
    for _ in range(TURNS):
        core = min(core, _median_seconds(instances))
        for name in tuple(short):
            times = _peer(instances, name, seconds)
            peers[name] = min(peers[name], statistics.median(times))
            if sum(times) > LONG:
                short.remove(name)
    return core, peers


def _median_seconds(instances: Sequence[Instance]) -> float:
    """Median over instances of core's median seconds of 100 solves, all proven."""
    medians = []
    for instance in instances:
        answers = [solve(instance, Core()) for _ in range(100)]
        assert all(a.status is Status.OPTIMAL for a in answers)
        medians.append(statistics.median(a.seconds for a in answers))
    return statistics.median(medians)


def _peer(instances: Sequence[Instance], name: str, seconds: float) -> list[float]:
    """Seconds of a peer; up to the first that was not proven, whose are infinite."""
    times = []
    for instance in instances:
        answer = solve(instance, name, seconds)
        if answer.status is not Status.OPTIMAL:
            return [math.inf]
        times.append(answer.seconds)
    return times
