"""Plans in files: a choice for every layer of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bitknap.problems import DataError, IntArray
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


def read_plan(path: Path) -> Mapping[str, object]:
    """Layer -> choice as a file has it.

    The file is JSON: a ``bitknap.solution/1`` document, or an object of layer -> bits.

    Raises:
        DataError: the file is missing or holds no plan.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise DataError(f"{path}: not JSON; expected a solution file or layer: bits") from None
    plan = document.get("choice") if isinstance(document, dict) and "format" in document else None
    plan = plan if plan is not None else document
    if not isinstance(plan, Mapping) or "format" in plan:
        raise DataError(f"{path}: holds no plan; expected a solution file or layer: bits")
    return plan
