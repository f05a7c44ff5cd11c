"""What computing something costs: seconds and memory of this process."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Meter:
    """Measures from its construction onwards.

    On CUDA the memory is the most that torch had allocated; otherwise it is the most that the
    whole process held resident (interpreter, libraries, network and data included). Linux can
    reset that at each measurement; elsewhere it is the most since the process began.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._cuda = device if device is not None and device.type == "cuda" else None
        if self._cuda is not None:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            with contextlib.suppress(OSError):
                _RESET.write_text("5")
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def so_far(self) -> dict[str, float]:
        """``seconds`` by the wall clock, ``cpu_seconds`` of all threads, ``peak_bytes``."""
        if self._cuda is not None:
            torch.cuda.synchronize(self._cuda)
            peak = torch.cuda.max_memory_allocated(self._cuda)
        else:
            peak = _peak_resident()
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._processor,
            "peak_bytes": float(peak),
        }


def _peak_resident() -> int:
    """Bytes."""
    with contextlib.suppress(OSError, StopIteration):
        lines = _STATUS.read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
