"""When a proof gives up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


class TimeUp(Exception):
    """The time for the proof is over."""


@dataclass(frozen=True)
class Clock:
    """When to give up, a moment of ``time.perf_counter``."""

    until: float = math.inf

    def check(self) -> None:
        """Raise :class:`TimeUp` when it is over."""
        if time.perf_counter() > self.until:
            raise TimeUp


NEVER = Clock()
