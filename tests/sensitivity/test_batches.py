"""Batches of any nesting go to a device as they are."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bitknap.sensitivity.tracing.batches import device_of, placed


class Pair(NamedTuple):
    ids: Tensor
    label: Tensor


def test_nested_batches_keep_their_form_on_another_device():
    x, meta = torch.ones(2), torch.device("meta")
    batch = {"pair": Pair(x, x), "list": [x, (x, None)], "name": "a", "count": 3}
    moved = placed(batch, meta)
    assert isinstance(moved["pair"], Pair)
    assert (moved["name"], moved["count"], moved["list"][1][1]) == ("a", 3, None)
    assert all(t.is_meta for t in (*moved["pair"], moved["list"][0], moved["list"][1][0]))
    assert not x.is_meta


def test_a_network_without_parameters_is_on_the_cpu():
    assert device_of(nn.ReLU()).type == "cpu"
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
