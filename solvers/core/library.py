"""The native kernel: where it is, what it is asked, and what it answers."""

from __future__ import annotations

import ctypes
import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bitknap.problems import FloatArray, IntArray, UnsupportedError

FOLDER = Path(__file__).with_name("native")
MOMENT = 0.2
"""Seconds that a call may take before it is one that can be interrupted."""

OPTIMAL, LIMIT, INFEASIBLE, WIDE, SCALE, MEMORY, MALFORMED = range(7)


class Answer(ctypes.Structure):
    """What the kernel tells beside a choice, as in ``native/core.cpp``."""

    _fields_ = tuple((name, ctypes.c_double) for name in ("bound", "multiplier")) + tuple(
        (name, ctypes.c_int64)
        for name in ("fault", "classes", "items", "core", "total", "peak", "branches")
    )


def missing() -> str | None:
    """What is missing to use the kernel, or None."""
    try:
        function()
    except UnsupportedError as error:
        return str(error)
    return None


@functools.cache
def function() -> Callable[..., int]:
    """The kernel's one function.

    Raises:
        UnsupportedError: there is none.
    """
    path = FOLDER / "core.so"
    if not path.exists():
        raise UnsupportedError(
            "its native kernel was not built, for want of a C++ compiler; install g++ or clang, "
            "then bitknap again"
        )
    library = ctypes.CDLL(str(path))
    sources = b"".join(f.read_bytes() for f in sorted(FOLDER.glob("*.[ch]pp")))
    built = ctypes.c_char_p.in_dll(library, "bitknap_sources").value
    if sources and built != f"{zlib.crc32(sources):08x}".encode():
        raise UnsupportedError(
            "its native kernel was built from other sources than those beside it; "
            "install bitknap again"
        )
    pointer, integer, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    library.bitknap_core.argtypes = (
        *(integer, integer, pointer, pointer, pointer, integer),
        *(real, integer, pointer, pointer, pointer),
    )
    kernel: Callable[..., int] = library.bitknap_core
    return kernel


def run(
    offsets: IntArray,
    cost: FloatArray,
    weight: IntArray,
    capacity: int,
    seconds: float,
    states: int,
) -> tuple[int, IntArray, Any]:
    """Solve an instance of contiguous arrays; what takes longer than a moment can be interrupted.

    Returns:
        A code, the items chosen, and an :class:`Answer`.

    Raises:
        MemoryError: the states do not fit into memory.
        UnsupportedError: there is no kernel.
    """
    stop = ctypes.c_int32(0)

    def call(seconds: float) -> tuple[int, IntArray, Any]:
        choice, answer = np.empty(offsets.size - 1, dtype=np.int64), Answer()
        at = [a.__array_interface__["data"][0] for a in (offsets, cost, weight, choice)]
        code = function()(
            *(choice.size, cost.size, *at[:3], capacity, seconds, states),
            *(ctypes.addressof(stop), at[3], ctypes.addressof(answer)),
        )
        if code == MEMORY:
            raise MemoryError("the states of the core do not fit into memory")
        return code, choice, answer

    found = call(min(seconds, MOMENT + 1e-7 * cost.size))
    if found[0] != LIMIT or seconds <= MOMENT or found[2].total >= states:
        return found
    # Signals reach Python only outside the kernel: begin again, in a thread.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(call, seconds - MOMENT).result()
        except BaseException:
            stop.value = 1
            raise
