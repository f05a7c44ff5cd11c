"""The shipped instances are the published ones, and their optima are proven here in rationals."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from bitknap.problems import DataError, Instance, load_instance, merge_ties, save_instance
from bitknap.problems.library import FOLDER, library_instance, library_names
from bitknap.problems.library.hawq import published_allocations
from bitknap.solvers import Status, solve
from tests.problems.hawq_v3 import hawq_v3_instances

HAWQ = sorted(hawq_v3_instances())


def rational_optimum(instance: Instance) -> tuple[Fraction, int]:
    """Least cost and the number of choices that attain it, over all choices, in rationals."""
    merged = merge_ties(instance)
    members: dict[int, list[int]] = {}
    for i, c in enumerate(merged.class_index.tolist()):
        members.setdefault(c, []).append(i)
    items = []
    for c in range(len(merged.instance)):
        own = range(merged.instance.offsets[c], merged.instance.offsets[c + 1])
        at = (
            [
                [instance.offsets[i] + merged.item_index[i][j] for i in members[c]]
                for j in range(len(own))
            ]
            if instance.ties
            else [[k] for k in own]
        )
        items.append(
            [
                (
                    int(instance.weight[0, a].sum()),
                    sum(Fraction(float(instance.cost[k])) for k in a),
                )
                for a in at
            ]
        )
    lightest = [min(w for w, _ in part) for part in items]
    room = int(instance.capacity[0]) - sum(lightest)
    states = {0: (Fraction(0), 1)}
    for part, low in zip(items, lightest, strict=True):
        reached: dict[int, tuple[Fraction, int]] = {}
        for used, (cost, ways) in states.items():
            for w, p in part:
                weight, total = used + w - low, cost + p
                if weight > room:
                    continue
                old = reached.get(weight, (total, 0))
                if total < old[0]:
                    old = (total, 0)
                if total == old[0]:
                    reached[weight] = (total, old[1] + ways)
                else:
                    reached[weight] = old
        # Strictly dominated weights go; equal costs stay, so that the count is right.
        states, best = {}, None
        for weight in sorted(reached):
            if best is None or reached[weight][0] <= best:
                best = reached[weight][0]
                states[weight] = reached[weight]
    cost = min(c for c, _ in states.values())
    return cost, sum(ways for c, ways in states.values() if c == cost)


def test_names_come_from_the_folder() -> None:
    assert set(HAWQ) <= set(library_names())
    assert len(HAWQ) == 18
    for name in library_names():
        assert library_instance(name).name == name
        assert library_instance(name).source


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"neither a file nor a shipped .*; `bitknap instances`"):
        library_instance("x")
    with pytest.raises(DataError, match=r"did you mean .*hawq_v3/resnet18_size_0.5"):
        library_instance("resnet18_size_0.5")


@pytest.mark.parametrize("name", HAWQ)
def test_shipped_files_are_built_from_the_published_numbers(name: str, tmp_path) -> None:
    shipped = library_instance(name)
    built = dataclasses.replace(hawq_v3_instances()[name], optimum=shipped.optimum)
    save_instance(built, tmp_path / "built.json")
    assert (tmp_path / "built.json").read_bytes() == (FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", HAWQ)
def test_stated_optima_are_proven_in_rationals_and_unique(name: str) -> None:
    instance = library_instance(name)
    cost, ways = rational_optimum(instance)
    assert instance.optimum == float(cost)
    assert ways == 1


@pytest.mark.parametrize("name", library_names())
@pytest.mark.parametrize("solver", ["dp", "core"])
def test_exact_solvers_reach_the_stated_optimum(name: str, solver: str) -> None:
    instance = library_instance(name)
    solution = solve(instance, solver)
    if solution.status is Status.UNSUPPORTED or instance.optimum is None:
        return
    assert solution.status is Status.OPTIMAL
    assert solution.objective == instance.optimum


@pytest.mark.parametrize("name", sorted(published_allocations()))
def test_published_allocations_are_reproduced_bit_for_bit(name: str) -> None:
    solution = solve(library_instance(name))
    assert solution.status is Status.OPTIMAL
    assert solution.choice is not None
    assert np.array_equal(solution.choice, published_allocations()[name])


def test_there_are_nine_published_allocations() -> None:
    assert len(published_allocations()) == 9


def test_hawq_numbers_by_hand() -> None:
    size = library_instance("hawq_v3/resnet18_size_0.5")
    assert size.class_names[4:7] == ("layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample")
    assert size.weight[0, :2].tolist() == [36864 * 4, 36864 * 8]
    assert size.capacity[0] == 6 * 11_157_504
    assert size.cost[0] == float(Fraction("0.06857826") * Fraction("6.743"))
    assert size.ties == ((4, 6), (9, 11), (14, 16))
    bops = library_instance("hawq_v3/resnet18_bops_0.25")
    assert bops.weight[0, :2].tolist() == [115_605_504 * 16, 115_605_504 * 64]
    latency = library_instance("hawq_v3/resnet18_latency_0.25")
    assert latency.weight[0, :2].tolist() == [21094404, 36189111]
    assert library_instance("hawq_v3/resnet50_size_0.5").class_names[3] == "layer1.0.downsample"


def test_sources_and_licence_ship_with_the_numbers() -> None:
    text = (FOLDER / "hawq_v3" / "source" / "LICENSE.txt").read_text()
    assert "MIT License" in text
    assert "Zhen-Dong/HAWQ" in text


def test_a_new_file_is_a_new_instance(tmp_path, monkeypatch) -> None:
    import bitknap.problems.library as library

    monkeypatch.setattr(library, "FOLDER", tmp_path)
    instance = load_instance(FOLDER / "hawq_v3" / "resnet18_size_0.5.json")
    save_instance(instance, tmp_path / "mine" / "small.json")
    assert library.library_names() == ["mine/small"]
    assert library.library_instance("mine/small").optimum == instance.optimum
