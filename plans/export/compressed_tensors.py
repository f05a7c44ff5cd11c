"""compressed-tensors: safetensors of linear layers and embeddings, config.json beside, for vLLM.

Whole numbers of 2 to 8 bits are packed densely (``pack-quantized``), ternary ones in 2 bits;
``mxfp4`` and ``fp8_e4m3`` are in its formats of these names. All are the weights of the applied
network, bit for bit. ``nvfp4`` is not: its scale of the tensor is stored as a reciprocal.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.documents import parse_json
from bitknap.problems.errors import BitknapError, DataError, UnsupportedError
from bitknap.problems.packages import package
from bitknap.problems.storage import read_file
from bitknap.sensitivity.tracing.folding import plain_copy

from ..codes import FormattedWeight, QuantizedWeight, stored_weights
from ..state import distinct_state, fill_state
from .base import Applied, Exported, NetworkTarget
from .onnx import refuse_activations

CONFIG = "config.json"

MOST_BITS = 8


@dataclass(frozen=True)
class CompressedTensors(NetworkTarget):
    """See the module."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write the file, and config.json beside it.

        Raises:
            UnsupportedError: the package is missing, or a layer does not fit.
            DataError: beside the path is the config.json of something else.
        """
        plan = given.plan
        refuse_activations(plan.table, "a compressed-tensors file")
        _package()
        _require_free(beside := Path(path).parent / CONFIG)
        weights = stored_weights(given.model, given.network, plan.table, plan.choices)
        names = [weight.parameter for weight in weights]
        others = distinct_state(given.network, without=names)
        tensors = {name: value.detach().cpu().clone() for name, value in others.items()}
        groups: dict[str, list[str]] = {}
        for weight in weights:
            _require_fit(weight, given.network)
            layer = weight.parameter.removesuffix(".weight")
            parts, scheme = (
                _formatted(weight) if isinstance(weight, FormattedWeight) else _packed(weight)
            )
            tensors |= {f"{layer}.{name}": part.contiguous() for name, part in parts.items()}
            groups.setdefault(json.dumps(scheme), []).append(layer)
        content = safetensors.torch.save(tensors, {"format": "pt"})
        text = json.dumps(_config(given.model, groups), indent=1, default=str) + "\n"
        write_atomically(path, content)
        write_atomically(beside, text)
        return Exported(len(content) + len(text.encode()), given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """The network with the weights that compressed-tensors decompresses."""
        library = _package()
        beside = Path(path).parent / CONFIG
        try:
            described = parse_json(read_file(beside))["quantization_config"]
            config = library.QuantizationConfig.model_validate(described)
            tensors = safetensors.torch.load(read_file(path))
            state = dict(_decompressed(config, tensors)) | tensors
        except (KeyError, TypeError, ValueError, SafetensorError, BitknapError) as error:
            raise DataError(
                f"{path}: it and {beside} are no compressed-tensors files, or damaged ones "
                f"({' '.join(str(error).split())}); export them again"
            ) from None
        network = plain_copy(model).eval()
        fill_state(network, state.get, path)
        return network


def _decompressed(config: Any, tensors: dict[str, Tensor]) -> Any:
    """Weight by name; what it is made of is taken out of the tensors."""
    compressors = _package("compressors").BaseCompressor
    for scheme in config.config_groups.values():
        compressor = compressors.get_value_from_registry(scheme.format)
        for layer in scheme.targets:
            kinds = compressor.compression_param_names(scheme)
            parts = {kind: tensors.pop(f"{layer}.{kind}") for kind in kinds}
            yield f"{layer}.weight", compressor.decompress(parts, scheme)["weight"]


def _packed(weight: QuantizedWeight) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and scheme of codes and scales."""
    pack = _package("compressors.pack_quantized.helpers").pack_to_int32
    bits = weight.bits or 2
    middle = 1 << (bits - 1) if weight.bits else 1
    codes = torch.from_numpy((weight.codes - middle).astype(np.int8))
    parts = {
        "weight_packed": pack(codes, bits),
        "weight_scale": torch.from_numpy(weight.steps.copy()),
        "weight_shape": torch.tensor(weight.shape),
    }
    if weight.layer.zeros:
        points = torch.from_numpy((weight.points - middle).astype(np.int8))
        parts["weight_zero_point"] = pack(points, bits, packed_dim=0)
    scheme = {"num_bits": bits, "type": "int", "symmetric": not weight.layer.zeros}
    if weight.steps.shape[1] > 1:
        scheme |= {"strategy": "group", "group_size": weight.layer.group_size}
    else:
        scheme |= {"strategy": "channel"}
    return parts, {"format": "pack-quantized", "weights": scheme}


