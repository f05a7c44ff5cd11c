"""Every call of one of PyTorch's functions, seen before it runs."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    """While it is entered, calls go through `call`, which subclasses define."""

    def call(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The result of a call."""
        raise NotImplementedError

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return self.call(func, args, kwargs or {})
