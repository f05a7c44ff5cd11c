"""What is mutated, and which commands and readers it is given to."""

from __future__ import annotations

from .archives import archives, tables
from .instances import instances, names, texts
from .jobs import jobs
from .options import options
from .plans import damages, packed, plans
from .quadratic import quadratic
from .solutions import solutions
from .suites import records, suites
from .trial import Kind

_KINDS: list[Kind] = [
    instances, names, texts, archives, quadratic, tables, solutions, suites, records, plans, packed,
    damages, jobs, options,
]  # fmt: skip
KINDS = {kind.__name__: kind for kind in _KINDS}
