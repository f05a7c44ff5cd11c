"""Lines ``--tensor-type TENSOR=TYPE`` for llama.cpp's quantizer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitknap.problems.errors import UnsupportedError
from bitknap.problems.packages import package
from bitknap.sensitivity.quantization.choices import FLOAT, TERNARY, operand_bits, parse_label

from .base import TextTarget

if TYPE_CHECKING:
    from ..layer_plan import Plan

TYPES = {2: "q2_k", 3: "q3_k", 4: "q4_k", 5: "q5_k", 6: "q6_k", 8: "q8_0", 16: "f16"}
"""The type of each width, and of every width up to it."""

WORDS = {TERNARY: "tq2_0", FLOAT: "f32", "mxfp4": "mxfp4"}


@dataclass(frozen=True)
class GgufTypes(TextTarget):
    """Names are those of GGUF for the architecture; types are the nearest that hold the bits."""

    def text(self, plan: Plan) -> str:
        """A line per layer.

        Raises:
            UnsupportedError: the package gguf is missing, or knows no architecture with these
                layers.
        """
        names = _tensor_names([layer.name for layer in plan.table.layers])
        lines = [
            f"--tensor-type {names[layer]}.weight={gguf_type(label)}"
            for layer, label in plan.choices.items()
        ]
        return "\n".join(lines) + "\n"


def gguf_type(label: str) -> str:
    """The type of a choice.

    Example:
        >>> gguf_type("4"), gguf_type("7"), gguf_type("ternary")
        ('q4_k', 'q8_0', 'tq2_0')
        >>> gguf_type("gguf:q5_1"), gguf_type("nvfp4")
        ('q5_1', 'q4_k')
    """
    choice, _ = parse_label(label)
    if choice in WORDS:
        return WORDS[str(choice)]
    family, _, kind = str(choice).partition(":")
    if family == "gguf":
        return kind
    return next(name for bits, name in TYPES.items() if bits >= operand_bits(choice))


def _tensor_names(layers: Iterable[str]) -> dict[str, str]:
    """Layer -> name of its tensor in the first architecture that has all of them."""
    gguf: Any = package("gguf", "llm", "the target gguf-types")
    wanted = list(layers)
    missing = wanted
    for arch in sorted(gguf.MODEL_ARCH, key=lambda arch: arch != gguf.MODEL_ARCH.LLAMA):
        known = gguf.get_tensor_name_map(arch, len(wanted))
        names = {layer: known.get_name(layer) for layer in wanted}
        unknown = [layer for layer, name in names.items() if name is None]
        if not unknown:
            return {layer: str(name) for layer, name in names.items()}
        missing = min(missing, unknown, key=len)
    raise UnsupportedError(
        f"GGUF has no name for the layer {missing[0]!r}; gguf-types is for language models that "
        "llama.cpp knows"
    )


TARGET = GgufTypes()
