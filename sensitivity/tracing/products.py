"""What a call that no kind of layer covers does with a weight.

Scores of such weights come from per-sample gradients, so this gives only a name, the
dimensions of the weight that index outputs, and the multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .batches import tensors

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_MATRIX = ("matmul", "mm", "bmm", "mv", "addmm", "baddbmm", "addmv")


@dataclass(frozen=True)
class Product:
    """How a call uses one of its operands.

    Args:
        kind: e.g. ``matmul``.
        outputs: the operand's dimensions that index outputs; None where that is not known.
        macs: multiply-accumulates of the whole call.
    """

    kind: str
    outputs: tuple[int, ...] | None = None
    macs: int = 0


def product_of(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], operand: Tensor, output: Any
) -> Product:
    """What a call does with an operand."""
    name = str(getattr(function, "__name__", "")).strip("_")
    given = [*args, *kwargs.values()]
    found = next(t for t in tensors(output))
    if name in (*_MATRIX, "rmatmul"):
        pair = args[-2:] if name != "rmatmul" else args[1::-1]
        if len(pair) == 2 and all(isinstance(one, Tensor) for one in pair):
            return _matrix(pair, operand, found)
    if name == "einsum":
        return _einsum(given, operand)
    if name == "bilinear":
        return Product("bilinear", (0,), len(found.reshape(-1, operand.shape[0])) * operand.numel())
    if name in _RECURRENT:
        packed = isinstance(args[1], Tensor) and isinstance(args[3], list | tuple)
        steps = len(args[0]) if packed else args[0].shape[0] * args[0].shape[1]
        return Product(name.split("_")[0], (0,), steps * operand.numel())
    if name.removesuffix("_cell") in _RECURRENT and name.endswith("_cell"):
        return Product(name.split("_")[0], (0,), len(args[0]) * operand.numel())
    if name == "multi_head_attention_forward":
        return Product("attention", (0,), len(given[0]) * operand.numel())
    return Product("embedding_bag", (0,)) if name == "embedding_bag" else Product("other")


def _matrix(pair: Sequence[Tensor], operand: Tensor, output: Tensor) -> Product:
    """The last dimension of the left operand is summed with the last but one of the right."""
    left = pair[0] is operand
    width = pair[0].shape[-1]
    summed = operand.dim() - (1 if left or operand.dim() == 1 else 2)
    kept = tuple(dim for dim in range(operand.dim()) if dim != summed)
    return Product("matmul", kept, output.numel() * width)


def _einsum(given: Sequence[Any], operand: Tensor) -> Product:
    if not isinstance(given[0], str) or "." in given[0]:
        return Product("einsum")
    equation, *rest = given
    terms, _, wanted = equation.replace(" ", "").partition("->")
    letters = terms.split(",")
    operands = tensors(rest)
    if not wanted:
        wanted = "".join(sorted(c for c in set(terms) - {","} if terms.count(c) == 1))
    sizes = {
        letter: size
        for term, value in zip(letters, operands, strict=True)
        for letter, size in zip(term, value.shape, strict=True)
    }
    macs = 1
    for size in sizes.values():
        macs *= size
    subscript = letters[next(i for i, value in enumerate(operands) if value is operand)]
    kept = tuple(dim for dim, letter in enumerate(subscript) if letter in wanted)
    return Product("einsum", kept, macs if len(operands) > 1 else 0)
