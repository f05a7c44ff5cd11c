"""Plans in files: a choice for every layer of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bitknap.plans import Plan
from bitknap.plans.plan_file import FORMAT as PLAN
from bitknap.problems import DataError, IntArray
from bitknap.problems.documents import load_document
from bitknap.problems.schema import convert
from bitknap.sensitivity import SensitivityTable


def load_plan(path: Path, table: SensitivityTable) -> IntArray:
    """(L,) items of the table that a plan file chooses, as positions in the table's items.

    Raises:
        DataError: the file is missing or no plan of this table; the sentence names the layer.
    """
    plan = read_plan(path)
    try:
        return table.positions({name: str(label) for name, label in plan.items()})
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def read_plan(path: Path) -> Mapping[str, int | str]:
    """Layer -> choice as a file has it.

    The file is JSON: a ``bitknap.plan/1`` or ``bitknap.solution/1`` document, or an object of
    layer -> bits.

    Raises:
        DataError: the file is missing or holds no plan.
    """
    remedy = "expected a plan, a solution or layer: bits"
    document = load_document(path, remedy=remedy)
    if document.get("format") == PLAN:
        return Plan.load(path).choices
    plan = document.get("choice") if "format" in document else document
    try:
        return convert(dict[str, int | str], plan, "the plan")
    except DataError as error:
        raise DataError(f"{path}: holds no plan ({error}); {remedy}") from None
