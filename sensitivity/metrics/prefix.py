"""Run a network many times without recomputing the part before a changed layer."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..tracing.batches import tensors
from ..tracing.function_calls import Calls

Forward = Callable[[], Any]


class _LayerReached(BaseException):
    """Ends a recording run at the first use of the layer it was meant to reach."""


class ReplayDiverged(BaseException):
    """A replayed run called other functions than the recorded one."""


class PrefixCache(Calls):
    """Results of all torch calls up to the first use of a layer, handed out again in order.

    A deterministic network makes the same calls in every run, so until the first changed layer
    the recorded results stand for the calls. Results that nothing but the record refers to at that
    point cannot be needed any more and are dropped; the memory held is what crosses the cut. A
    network that hides work from torch's function protocol gives wrong outputs when replayed:
    compare one unchanged replay with the plain output before trusting it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._functions: list[Any] = []
        self._results: list[Any] = []
        self._versions: list[tuple[Tensor, int]] = []
        self._target: Tensor | None = None
        self._cursor = 0

    def advance(self, forward: Forward, weight: Tensor) -> None:
        """Extend the record to the first use of the weight."""
        self._target, self._cursor = weight, 0
        known = len(self._results)
        try:
            with self:
                forward()
            # This run does not use the weight: what follows may be the use of a later one.
            del self._functions[known:], self._results[known:]
        except _LayerReached:
            pass
        finally:
            self._target = None
        live = [result for result in self._results if isinstance(result, Tensor)]
        self._versions = [(tensor, tensor._version) for tensor in live]

    def run(self, forward: Forward) -> Any:
        """The network's output, the recorded calls not computed."""
        self._cursor = 0
        with self:
            return forward()

    @property
    def intact(self) -> bool:
        """Whether no run has written to a recorded result."""
        return all(tensor._version == version for tensor, version in self._versions)

    def call(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The recorded result, or that of running the call."""
        if self._cursor < len(self._results):
            if self._functions[self._cursor] != func:
                raise ReplayDiverged
            self._cursor += 1
            return self._results[self._cursor - 1]
        if self._target is None:
            return func(*args, **keywords)
        if any(item is self._target for item in tensors([*args, *keywords.values()])):
            self._drop_dead()
            raise _LayerReached
        result = func(*args, **keywords)
        self._functions.append(func)
        self._results.append(result)
        self._cursor += 1
        return result

    def _drop_dead(self) -> None:
        """Replace results that only the record refers to."""
        nothing = torch.empty(0)
        references = Counter(id(result) for result in self._results)
        for place in range(len(self._results)):
            # Referred to by the record, once or more, and by the argument of getrefcount.
            if isinstance(self._results[place], Tensor) and (
                sys.getrefcount(self._results[place]) <= references[id(self._results[place])] + 1
            ):
                references[id(self._results[place])] -= 1
                self._results[place] = nothing
