"""The commands that make the folder and this page."""

from __future__ import annotations

import shlex

from ..base import Content, Section
from ..source import Source


def build(source: Source) -> Content | None:
    """The run, then the report."""
    if not source.command:
        return None
    report = shlex.join(["bitknap", "report", str(source.path)])
    return Content(commands=[f"{source.command}\n{report}"])


SECTION = Section("Reproduce", 95, "a command line kept beside the results", build)
