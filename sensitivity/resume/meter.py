"""What computing something costs: seconds and memory of this process."""

from __future__ import annotations

import time

import torch

from bitknap.problems.memory import forget_peak, peak_bytes


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
            forget_peak()
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def so_far(self) -> dict[str, float]:
        """``seconds`` by the wall clock, ``cpu_seconds`` of all threads, ``peak_bytes``."""
        if self._cuda is not None:
            torch.cuda.synchronize(self._cuda)
            peak = torch.cuda.max_memory_allocated(self._cuda)
        else:
            peak = peak_bytes()
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._processor,
            "peak_bytes": float(peak),
        }
