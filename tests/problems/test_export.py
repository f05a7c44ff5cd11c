"""Exported files mean the instance: other readers solve them to the same optimum."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitknap.problems import DataError, Instance, InstanceError, build_instance
from bitknap.problems.export import (
    decode_name,
    encode_name,
    export_instance,
    to_lp,
    to_mps,
    variable_names,
)
from bitknap.problems.families import FAMILIES
from bitknap.problems.library import find_instance, library_instance


@contextmanager
def quiet():
    sys.stdout.flush()
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


def read_and_solve(path: Path) -> dict[str, float]:
    """Variable values of the optimum, by the HiGHS that SciPy brings: its own file readers."""
    from scipy.optimize._highspy import _core

    highs = _core._Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 0.0)
    with quiet():
        highs.readModel(str(path))
        highs.run()
    model = highs.getLp()
    values = highs.getSolution().col_value
    return dict(zip(model.col_names_, values, strict=True))


def choice_of(instance: Instance, values: dict[str, float]) -> np.ndarray:
    labels = {}
    for name, value in values.items():
        kind, layer, label = decode_name(name)
        assert kind == "x"
        if value > 0.5:
            assert layer not in labels
            labels[layer] = label
    return instance.from_labels(labels)


TIED = build_instance(
    [[(4.5, 3), (-1.25, 7)], [(3.0, 2), (2.0, 4), (1.0, 6)], [(2.0, 1), (0.5, 5)]],
    13,
    ties=((0, 1),),
    labels=("a b", "c/d", "c/d", "a b", "e_f", "0", "é"),
    class_names=("1st layer", "e5", "x__y"),
    name="tied & odd names",
)
CASES = {
    "tied": (TIED, 3.75),
    "hawq": (library_instance("hawq_v3/resnet18_latency_0.5"), None),
    "several": (FAMILIES.load("mmkp_uncorrelated")(classes=5, items=4, resources=3), None),
}


def truth(instance: Instance) -> float:
    import itertools

    if instance.optimum is not None:
        return instance.optimum
    choices = itertools.product(*[range(m) for m in instance.sizes])
    return min(instance.objective(c) for c in choices if instance.is_feasible(c))


@pytest.mark.parametrize("suffix", [".mps", ".lp"])
@pytest.mark.parametrize("case", CASES)
def test_highs_reads_it_and_finds_the_optimum(case: str, suffix: str, tmp_path: Path) -> None:
    instance, known = CASES[case]
    path = tmp_path / f"out{suffix}"
    export_instance(instance, path)
    choice = choice_of(instance, read_and_solve(path))
    assert instance.is_feasible(choice)
    assert instance.objective(choice) == truth(instance)
    if known is not None:
        assert instance.objective(choice) == known


@pytest.mark.parametrize("case", CASES)
def test_pulp_reads_the_mps_and_all_numbers_are_exact(case: str, tmp_path: Path) -> None:
    import pulp

    instance, _ = CASES[case]
    export_instance(instance, tmp_path / "out.mps")
    variables, problem = pulp.LpProblem.fromMPS(str(tmp_path / "out.mps"))
    names = variable_names(instance)
    assert set(variables) == set(names)
    costs = {v.name: c for v, c in problem.objective.items()}
    assert [costs.get(name, 0.0) for name in names] == instance.cost.tolist()
    for k, resource in enumerate(instance.resources):
        row = problem.get_constraint_by_name(encode_name("limit", resource))
        weights = {v.name: c for v, c in row.items()}
        assert [weights.get(name, 0) for name in names] == instance.weight[k].tolist()
        assert -row.constant == instance.capacity[k]
    assert all(v.cat == "Integer" and (v.lowBound, v.upBound) == (0, 1) for v in variables.values())


def test_costs_keep_all_digits() -> None:
    instance = build_instance([[(0.1 + 0.2, 1), (-1e-17, 2), (5e-324, 3)]], 3)
    for text in (to_mps(instance), to_lp(instance)):
        assert "0.30000000000000004" in text
        assert "1e-17" in text
        assert "5e-324" in text


@given(st.lists(st.text(max_size=6), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_names_are_plain_and_come_back(parts: list[str]) -> None:
    try:
        name = encode_name(*parts)
    except UnicodeEncodeError:
        return
    assert all(c.isascii() and (c.isalnum() or c in "._") for c in name)
    assert decode_name(name) == tuple(parts)


def test_a_name_too_long_is_refused() -> None:
    with pytest.raises(InstanceError, match="shorten"):
        encode_name("x", "a" * 300)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ending in .mps or .lp"):
        export_instance(TIED, tmp_path / "a.txt")


def test_find_instance_takes_files_and_names(tmp_path: Path) -> None:
    from bitknap.problems import save_instance

    save_instance(TIED, tmp_path / "a.json")
    assert find_instance(str(tmp_path / "a.json")).name == TIED.name
    assert len(find_instance("hawq_v3/resnet50_bops_0.5")) == 52
    with pytest.raises(InstanceError, match="no such file"):
        find_instance("nowhere.json")
    with pytest.raises(DataError, match="neither a file nor a shipped instance"):
        find_instance("nowhere")
