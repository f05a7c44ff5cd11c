"""What preprocessing removes from an instance, counted."""

from __future__ import annotations

from dataclasses import dataclass

from .instance import Instance
from .reductions import lower_hulls, restrict, undominated
from .ties import merge_ties


@dataclass(frozen=True)
class ReductionReport:
    """Items and classes left after each step of preprocessing.

    Args:
        single_classes: classes with one undominated item, which decides them.
        hull_items: items on the lower convex hulls, those the linear relaxation uses; None for
            several resources.
    """

    classes: int
    items: int
    merged_classes: int
    merged_items: int
    undominated_items: int
    single_classes: int
    hull_items: int | None


def reduction_report(instance: Instance) -> ReductionReport:
    """Count what merging ties, dominance and hull pruning leave.

    Merging and dominance keep an optimum; the hull is exact for the linear relaxation alone.
    How many classes reduced costs fix depends on a bound and stands in the stats of a solution.

    Example:
        >>> from bitknap.problems import build_instance
        >>> reduction_report(build_instance([[(4, 1), (3.5, 2), (1, 3), (2, 4)]], 4)).hull_items
        2
    """
    whole = merge_ties(instance)
    merged = whole.instance
    bases = len(merged) - 1 - int(whole.class_index.max())
    kept, _ = restrict(merged, undominated(merged))
    return ReductionReport(
        classes=len(instance),
        items=instance.n_items,
        merged_classes=len(merged) - bases,
        merged_items=merged.n_items - bases,
        undominated_items=kept.n_items - bases,
        single_classes=int((kept.sizes == 1).sum()) - bases,
        hull_items=len(lower_hulls(kept.class_of, kept.cost, kept.weight[0])) - bases
        if kept.n_resources == 1
        else None,
    )
