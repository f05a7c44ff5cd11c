"""Resident memory of this process, as Linux tells it."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path


def forget_peak() -> None:
    """Reset the high-water mark, where the system allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status_bytes(field: str) -> int | None:
    """Bytes of a field of ``/proc/self/status``, e.g. ``VmRSS``; None elsewhere."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
    return None


def peak_bytes() -> int:
    """The high-water mark, since `forget_peak` or else since the process began."""
    unit = 1 if sys.platform == "darwin" else 1024
    return status_bytes("VmHWM") or unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
