"""The native kernel: where it is, what it is asked, and what it answers."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitknap.problems import UnsupportedError

Ints = NDArray[np.int64]

FOLDER = Path(__file__).with_name("native")
MOMENT = 0.2
"""Seconds that a call may take before it is one that can be interrupted."""

OPTIMAL, LIMIT, BRANCH, INFEASIBLE, WIDE, SCALE, MEMORY, MALFORMED = range(8)


class Problem(NamedTuple):
    """Class ``i`` owns the items ``begin[i]:end[i]``; take one of each within the capacity."""

    begin: Ints
    end: Ints
    cost: NDArray[np.float64]
    weight: Ints
    capacity: int


class Answer(ctypes.Structure):
    """What the kernel tells beside choices; costs are counted from the break solution.

    ``bound`` is that of the linear relaxation, ``open`` that of what was not searched; ``branch``
    is the class to branch on; ``classes`` and ``items`` may be part of a better choice.
    """

    _fields_ = tuple((name, ctypes.c_double) for name in ("bound", "open", "multiplier")) + tuple(
        (name, ctypes.c_int64)
        for name in ("branch", "fault", "classes", "items", "core", "total", "peak")
    )


class Node(NamedTuple):
    """What the kernel found.

    ``base`` holds the items of the break solution, ``choice`` those of the best choice, ``kept``
    the classes in which a better one may differ from ``base``.
    """

    code: int
    base: Ints
    choice: Ints
    kept: NDArray[np.bool_]
    answer: Any


def missing() -> str | None:
    """What is missing to use the kernel, or None."""
    try:
        function()
    except UnsupportedError as error:
        return str(error)
    return None


def digest() -> str:
    """The hash of the kernel's sources, or nothing where they are not installed."""
    sources = sorted(FOLDER.glob("*.[ch]pp"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in sources)).hexdigest() if sources else ""


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
        *(integer, integer, pointer, pointer, pointer, pointer, integer),
        *(pointer, real, integer, pointer, ctypes.c_int, pointer, pointer, pointer, pointer),
    )
    kernel: Callable[..., int] = solve
    return kernel


def run(p: Problem, given: Ints | None, seconds: float, states: int, *, may_branch: bool) -> Node:
    """Solve one node; what takes longer than a moment can be interrupted.

    Args:
        p: the problem.
        given: items of a known choice that the answer must be no dearer than; they need not be of
            this node.
        seconds: time after which to stop.
        states: number of states made after which to stop.
        may_branch: whether to say where to branch instead of searching on.

    Raises:
        MemoryError: the states do not fit into memory.
        UnsupportedError: there is no kernel.
    """
    stop = ctypes.c_int32(0)
    node = _call(p, given, min(seconds, MOMENT), states, may_branch, stop)
    if node.code != LIMIT or seconds <= MOMENT or node.answer.total >= states:
        return node
    # Signals reach Python only outside the kernel: begin again, in a thread.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(_call, p, given, seconds - MOMENT, states, may_branch, stop).result()
        except BaseException:
            stop.value = 1
            raise


def _call(
    p: Problem, given: Ints | None, seconds: float, states: int, may_branch: bool, stop: Any
) -> Node:
    count = p.begin.size
    base, choice = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    kept, answer = np.zeros(count, dtype=np.bool_), Answer()
    code = function()(
        *(count, p.cost.size, _at(p.begin), _at(p.end), _at(p.cost), _at(p.weight), p.capacity),
        *(None if given is None else _at(given), seconds, states, ctypes.addressof(stop)),
        *(may_branch, _at(base), _at(choice), _at(kept), ctypes.addressof(answer)),
    )
    if code == MEMORY:
        raise MemoryError("the states of the core do not fit into memory")
    return Node(code, base, choice, kept, answer)


def _at(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
