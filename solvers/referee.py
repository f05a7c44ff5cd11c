"""The referee: recompute every claim from the instance, and refuse the false ones."""

from __future__ import annotations

import math

import numpy as np

from bitknap.problems import Instance, InstanceError, IntArray, MergedInstance, SolverError

from .base import Outcome, Solution, Status


def infeasibility(instance: Instance) -> str | None:
    """Why no choice can fit, with the smallest feasible capacity, or None.

    Exact for one resource; for several it tests each on its own. ``instance`` has no ties.
    """
    short = (instance.min_usage > instance.capacity).nonzero()[0]
    if not short.size:
        return None
    k = int(short[0])
    return (
        f"no choice of {instance.name!r} fits: {instance.resources[k]} is limited to "
        f"{instance.capacity[k]}, the smallest feasible limit is {instance.min_usage[k]}"
    )


def not_together(instance: Instance) -> str:
    """The message for an instance whose limits can be met one by one, but not all at once."""
    return (
        f"no choice of {instance.name!r} fits {', '.join(instance.resources)} at once, though each "
        "limit alone can be met; raise one of them"
    )


def without_choice(
    claim: str, instance: Instance, outcome: Outcome, solver: str, seconds: float
) -> Solution:
    """The solution that an outcome without a choice amounts to.

    Raises:
        SolverError: its status needs a choice, or it is infeasible although the lightest one fits.
    """
    status = outcome.status
    if status in (Status.OPTIMAL, Status.FEASIBLE):
        raise SolverError(f"{claim}: claims {status}, but gives no choice")
    if status is Status.INFEASIBLE and instance.n_resources == 1:
        raise SolverError(f"{claim}: claims infeasible, but the lightest choice fits")
    message = not_together(instance) if status is Status.INFEASIBLE else outcome.reason
    return Solution(status, solver, instance, seconds=seconds, message=message, stats=outcome.stats)


def require_choice_status(claim: str, status: Status) -> None:
    """Refuse a choice beside a status that has none."""
    if status not in (Status.OPTIMAL, Status.FEASIBLE):
        raise SolverError(f"{claim}: claims {status}, yet gives a choice")


def require_capacity(claim: str, instance: Instance, usage: IntArray) -> None:
    """Refuse a usage beyond a capacity."""
    over = (usage > instance.capacity).nonzero()[0]
    if over.size:
        k = int(over[0])
        raise SolverError(
            f"{claim}: the choice uses {usage[k]} of {instance.resources[k]}, "
            f"above the capacity {instance.capacity[k]}"
        )


def judge(
    merged: MergedInstance, original: Instance, outcome: Outcome, solver: str, seconds: float
) -> Solution:
    """The solution an outcome amounts to, recomputed on the original instance.

    Checks that the choice exists, fits and keeps ties; that the claimed objective is the
    recomputed one (1e-9 relative); that the bound is not above it; that no known optimum and no
    change of one class refutes the claim.

    Raises:
        SolverError: the claim is false; the sentence says how.
    """
    claim = f"{solver} on {original.name!r}"
    status, choice = outcome.status, outcome.choice
    if choice is None:
        return without_choice(claim, original, outcome, solver, seconds)
    require_choice_status(claim, status)
    try:
        at = merged.instance.positions(choice)
    except InstanceError as error:
        raise SolverError(f"{claim}: {error}") from None
    usage = merged.instance.weight.take(at, axis=1).sum(axis=1)
    require_capacity(claim, original, usage)
    full = merged.expand(np.array(choice, dtype=np.int64))
    costs = merged.instance.cost[at]
    tied = merged.instance is not original
    objective = original.objective(full) if tied else math.fsum(costs.tolist())
    magnitude = float(np.abs(costs).sum())
    _check_numbers(claim, original, outcome, objective, magnitude)
    if status is Status.OPTIMAL:
        _check_single_changes(claim, merged.instance, at, usage, 1e-12 * magnitude)
    full.flags.writeable = False
    return Solution(
        status=status,
        solver=solver,
        instance=original,
        choice=full,
        objective=objective,
        bound=objective if status is Status.OPTIMAL else at_most(outcome.bound, objective),
        usage=usage,
        seconds=seconds,
        message=outcome.reason,
        multiplier=outcome.multiplier,
        stats=outcome.stats,
    )


def at_most(bound: float | None, objective: float) -> float | None:
    """The bound, not above the objective; None where it says nothing."""
    return None if bound is None or bound == -math.inf else min(bound, objective)


def _check_numbers(
    claim: str, instance: Instance, outcome: Outcome, objective: float, magnitude: float
) -> None:
    slack = 1e-9 * magnitude
    if outcome.objective is not None and not abs(outcome.objective - objective) <= slack:
        raise SolverError(
            f"{claim}: claims the objective {outcome.objective!r}, the choice costs {objective!r}"
        )
    bound = outcome.bound
    if bound is not None and not bound <= objective + slack:
        raise SolverError(f"{claim}: claims the bound {bound!r}, above its own cost {objective!r}")
    known = instance.optimum
    if known is None:
        return
    if objective < known - slack:
        raise SolverError(
            f"{claim}: costs {objective!r}, below the known optimum {known!r} that the instance "
            "states, which is wrong"
        )
    if bound is not None and bound > known + slack:
        raise SolverError(f"{claim}: claims the bound {bound!r}, above the known optimum {known!r}")
    if outcome.status is Status.OPTIMAL and objective > known + slack:
        raise SolverError(f"{claim}: calls {objective!r} optimal, the known optimum is {known!r}")


def _check_single_changes(
    claim: str, instance: Instance, at: np.ndarray, usage: np.ndarray, slack: float
) -> None:
    """No item can replace the chosen one of its class, fit, and cost less."""
    chosen = at[instance.class_of]
    gain = instance.cost[chosen] - instance.cost
    more = instance.weight - instance.weight.take(chosen, axis=1)
    fits = (more <= (instance.capacity - usage)[:, None]).all(axis=0)
    better = ((gain > slack) & fits).nonzero()[0]
    if better.size:
        j = int(better[0])
        i = int(instance.class_of[j])
        raise SolverError(
            f"{claim}: calls the choice optimal, but item {instance.labels[j]!r} of class "
            f"{instance.class_names[i]!r} fits and costs {float(gain[j])!r} less"
        )