def _formatted(weight: FormattedWeight) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and scheme of bytes in a format."""
    data, (rows, width) = torch.from_numpy(weight.data), weight.layer.shape
    if weight.layer.format == "mxfp4":
        scales = rows * width // 32
        parts = {"weight_packed": data[scales:].reshape(rows, -1)}
        parts["weight_scale"] = data[:scales].reshape(rows, -1)
        scheme = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}
        return parts, {"format": "mxfp4-pack-quantized", "weights": scheme}
    parts = {"weight": data[4 * rows :].view(torch.float8_e4m3fn).reshape(rows, width)}
    parts["weight_scale"] = data[: 4 * rows].clone().view(torch.float32).reshape(rows, 1)
    scheme = {"num_bits": 8, "type": "float", "strategy": "channel"}
    return parts, {"format": "float-quantized", "weights": scheme}


def _require_fit(weight: QuantizedWeight | FormattedWeight, network: nn.Module) -> None:
    """Refuse what the formats do not hold.

    Raises:
        UnsupportedError: naming the layer.
    """
    own, name = weight.layer, weight.parameter.removesuffix(".weight")
    module = network.get_submodule(name) if name != weight.parameter else network
    group = 32 if own.format == "mxfp4" else own.group_size
    if not isinstance(module, nn.Linear | nn.Embedding):
        reason = f"linear layers and embeddings, and {name} is of {type(module).__name__}"
    elif own.dims != (0,) or not own.by_channel:
        reason = f"scales of the first dimension, and those of {name} are of another"
    elif own.format not in ("", "mxfp4", "fp8_e4m3") or own.bits > MOST_BITS:
        reason = f"2 to 8 bits, mxfp4 and fp8_e4m3, and {name} is in {own.format or own.bits}"
    elif group and own.shape[1] % group:
        reason = f"whole groups, and {own.shape[1]} weights of {name} are not groups of {group}"
    else:
        return
    raise UnsupportedError(f"a compressed-tensors file holds {reason}; leave the layer in float")


def _config(model: nn.Module, groups: dict[str, list[str]]) -> dict[str, Any]:
    """What config.json holds: of a network of transformers its settings, and the schemes."""
    schemes = {
        f"group_{number}": json.loads(scheme) | {"targets": layers}
        for number, (scheme, layers) in enumerate(groups.items())
    }
    formats = {scheme["format"] for scheme in schemes.values()}
    described = _package().QuantizationConfig.model_validate(
        {
            "config_groups": schemes,
            "format": formats.pop() if len(formats) == 1 else "mixed-precision",
            "quantization_status": "compressed",
        }
    )
    settings: dict[str, Any] = getattr(getattr(model, "config", None), "to_dict", dict)()
    if settings:
        settings = settings | {"architectures": [type(model).__name__], "dtype": "float32"}
    return settings | {"quantization_config": described.model_dump(mode="json")}


def _require_free(path: Path) -> None:
    """Refuse to write over settings that are not of such a file.

    Raises:
        DataError: there are some.
    """
    if not path.exists():
        return
    try:
        method = parse_json(read_file(path))["quantization_config"]["quant_method"]
    except (KeyError, TypeError, BitknapError):
        method = None
    if method != "compressed-tensors":
        raise DataError(f"{path} is of another network and would be lost; choose another folder")


def _package(module: str = "quantization") -> Any:
    return package(
        f"compressed_tensors.{module}", "compressed-tensors", "a compressed-tensors file"
    )


TARGET = CompressedTensors()
