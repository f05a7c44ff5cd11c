"""torchao: safetensors of ``IntxUnpackedToInt8Tensor`` with the plan's own codes and scales.

torchao stores a byte per weight whatever its width, so the file is larger than planned. Its own
``unflatten_tensor_state_dict`` reads it. Weights that this tensor cannot hold (not quantized along
dimension 0, or in more than 8 bits) are in float. The metadata ``bitknap`` holds, as JSON, a
``FqnToConfig`` that ``quantize_`` accepts, which finds scales of its own and takes no convolution
of one input channel.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from bitknap.problems import write_atomically
from bitknap.problems.errors import DataError
from bitknap.problems.packages import package
from bitknap.problems.storage import read_file
from bitknap.sensitivity.tracing.folding import plain_copy

from ..codes import QuantizedWeight, quantized_weights
from .base import Applied, Exported, NetworkTarget
from .onnx import refuse_activations

FORMAT = "bitknap.torchao/1"


@dataclass(frozen=True)
class TorchAo(NetworkTarget):
    """See the module."""

    def write(self, given: Applied, path: str | os.PathLike[str]) -> Exported:
        """Write the file.

        Raises:
            UnsupportedError: torchao is missing, or activations are quantized.
        """
        plan = given.plan
        refuse_activations(plan.table, "a torchao file")
        state = {name: value.detach().cpu() for name, value in given.network.state_dict().items()}
        configs: OrderedDict[str, Any] = OrderedDict()
        for weight in quantized_weights(given.model, given.network, plan.table, plan.choices):
            if _fits(weight):
                state[weight.parameter] = _tensor(weight)
                if weight.shape[1] > 1:
                    configs[weight.parameter] = _config(weight)
        support = _package("torchao.prototype.safetensors.safetensors_support")
        tensors, metadata = support.flatten_tensor_state_dict(state)
        config = _package("torchao.quantization").FqnToConfig(configs)
        described = _package("torchao.core.config").config_to_dict(config)
        metadata["bitknap"] = json.dumps({"format": FORMAT, "config": described})
        content = _ordered(safetensors.torch.save(_apart(tensors), metadata))
        write_atomically(path, content)
        return Exported(len(content), given.predicted)

    def load(self, path: str | os.PathLike[str], model: nn.Module) -> nn.Module:
        """The network with torchao's tensors as its weights."""
        support = _package("torchao.prototype.safetensors.safetensors_support")
        content = read_file(path)
        try:
            length = int.from_bytes(content[:8], "little")
            metadata = json.loads(content[8 : 8 + length])["__metadata__"]
            state, _ = support.unflatten_tensor_state_dict(
                safetensors.torch.load(content), metadata
            )
        except (KeyError, ValueError, safetensors.SafetensorError) as error:
            raise DataError(
                f"{path}: no torchao file, or a damaged one ({error}); export it again"
            ) from None
        network = plain_copy(model).eval().requires_grad_(requires_grad=False)
        known = network.state_dict()
        for name, value in state.items():
            if name not in known or known[name].shape != value.shape:
                raise DataError(
                    f"{path}: the network has no {name} of shape {tuple(value.shape)}; load it "
                    "into the architecture that was exported"
                )
        network.load_state_dict(state, strict=False, assign=True)
        return network


def _fits(weight: QuantizedWeight) -> bool:
    own, size = weight.layer, weight.layer.group_size
    return (
        own.bits <= 8
        and own.dims == (0,)
        and own.groups == 1
        and own.by_channel
        and len(own.shape) in (2, 4)
        and (weight.steps.shape[1] == 1 or (len(own.shape) == 2 and own.shape[1] % size == 0))
    )


def _tensor(weight: QuantizedWeight) -> Tensor:
    """Codes, scales and zero points as torchao's tensor."""
    tensors = _package("torchao.quantization")
    shape, groups = weight.shape, weight.steps.shape[1]
    bits = weight.bits or 2
    middle = 1 << (bits - 1)
    scales = (shape[0], groups, *(1 for _ in shape[2:]))
    made: Tensor = tensors.IntxUnpackedToInt8Tensor(
        qdata=torch.from_numpy((weight.codes - middle).astype(np.int8)).reshape(shape),
        scale=torch.from_numpy(weight.steps.copy()).reshape(scales),
        zero_point=torch.from_numpy((weight.points - middle).astype(np.int8)).reshape(scales),
        target_dtype=getattr(torch, f"int{bits}"),
        block_size=(1, shape[1] // groups, *shape[2:]),
        dtype=torch.float32,
        activation_quantization=None,
    )
    return made


def _config(weight: QuantizedWeight) -> Any:
    """What ``quantize_`` takes for the width."""
    library = _package("torchao.quantization")
    granularity = _package("torchao.quantization.granularity")
    grouped = weight.steps.shape[1] > 1
    return library.IntxWeightOnlyConfig(
        weight_dtype=getattr(torch, f"int{weight.bits or 2}"),
        granularity=granularity.PerGroup(weight.layer.group_size)
        if grouped
        else granularity.PerAxis(0),
    )


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies that share no memory, as safetensors asks for."""
    return {name: value.clone().contiguous() for name, value in tensors.items()}


def _ordered(content: bytes) -> bytes:
    """The file with the keys of its header sorted: safetensors writes metadata in any order."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _package(name: str) -> Any:
    return package(name, "torchao", "a torchao file")


TARGET = TorchAo()
