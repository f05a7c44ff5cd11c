"""Real architectures: each table against float64 autograd, one backward per sample."""

from __future__ import annotations

from typing import Any

import pytest

from bitknap import Quantizer, sensitivity_table

from .case import Case
from .cases import CASES
from .reference import faults, fold, gradients, matrices

BITS = (2, 3, 4, 5, 6, 8)


def parameters(case: Case) -> Any:
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.slow else [])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [parameters(case) for case in CASES])
def test_table_equals_autograd_and_covers_the_network(case: Case) -> None:
    quantizer = Quantizer.parse(case.quantizer)
    table = sensitivity_table(
        case.model(),
        case.data(),
        bits=BITS,
        quantizer=quantizer,
        forward=case.forward,
        loss_fn=None if case.given is None else case.loss,
    )
    model = fold(case.model())
    grads = gradients(model, case.data(), case.losses)
    found = faults(table, model, grads, quantizer, case.tolerance)
    assert not [str(fault) for fault in found if fault.kind != "left out"]
    total = sum(weight.numel() for weight in matrices(model).values())
    left_out = set(matrices(model)) - {layer.parameter for layer in table.layers}
    assert left_out <= set(case.missing), f"{table.weights} of {total} weights are covered"
    coverage = getattr(table, "coverage", None)
    if coverage is not None:
        assert coverage.share == pytest.approx(table.weights / total)
        for name in left_out:
            assert case.missing[name] in coverage.missing[name]


def test_case_names_differ() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 80
