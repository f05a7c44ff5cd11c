"""The native kernel: where it is, what it is asked, and what it answers."""

from __future__ import annotations

import ctypes
import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import UnsupportedError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FOLDER = Path(__file__).with_name("native")
MOMENT = 0.2
"""Seconds that a call may take before it is one that can be interrupted."""

OPTIMAL, LIMIT, INFEASIBLE, WIDE, SCALE, MEMORY, MALFORMED = range(7)


class Answer(ctypes.Structure):
    """What the kernel tells beside a choice.

    ``bound`` is how far below the choice the linear relaxation is, ``open`` how far what was not
    searched may be; ``classes`` and ``items`` may be part of a better choice.
    """

    _fields_ = tuple((name, ctypes.c_double) for name in ("bound", "open", "multiplier")) + tuple(
        (name, ctypes.c_int64)
        for name in ("fault", "classes", "items", "core", "total", "peak", "branches")
    )


class Found(NamedTuple):
    """What the kernel found: a code, the items chosen, and the rest."""

    code: int
    choice: Ints
    answer: Any


def missing() -> str | None:
    """What is missing to use the kernel, or None."""
    try:
        function()
    except UnsupportedError as error:
        return str(error)
    return None


def digest() -> str:
    """The checksum of the kernel's sources, or nothing where they are not installed."""
    sources = sorted(FOLDER.glob("*.[ch]pp"))
    return f"{zlib.crc32(b''.join(f.read_bytes() for f in sources)):08x}" if sources else ""


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
    source = digest()
    built = ctypes.c_char_p.in_dll(library, "bitknap_sources").value or b""
    if source and built.decode() != source:
        raise UnsupportedError(
            "its native kernel was built from other sources than those beside it; "
            "install bitknap again"
        )
    pointer, integer, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    solve = library.bitknap_core
    solve.argtypes = (
        *(integer, integer, pointer, pointer, pointer, integer),
        *(real, integer, pointer, pointer, pointer),
    )
    kernel: Callable[..., int] = solve
    return kernel


def run(
    offsets: Ints, cost: Floats, weight: Ints, capacity: int, seconds: float, states: int
) -> Found:
    """Solve an instance; what takes longer than a moment can be interrupted.

    Args:
        offsets, cost, weight, capacity: as in :func:`solve_core`, contiguous.
        seconds: time after which to stop.
        states: number of states made after which to stop.

    Raises:
        MemoryError: the states do not fit into memory.
        UnsupportedError: there is no kernel.
    """
    stop = ctypes.c_int32(0)

    def call(seconds: float) -> Found:
        choice, answer = np.empty(offsets.size - 1, dtype=np.int64), Answer()
        code = function()(
            *(choice.size, cost.size, *map(_at, (offsets, cost, weight)), capacity, seconds),
            *(states, ctypes.addressof(stop), _at(choice), ctypes.addressof(answer)),
        )
        if code == MEMORY:
            raise MemoryError("the states of the core do not fit into memory")
        return Found(code, choice, answer)

    found = call(min(seconds, MOMENT + 1e-7 * cost.size))
    if found.code != LIMIT or seconds <= MOMENT or found.answer.total >= states:
        return found
    # Signals reach Python only outside the kernel: begin again, in a thread.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(call, seconds - MOMENT).result()
        except BaseException:
            stop.value = 1
            raise


def _at(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
