from __future__ import annotations

import pytest
import torch

from bitknap.bench.job.cached_quantizer import CachedQuantizer
from bitknap.problems import DataError
from bitknap.sensitivity import Quantizer
from bitknap.sensitivity.quantization import quantizers


@pytest.mark.parametrize("bits", [2, 4, 8, 9, 16])
@pytest.mark.parametrize("dim", [0, 1])
def test_values_are_those_of_the_plain_quantizer(bits: int, dim: int) -> None:
    weight = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(bits))
    plain, remembering = Quantizer(), CachedQuantizer()
    for _ in range(2):
        assert torch.equal(remembering(weight, bits, dim=dim), plain(weight, bits, dim=dim))
    assert remembering.describe() == plain.describe()


def test_equal_weights_are_quantized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    search = quantizers.least_squares_scale

    def counted(rows: torch.Tensor, low: int, high: int) -> torch.Tensor:
        calls.append(high)
        return search(rows, low, high)

    monkeypatch.setattr(quantizers, "least_squares_scale", counted)
    weight = torch.randn(4, 33, generator=torch.Generator().manual_seed(99))
    for quantizer in (CachedQuantizer(), CachedQuantizer()):
        quantizer(weight, 3)
        quantizer(weight.clone(), 3)
    assert calls == [3]
    CachedQuantizer()(weight + 1, 3)
    CachedQuantizer(granularity="tensor")(weight, 3)
    CachedQuantizer()(weight, 4)
    assert calls == [3, 3, 3, 7]


def test_a_weight_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="NaN or infinite"):
        CachedQuantizer()(torch.tensor([[float("nan"), 1.0]]), 4)
