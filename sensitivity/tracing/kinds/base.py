"""What one use of a weight in a forward pass can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...quantization.channels import ChannelDim

CHUNK_FLOATS = 1 << 20
"""Floats of scratch on a CPU (4 MB in float32): per-sample gradients stay in the shared cache."""

CHUNK_FLOATS_CUDA = 1 << 26
"""Floats of scratch on a GPU (256 MB in float32)."""


class Use(ABC):
    """One call z = W * a, linear in the weight W, as it happened in a forward pass.

    For a perturbation dW and the gradient g_n of sample n's loss with respect to z,
    ⟨grad_W loss_n, dW⟩ = ⟨g_n, dW * a_n⟩: a use knows its own * and computes this exactly.
    """

    weight: Tensor
    inputs: Tensor

    @property
    def channel_dim(self) -> ChannelDim:
        """What of the weight indexes output channels."""
        return 0

    @property
    def rows(self) -> int:
        """First dimension of what is read, which runs over samples."""
        return len(self.inputs)

    @abstractmethod
    def macs(self, output: Tensor) -> int:
        """Multiply-accumulate operations of the whole call, all samples together."""

    @abstractmethod
    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        """⟨grad_W loss_n, dW_j⟩ for every sample and perturbation.

        Args:
            grad: gradient of the summed per-sample losses with respect to the output.
            delta: (J, *weight.shape) perturbations, float32 or float64, without gaps in memory;
                fastest where dimension 2, the input channels, is innermost.
            samples: N, number of samples; the input's first dimension is a multiple of it.

        Returns:
            (N, J) in delta's dtype.
        """

    @abstractmethod
    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        """The output's change dW_j * a for each perturbation, in the output's shape."""

    @abstractmethod
    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        """Per-sample weight gradients, in chunks of samples: (which, (c, *weight.shape))."""


def first_argument(*args: Any, **kwargs: Any) -> Tensor:
    """The first positional argument, or the one named ``input``."""
    found: Tensor = args[0] if args else kwargs["input"]
    return found


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer: the torch functions that run it, and how their arguments are read.

    Args:
        name: e.g. ``conv``.
        functions: functions as ``TorchFunctionMode`` sees them.
        bind: takes the call's arguments and gives a `Use`, or None when it is no such layer.
        source: gives the argument that holds the layer's activations; None where it reads indices.
    """

    name: str
    functions: tuple[Callable[..., Any], ...]
    bind: Callable[..., Use | None]
    source: Callable[..., Tensor] | None = first_argument


Linear = Callable[[Use, Tensor | None], Tensor]
"""Runs and shows a linear use ``use.inputs @ weight.T + bias``."""


@dataclass(frozen=True)
class Composite:
    """A function that hides linear layers: it is run as an equal one that shows them.

    Args:
        name: e.g. ``attention``.
        functions: functions as ``TorchFunctionMode`` sees them.
        expand: takes a `Linear` and the call's arguments and gives the call's result.
    """

    name: str
    functions: tuple[Callable[..., Any], ...]
    expand: Callable[..., Any]


def chunk_floats(tensor: Tensor) -> int:
    """Floats of scratch allowed on the tensor's device."""
    return CHUNK_FLOATS_CUDA if tensor.is_cuda else CHUNK_FLOATS


def chunks(total: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` (at least 1) that cover ``range(total)``."""
    step = max(1, size)
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))
