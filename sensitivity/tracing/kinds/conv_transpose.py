"""Transposed convolutions in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ...quantization.channels import ChannelDim, Channels
from .base import LayerKind, Use
from .conv import ConvUse, spread


@dataclass(eq=False)
class ConvTransposeUse(Use):
    """A call of ``conv_transpose1d``, ``2d`` or ``3d``.

    The transpose swaps input and output gradient: ⟨g, W^T * a⟩ = ⟨a, W * g⟩, so the scores are
    those of an ordinary convolution of g whose output gradient is a.
    """

    inputs: Tensor
    weight: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def channel_dim(self) -> ChannelDim:
        """The weight is (in, out / groups, *kernel), so that groups are blocks of dimension 0."""
        return Channels((1,), self.groups) if self.groups > 1 else 1

    def macs(self, output: Tensor) -> int:
        return self.inputs.numel() * self.weight[0].numel()

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        return self._swapped(grad).scores(self.inputs.detach(), delta, samples)

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        return self._swapped(grad).sample_gradients(self.inputs.detach().to(grad.dtype), samples)

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(self.stride) - 1]
        for change in delta:
            yield conv(
                self.inputs.to(delta.dtype),
                change,
                None,
                self.stride,
                self.padding,
                self.output_padding,
                self.groups,
                self.dilation,
            )

    def _swapped(self, grad: Tensor) -> ConvUse:
        return ConvUse(grad, self.weight, self.stride, self.padding, self.dilation, self.groups)


def bind(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> ConvTransposeUse:
    """Read the arguments of ``conv_transpose1d``, ``2d`` or ``3d``."""
    spatial = weight.dim() - 2
    return ConvTransposeUse(
        input if input.dim() == weight.dim() else input.unsqueeze(0),
        weight,
        spread(stride, spatial),
        spread(padding, spatial),
        spread(output_padding, spatial),
        spread(dilation, spatial),
        groups,
    )


KIND = LayerKind(
    "conv_transpose",
    (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    bind,
)
