"""When a proof gives up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


class ProofTimeUp(Exception):
    """The time for the proof is over."""


@dataclass(frozen=True)
class ProofDeadline:
    """When to give up, a moment of ``time.perf_counter``."""

    until: float = math.inf

    def check(self) -> None:
        """Raise :class:`ProofTimeUp` when it is over."""
        if time.perf_counter() > self.until:
            raise ProofTimeUp


NEVER = ProofDeadline()
