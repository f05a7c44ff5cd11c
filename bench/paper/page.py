"""The page of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..report.write import Contents, build_contents, write_page
from . import PARTS
from .study import Study

TITLE = "The paper's tables and figures"
LEAD = "W. Chen, P. Wang, J. Cheng, ICCV 2021 (MPQCO), on networks that are here."


def write_study(study: Study, page: Path, only: Sequence[str] = ()) -> Contents:
    """Write the page with its figures and tables beside it; returns what it shows.

    Raises:
        UnsupportedError: ``only`` names a part that does not exist.
    """
    contents = build_contents(PARTS, [study], only)
    write_page(page, TITLE, LEAD, contents, study.command)
    return contents
