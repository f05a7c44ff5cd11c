"""Weight quantizers: uniform levels, their scales, zero points, and what they take in bits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

from bitknap.problems.errors import DataError

from .channels import ChannelDim, channels
from .choices import FLOAT, TERNARY, Choice, code_bits, require_choice, require_grid
from .formats import format_of
from .formats.base import Format
from .ranges import (
    affine_grid,
    affine_least_squares,
    ends_of,
    nearest_codes,
    stored,
    symmetric_scale,
)
from .scales import least_squares_scale

SCALE_BITS = 32
"""Bits that one stored scale takes (float32)."""

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "granularity": ("channel", "tensor", "group"),
    "range": ("full", "narrow"),
    "scheme": ("symmetric", "affine"),
    "scale": ("least_squares", "minmax", "percentile"),
}


@dataclass(frozen=True)
class Quantizer:
    """Uniform weight quantizer, one scale per channel, a tensor or a group of weights.

    Symmetric, with b bits and a row w of weights that share a scale:

        Q_b(w) = s clip(round(w / s), low, high)

    The ``full`` range holds all codes of b bits, low = -2^(b-1) and high = 2^(b-1) - 1. The
    ``narrow`` range drops the code -2^(b-1), so that levels are symmetric; two bits are then
    -s, 0, s. Affine, with a zero point z among the codes 0 .. 2^b - 1: low = -z,
    high = 2^b - 1 - z. A row of zeros has scale 0.

    Scales, all rounded to float32, as they are stored:

    * ``least_squares``: argmin_s || Q_b(w) - w ||^2, see `least_squares_scale`. In the full
      symmetric range s may be negative: the sign of the stored scale says which side has the
      extra level. With s > 0 only, the longer negative side shifts the weights' means, and
      accuracy falls below the narrow range's in spite of the smaller error. Affine: see
      `affine_least_squares`.
    * ``minmax``: the codes just reach the largest magnitude; affine, both ends.
    * ``percentile``: likewise with the given percentile of the magnitudes; affine, the ends of
      the middle per cent. What lies outside is clipped.

    The choice ``ternary`` has the codes -1, 0, 1 and no zero point whatever the scheme; ``float``
    leaves the weights as they are. A format such as ``mxfp4`` has blocks, codes and scales of its
    own, whatever the quantizer; its rows are channels.

    Args:
        granularity: ``channel`` (one scale for each index of the channel dimension), ``tensor``,
            or ``group`` (``group_size`` consecutive weights of a channel, flattened; the last
            group of a channel is shorter where the size does not divide it).
        range: ``full`` or ``narrow``, of symmetric codes.
        scheme: ``symmetric`` or ``affine``.
        group_size: weights per group; 0 for the other granularities.
        percentile: between 50 and 100.

    Example:
        >>> Quantizer()(torch.tensor([[2.0, 1.0, -1.1, 0.1]]), 2)
        tensor([[ 2.0333,  1.0167, -1.0167,  0.0000]])
    """

    granularity: Literal["channel", "tensor", "group"] = "channel"
    range: Literal["full", "narrow"] = "full"
    scheme: Literal["symmetric", "affine"] = "symmetric"
    scale: Literal["least_squares", "minmax", "percentile"] = "least_squares"
    group_size: int = 0
    percentile: float = 99.9

    def __post_init__(self) -> None:
        require_options(self, ALLOWED)
        if (self.granularity == "group") != (self.group_size > 0) or self.group_size < 0:
            raise DataError(
                "granularity group goes with a group size of 1 or more, e.g. group=64, "
                f"got {self.granularity} and {self.group_size}"
            )
        if self.scheme == "affine" and self.range == "narrow":
            raise DataError("the narrow range is one of symmetric codes; leave it out for affine")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quantizer that e.g. ``affine,group=64,scale=minmax`` stands for.

        Raises:
            DataError: naming the word that stands for nothing.
        """
        return cls(**parse_options(text, ALLOWED, "--quantizer"))

    def __call__(self, weight: Tensor, choice: Choice, *, dim: ChannelDim = 0) -> Tensor:
        """The dequantized weight Q(w), of the weight's shape, dtype and device.

        Args:
            weight: float tensor with finite entries.
            choice: bits, a whole number from 2 to 16, or ``ternary``, ``float``, or a format.
            dim: dimension of the channels, or several, for granularity ``channel`` and ``group``.

        Raises:
            DataError: the choice is none, or the weight is not finite.
        """
        if choice == FLOAT:
            return weight.detach().clone()
        if (stored := format_of(choice)) is not None:
            return _in_format(weight, stored, dim)
        codes, scale = self.encode(weight, choice, dim=dim)
        if scale.shape[1] > 1:
            scale = scale.repeat_interleave(self.group_size, dim=1)[:, : codes.shape[1]]
        rows = codes * scale
        if self._by_channel(weight.shape):
            rows = channels(dim).restored(rows, weight.shape)
        return rows.reshape(weight.shape).to(weight.dtype)

    def encode(
        self, weight: Tensor, choice: Choice, *, dim: ChannelDim = 0
    ) -> tuple[Tensor, Tensor]:
        """Integer codes, less the zero point, (R, k) in float64, and scales (R, groups).

        A row is a channel, or the whole tensor.
        """
        require_choice(choice)
        require_grid(choice)
        rows = _finite(weight).double()
        by_channel = self._by_channel(weight.shape)
        rows = channels(dim).rows(rows) if by_channel else rows.reshape(1, -1)
        size = self.group_size or max(1, rows.shape[1])
        whole = rows.shape[1] // size * size
        parts = [rows[:, :whole].reshape(-1, size)] if whole else []
        parts += [rows[:, whole:]] if whole < rows.shape[1] or not parts else []
        coded = [self._encode_rows(part, choice) for part in parts]
        codes = torch.cat([codes.reshape(len(rows), -1) for codes, _ in coded], dim=1)
        return codes, torch.cat([scale.reshape(len(rows), -1) for _, scale in coded], dim=1)

    def _encode_rows(self, rows: Tensor, choice: Choice) -> tuple[Tensor, Tensor]:
        """Codes of rows with one scale each, and the scales."""
        percentile = self.percentile if self.scale == "percentile" else None
        low: int | Tensor
        high: int | Tensor
        if self._has_zero_point(choice) and rows.shape[1]:
            assert isinstance(choice, int)
            if self.scale == "least_squares":
                scale, low, high = affine_least_squares(rows, choice)
            else:
                scale, low, high = affine_grid(*ends_of(rows, percentile), choice)
        else:
            low, high = self.codes(choice)
            if self.scale == "least_squares" or not rows.shape[1]:
                scale = stored(least_squares_scale(rows, low, high))
            else:
                scale = symmetric_scale(rows, high, percentile)
        return nearest_codes(rows, scale, low, high), scale

    def codes(self, choice: Choice) -> tuple[int, int]:
        """Smallest and largest symmetric code."""
        require_choice(choice)
        require_grid(choice)
        if choice == TERNARY:
            return -1, 1
        high = int(2 ** (int(choice) - 1)) - 1
        return (-high if self.range == "narrow" else -high - 1), high

    def scales(self, shape: Sequence[int], *, dim: ChannelDim = 0) -> int:
        """Number of scales stored for a weight of that shape."""
        rows = channels(dim).count(shape) if self._by_channel(shape) else 1
        width = math.prod(shape) // max(rows, 1)
        return rows * (-(-width // self.group_size) if self.group_size else 1)

    def size_bits(self, shape: Sequence[int], choice: Choice, *, dim: ChannelDim = 0) -> int:
        """Stored size in bits: codes, a float32 scale and a zero point of b bits for each row.

        Ternary codes are packed five to a byte; ``float`` takes 32 bits per weight and no more.
        A format takes what its bytes do.

        Raises:
            DataError: the choice is none.
        """
        require_choice(choice)
        if (stored := format_of(choice)) is not None:
            rows, width = format_rows(shape, dim)
            return stored.size_bits(rows, width)
        codes = code_bits(choice, math.prod(shape))
        if choice == FLOAT:
            return codes
        zero = int(choice) if self._has_zero_point(choice) else 0
        return codes + (SCALE_BITS + zero) * self.scales(shape, dim=dim)

    def describe(self) -> dict[str, Any]:
        """What identifies the quantizer in a table's provenance."""
        described = {
            "name": self.scheme,
            "scale": self.scale.replace("_", " "),
            "granularity": self.granularity,
            "range": self.range,
        }
        if self.group_size:
            described["group_size"] = str(self.group_size)
        if self.scale == "percentile":
            described["percentile"] = f"{self.percentile:.12g}"
        return described

    @classmethod
    def described(cls, described: Any) -> Self:
        """The quantizer that `describe` described.

        Raises:
            DataError: it describes none.
        """
        try:
            return cls(
                scheme=described["name"],
                scale=described["scale"].replace(" ", "_"),
                granularity=described["granularity"],
                range=described["range"],
                group_size=int(described.get("group_size", 0)),
                percentile=float(described.get("percentile", cls.percentile)),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(f"no quantizer is described by {described!r}") from None

    def _has_zero_point(self, choice: Choice) -> bool:
        return self.scheme == "affine" and choice != TERNARY

    def _by_channel(self, shape: Sequence[int]) -> bool:
        return self.granularity != "tensor" and len(shape) > 1


def format_rows(shape: Sequence[int], dim: ChannelDim) -> tuple[int, int]:
    """Rows of a weight in a format, and weights of each; a weight of one dimension is one row."""
    rows = channels(dim).count(shape) if len(shape) > 1 else 1
    return rows, math.prod(shape) // max(rows, 1)


def encode_format(weight: Tensor, stored: Format, dim: ChannelDim) -> Tensor:
    """The bytes of a weight in a format, uint8.

    Raises:
        DataError: the weight is not finite.
        UnsupportedError: the format needs a package that is not installed.
    """
    rows, width = format_rows(weight.shape, dim)
    values = _finite(weight).float()
    if not values.numel():
        return torch.zeros(0, dtype=torch.uint8)
    values = channels(dim).rows(values) if weight.dim() > 1 else values
    return stored.encode(values.reshape(rows, width))


def decode_format(data: Tensor, stored: Format, shape: Sequence[int], dim: ChannelDim) -> Tensor:
    """The float32 weight of `encode_format`'s bytes."""
    rows, width = format_rows(shape, dim)
    if not rows * width:
        return torch.zeros(tuple(shape))
    values = stored.decode(data, rows, width)
    return channels(dim).restored(values, shape) if len(shape) > 1 else values.reshape(tuple(shape))


def _in_format(weight: Tensor, stored: Format, dim: ChannelDim) -> Tensor:
    data = encode_format(weight, stored, dim)
    return decode_format(data, stored, weight.shape, dim).to(weight)


def _finite(weight: Tensor) -> Tensor:
    """The weight, detached.

    Raises:
        DataError: it is not finite.
    """
    if not bool(torch.isfinite(weight).all()):
        raise DataError("a weight holds NaN or infinite entries; quantization needs finite ones")
    return weight.detach()


def parse_options(text: str, allowed: Mapping[str, Sequence[str]], option: str) -> dict[str, Any]:
    """Fields of a quantizer from words between commas, e.g. ``affine,group=64,scale=minmax``.

    A word is a value that one field allows, ``field=value``, ``group=N`` or ``percentile=P``.

    Raises:
        DataError: naming the word that stands for nothing.
    """
    found: dict[str, Any] = {}
    for word in (part.strip() for part in text.split(",")):
        name, equals, value = word.partition("=")
        fields = [field for field, values in allowed.items() if word in values]
        if name == "group" and value.isdecimal() and "granularity" in allowed:
            found |= {"granularity": "group", "group_size": int(value)}
        elif name == "percentile" and value.replace(".", "", 1).isdecimal():
            found |= {"scale": "percentile", "percentile": float(value)}
        elif fields:
            found[fields[0]] = word
        elif equals and value in allowed.get(name, ()):
            found[name] = value
        else:
            known = ", ".join(" ".join(values) for values in allowed.values())
            extra = ", group=N" if "granularity" in allowed else ""
            raise DataError(
                f"{option} is made of {known}{extra}, percentile=P, with commas; got {word!r}"
            )
    return found


def require_options(quantizer: Any, allowed: Mapping[str, Sequence[str]]) -> None:
    """Refuse fields of a quantizer that hold none of the allowed values."""
    for field, known in allowed.items():
        if getattr(quantizer, field) not in known:
            choices = " or ".join(map(repr, known))
            raise DataError(
                f"quantizer {field} must be {choices}, got {getattr(quantizer, field)!r}"
            )
    if not 50 < quantizer.percentile <= 100:
        raise DataError(
            f"the percentile must be above 50 and at most 100, got {quantizer.percentile!r}"
        )
