"""Multi-head attention: its packed and separate projections become visible linear layers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Composite, Linear, Use
from .linear import LinearUse


@dataclass(eq=False)
class RowsUse(Use):
    """A linear use of some rows of a weight, e.g. the query's third of a packed projection."""

    inputs: Tensor
    weight: Tensor
    part: slice

    def _linear(self) -> LinearUse:
        return LinearUse(self.inputs, self.weight[self.part])

    def macs(self, output: Tensor) -> int:
        return self._linear().macs(output)

    def scores(self, grad: Tensor, delta: Tensor, samples: int) -> Tensor:
        return self._linear().scores(grad, delta[:, self.part].contiguous(), samples)

    def replay(self, delta: Tensor) -> Iterator[Tensor]:
        return self._linear().replay(delta[:, self.part])

    def sample_gradients(self, grad: Tensor, samples: int) -> Iterator[tuple[slice, Tensor]]:
        for among, gradients in self._linear().sample_gradients(grad, samples):
            full = gradients.new_zeros(len(gradients), *self.weight.shape)
            full[:, self.part] = gradients
            yield among, full


_SIGNATURE = inspect.signature(F.multi_head_attention_forward)


def expand(linear: Linear, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    """Attention with the projections done outside by ``linear``, identities in their place.

    ``multi_head_attention_forward`` works on (time, sample, feature); the projections receive
    (sample, time, feature), so that the first dimension runs over samples.
    """
    call = _SIGNATURE.bind(*args, **kwargs)
    call.apply_defaults()
    given = call.arguments
    if given["query"].dim() == 2:
        return F.multi_head_attention_forward(*args, **kwargs)
    width = given["embed_dim_to_check"]
    out_weight, out_bias = given["out_proj_weight"], given["out_proj_bias"]
    inputs = [given[name].transpose(0, 1) for name in ("query", "key", "value")]
    same = all(given[name] is given["query"] for name in ("key", "value"))
    biases = (None,) * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    packed = given["in_proj_weight"]
    if given["use_separate_proj_weight"]:
        weights = [given[f"{name}_proj_weight"] for name in "qkv"]
        projected = [
            linear(LinearUse(x, w), b) for x, w, b in zip(inputs, weights, biases, strict=True)
        ]
    elif same:
        projected = list(linear(LinearUse(inputs[0], packed), given["in_proj_bias"]).chunk(3, -1))
    else:
        rows = [slice(i * width, (i + 1) * width) for i in range(3)]
        projected = [
            linear(RowsUse(x, packed, r), b) for x, r, b in zip(inputs, rows, biases, strict=True)
        ]
    identity = torch.eye(width, dtype=projected[0].dtype, device=projected[0].device)
    for name, value in zip(("query", "key", "value"), projected, strict=True):
        given[name] = value.transpose(0, 1)
    given.update(
        use_separate_proj_weight=True,
        q_proj_weight=identity,
        k_proj_weight=identity,
        v_proj_weight=identity,
        in_proj_bias=None,
        out_proj_weight=identity,
        out_proj_bias=None,
    )
    mixed, attention = F.multi_head_attention_forward(*call.args, **call.kwargs)
    output = linear(LinearUse(mixed.transpose(0, 1), out_weight), out_bias)
    return output.transpose(0, 1), attention


KIND = Composite("attention", (F.multi_head_attention_forward,), expand)
