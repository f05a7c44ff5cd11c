"""Real architectures: each table against float64 autograd, one backward per sample."""

from __future__ import annotations

from typing import Any

import pytest

from bitknap import BitknapError, Quantizer, sensitivity_table

from .case import Case
from .cases import CASES
from .reference import Truth, fold, gradients, matrices, reached

BITS = (2, 3, 4, 5, 6, 8)


def parameters(case: Case) -> Any:
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.slow else [])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [parameters(case) for case in CASES])
def test_table_equals_autograd_and_covers_the_network(case: Case) -> None:
    """Left out is at most what no sample's gradient reaches, and that by name with its reason.

    Such a weight (positions that stay fixed, say) may also be what a refusal is about.
    """
    model, quantizer = fold(case.model()), Quantizer.parse(case.quantizer)
    grads = gradients(model, case.data(), case.losses)
    truth = Truth(model, case.data(), case.losses, quantizer, case.tolerance, grads)
    dead = [name for name, rows in grads.items() if not reached(rows)]
    try:
        table = sensitivity_table(
            case.model(),
            case.data(),
            bits=BITS,
            quantizer=quantizer,
            forward=case.forward,
            loss_fn=None if case.given is None else case.loss,
        )
    except BitknapError as error:
        if any(name.removesuffix(".weight") in str(error) for name in dead):
            return
        raise
    assert not [str(fault) for fault in truth.faults(table)]
    total = sum(weight.numel() for weight in matrices(model).values())
    assert table.coverage.share == pytest.approx(table.weights / total)
    assert total - table.weights == sum(
        model.get_parameter(name).numel() for name in table.coverage.missing
    )


def test_case_names_differ() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 80
