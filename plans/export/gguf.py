"""GGUF files of language models, every tensor in the type that the plan chose for it.

A tensor holds the bytes of its format, so weights are those of the applied network, bit for bit.
Names are GGUF's for the architecture; in files of Llama, rows of queries and keys are in the order
of llama.cpp's rotary embedding. Metadata, the tokenizer among them, are those of a GGUF file of the
same network (``like``); without one, sizes of a Llama are written, and no tokenizer.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError, UnsupportedError
from bitknap.problems.packages import package
from bitknap.problems.storage import require_file
from bitknap.sensitivity.quantization.channels import Channels, channels
from bitknap.sensitivity.quantization.choices import FLOAT, parse_label
from bitknap.sensitivity.tracing.folding import folded, plain_copy

from ..codes import FormattedWeight, stored_weights
from ..state import fill_state
from .base import Applied, Exported, NetworkTarget

if TYPE_CHECKING:
    from ..layer_plan import Plan

MOST_APART = 0.5
"""Share of a tensor's norm by which that of the file ``like`` may differ, itself quantized."""

SUFFIXES = (".weight", ".bias")

MADE = ("general.architecture", "general.file_type", "general.quantization_version")
"""Metadata that the writer makes."""


@dataclass(frozen=True)
class Gguf(NetworkTarget):
    """See the module."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write an applied network.

        Raises:
            UnsupportedError: gguf is missing, a choice is none of GGUF's types, or nothing says
                what the metadata are.
            DataError: the file ``like`` is another network's, or damaged.
        """
        gguf = _package()
        _require_types(given.plan)
        source = None if given.like is None else _File.read(given.like)
        naming = _Naming.of_config(given.model) if source is None else source.naming
        tensors = dict(_tensors(given, naming, source))
        with tempfile.TemporaryDirectory() as folder:
            writer = gguf.GGUFWriter(file := f"{folder}/model.gguf", naming.architecture)
            if source is None:
                _describe_llama(writer, _config(given.model))
            else:
                source.copy_metadata(writer)
            writer.add_file_type(gguf.LlamaFileType.GUESSED)
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
            for name, (values, kind) in tensors.items():
                writer.add_tensor(name, values, raw_dtype=kind)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            write_atomically(path, content := Path(file).read_bytes())
        return Exported(len(content), given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """The network with the file's weights, dequantized by the package gguf."""
        file = _File.read(path)
        network = plain_copy(model).eval()
        names = file.naming.names(network)
        fill_state(network, lambda name: file.values(names[name]), path, names.__getitem__)
        return network


@dataclass(frozen=True)
class _Naming:
    """Names and order of rows of an architecture.

    Args:
        architecture: GGUF's name of it.
        blocks: of the network.
        heads: of queries and of keys.
    """

    architecture: str
    blocks: int
    heads: tuple[int, int]

    @classmethod
    def of_config(cls, model: nn.Module) -> _Naming:
        """That of a Llama of transformers."""
        config = _config(model)
        heads = config.num_attention_heads, config.num_key_value_heads
        return cls("llama", config.num_hidden_layers, heads)

    def names(self, network: nn.Module) -> dict[str, str]:
        """Parameter or buffer -> its name in the file.

        Raises:
            UnsupportedError: GGUF has none for one of them.
        """
        gguf = _package()
        known = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
        if self.architecture not in known:
            raise UnsupportedError(f"the package gguf knows no architecture {self.architecture!r}")
        found = gguf.get_tensor_name_map(known[self.architecture], self.blocks)
        names = {key: found.get_name(key, SUFFIXES) for key in network.state_dict()}
        for key, name in names.items():
            if name is None:
                raise UnsupportedError(
                    f"GGUF has no name for {key} in {self.architecture}; this target is for "
                    "language models that llama.cpp knows"
                )
        return names

    def stored(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows in the file's order: of each head, those of both halves in turn."""
        heads = self._heads(name)
        return rows if heads is None else _swapped(rows, heads, 2, len(rows) // heads // 2)

    def restored(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows in the network's order."""
        heads = self._heads(name)
        return rows if heads is None else _swapped(rows, heads, len(rows) // heads // 2, 2)

    def _heads(self, name: str) -> int | None:
        part = name.split(".")[-2]
        if self.architecture != "llama" or part not in ("attn_q", "attn_k"):
            return None
        return self.heads[part == "attn_k"]


def _swapped(rows: NDArray[Any], heads: int, first: int, second: int) -> NDArray[Any]:
    parts = rows.reshape(heads, first, second, -1).swapaxes(1, 2)
    return np.ascontiguousarray(parts).reshape(rows.shape)


@dataclass(frozen=True, eq=False)
class _File:
    """A GGUF file as the package reads it."""

    path: str | os.PathLike[str]
    reader: Any
    naming: _Naming

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> _File:
        """Read the file's head.

        Raises:
            DataError: it is missing, damaged, or no GGUF file.
        """
        gguf = _package()
        require_file(path)
        with _guarded(path):
            reader = gguf.GGUFReader(path)
            values = {name: field.contents() for name, field in reader.fields.items()}
            arch = str(values["general.architecture"])
            heads = int(values[f"{arch}.attention.head_count"])
            keys = int(values.get(f"{arch}.attention.head_count_kv", heads))
            naming = _Naming(arch, int(values[f"{arch}.block_count"]), (heads, keys))
        return cls(path, reader, naming)

    @property
    def tensors(self) -> dict[str, Any]:
        """By name."""
        return {tensor.name: tensor for tensor in self.reader.tensors}

    def values(self, name: str) -> Tensor | None:
        """A tensor in the network's order, dequantized; None where there is none."""
        if (tensor := self.tensors.get(name)) is None:
            return None
        with _guarded(self.path):
            values = _package().quants.dequantize(tensor.data, tensor.tensor_type)
        return torch.from_numpy(self.naming.restored(name, values).copy())

    def copy_metadata(self, writer: Any) -> None:
        """Add all metadata but those that a writer makes."""
        kinds = _package().GGUFValueType
        for name, field in self.reader.fields.items():
            if name.startswith("GGUF.") or name in MADE:
                continue
            kind, nested = field.types[0], field.types[-1]
            part = nested if kind == kinds.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=part)


@contextmanager
def _guarded(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what the package raises for a damaged file into one sentence."""
    try:
        yield
    except (KeyError, IndexError, ValueError, TypeError, NotImplementedError) as error:
        raise DataError(
            f"{path}: no GGUF file, a damaged one, or one of types that the package gguf cannot "
            f"read ({error})"
        ) from None


def _tensors(
    given: Applied, naming: _Naming, source: _File | None
) -> Iterator[tuple[str, tuple[NDArray[Any], Any]]]:
    """Name -> values or bytes, and the type of the latter."""
    plan, network = given.plan, given.network
    formatted = {
        network.get_parameter(weight.parameter).data_ptr(): weight
        for weight in stored_weights(given.model, network, plan.table, plan.choices)
        if isinstance(weight, FormattedWeight)
    }
    names, plain, left = naming.names(network), folded(given.model).state_dict(), None
    if source is not None:
        left = {*source.tensors}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        name, place = names[key], value.data_ptr()
        if place in seen and (left is None or name not in left):
            continue
        seen.add(place)
        if source is not None and left is not None:
            _require_alike(source, name, plain[key])
            left.discard(name)
        if place in formatted:
            rows, kind = _bytes(formatted[place], value)
        else:
            rows, kind = value.detach().float().cpu().numpy(), None
        yield name, (naming.stored(name, rows), kind)
    if left:
        raise DataError(f"{given.like}: the network has no {min(left)}; it is another network's")


def _bytes(weight: FormattedWeight, applied: Tensor) -> tuple[NDArray[Any], Any]:
    """(R, bytes of a row) in GGUF's order, and the type."""
    gguf = _package()
    family, _, kind = weight.layer.format.partition(":")
    if family == "gguf":
        return weight.data.reshape(len(applied), -1), gguf.GGMLQuantizationType[kind.upper()]
    # Values of MXFP4 quantize to themselves: the largest code of a block is 4 or 6.
    kind = gguf.GGMLQuantizationType.MXFP4
    return gguf.quants.quantize(applied.detach().float().cpu().numpy(), kind), kind


def _require_types(plan: Plan) -> None:
    """Refuse what no GGUF file holds.

    Raises:
        UnsupportedError: naming the layer.
    """
    for layer in plan.table.layers:
        choice, activation = parse_label(plan.choices[layer.name])
        if choice == FLOAT:
            continue
        if activation is not None or not (str(choice) + ":").startswith(("gguf:", "mxfp4:")):
            raise UnsupportedError(
                f"GGUF has no type for {plan.choices[layer.name]}, the choice of {layer.name}; "
                "plan with --bits gguf,mxfp4,float"
            )
        matrix = len(layer.shape) == 2 and channels(layer.channel_dim) == Channels((0,))
        if not matrix or layer.shape[1] % 32:
            raise UnsupportedError(
                f"GGUF holds {choice} in matrices of rows of a multiple of 32 weights, and "
                f"{layer.name} is {' x '.join(map(str, layer.shape))}; exclude the layer"
            )


def _require_alike(source: _File, name: str, value: Tensor) -> None:
    """Refuse a file whose tensor is not the network's.

    Raises:
        DataError: it is another one, or arranged in another way.
    """
    theirs, mine = source.values(name), value.detach().float().cpu()
    if theirs is None or theirs.shape != mine.shape:
        raise DataError(
            f"{source.path}: it has no {name} of shape {tuple(mine.shape)}, as the network has"
        )
    if not float((theirs - mine).norm()) <= MOST_APART * float(mine.norm()):
        raise DataError(
            f"{source.path}: its {name} is not that of the network, or arranged in another way, "
            "which is known of Llama alone"
        )


def _config(model: nn.Module) -> Any:
    """The settings of a Llama of transformers.

    Raises:
        UnsupportedError: the network is none.
    """
    config: Any = getattr(model, "config", None)
    rope = getattr(config, "rope_parameters", None) or {}
    plain = rope.get("rope_type", "default") == "default"
    if getattr(config, "model_type", None) != "llama" or not plain:
        raise UnsupportedError(
            "the metadata of a GGUF file are written for a plain Llama of transformers; for "
            "another network pass like=, a GGUF file of it"
        )
    return config


def _describe_llama(writer: Any, config: Any) -> None:
    """Metadata that llama.cpp needs of a Llama, apart from a tokenizer."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta}
    described: list[tuple[Callable[[Any], None], Any]] = [
        (writer.add_vocab_size, config.vocab_size),
        (writer.add_context_length, config.max_position_embeddings),
        (writer.add_embedding_length, config.hidden_size),
        (writer.add_block_count, config.num_hidden_layers),
        (writer.add_feed_forward_length, config.intermediate_size),
        (writer.add_head_count, config.num_attention_heads),
        (writer.add_head_count_kv, config.num_key_value_heads),
        (writer.add_key_length, size),
        (writer.add_value_length, size),
        (writer.add_rope_dimension_count, size),
        (writer.add_rope_freq_base, rope["rope_theta"]),
        (writer.add_layer_norm_rms_eps, config.rms_norm_eps),
    ]
    for add, value in described:
        add(value)


def _package() -> Any:
    return package("gguf", "gguf", "a GGUF file")


TARGET = Gguf()
