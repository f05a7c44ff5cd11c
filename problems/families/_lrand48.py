"""The POSIX generator ``lrand48``, bit for bit, a whole block of draws at a time."""

from __future__ import annotations

import numpy as np

from ..instance import IntArray

MULTIPLIER = 0x5DEECE66D
INCREMENT = 0xB
_MASK = np.uint64((1 << 48) - 1)


class Lrand48:
    """``srand48(seed)`` followed by calls of ``lrand48()``.

    The state is a 48-bit linear congruence, and a draw its upper 31 bits:

        X_{t+1} = (0x5DEECE66D X_t + 11) mod 2^48,    X_0 = 2^16 seed + 0x330E
        lrand48() = X_{t+1} div 2^17

    X_t = A_t X_0 + C_t, so a block follows from the affine maps A, C of all its steps, which
    double in length at each pass. Arithmetic modulo 2^64 keeps the lower 48 bits exact.

    Args:
        seed: its lower 32 bits count, as in C.

    Complexity: O(count) vectorised operations per block.

    References:
        IEEE Std 1003.1, drand48.
    """

    def __init__(self, seed: int) -> None:
        self._state = np.uint64(((seed & 0xFFFFFFFF) << 16) | 0x330E)

    def draw(self, count: int) -> IntArray:
        """(count,) int64: the next draws, each in [0, 2^31)."""
        if count == 0:
            return np.empty(0, dtype=np.int64)
        multiplier = np.empty(count, dtype=np.uint64)
        increment = np.empty(count, dtype=np.uint64)
        multiplier[0], increment[0] = MULTIPLIER, INCREMENT
        done = 1
        while done < count:
            more = min(done, count - done)
            last_a, last_c = multiplier[done - 1], increment[done - 1]
            multiplier[done : done + more] = multiplier[:more] * last_a
            increment[done : done + more] = multiplier[:more] * last_c + increment[:more]
            done += more
        states = (multiplier * self._state + increment) & _MASK
        self._state = states[-1]
        draws: IntArray = (states >> np.uint64(17)).astype(np.int64)
        return draws
