"""Generated instances follow their published definitions draw by draw."""

from __future__ import annotations

import ctypes
import inspect
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import DataError, Instance, InstanceError, build_instance, save_instance
from bitknap.problems.families import FAMILIES
from bitknap.problems.families._lrand48 import Lrand48

PISINGER = [
    "binary_knapsack",
    "strongly_correlated",
    "subset_sum",
    "uncorrelated",
    "weakly_correlated",
    "zigzag",
]


def draws(seed: int, count: int) -> list[int]:
    """lrand48 by its definition, one step at a time."""
    state = (seed << 16) + 0x330E
    out = []
    for _ in range(count):
        state = (0x5DEECE66D * state + 11) % 2**48
        out.append(state >> 17)
    return out


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 1])
@pytest.mark.parametrize("count", [1, 2, 3, 64, 1000])
def test_lrand48_is_the_recurrence(seed: int, count: int) -> None:
    assert Lrand48(seed).draw(count).tolist() == draws(seed, count)


def test_lrand48_known_values_and_blocks() -> None:
    assert Lrand48(0).draw(3).tolist() == [366850414, 1610402240, 206956554]
    generator = Lrand48(5)
    parts = [generator.draw(k) for k in (1, 7, 0, 100)]
    assert np.concatenate(parts).tolist() == draws(5, 108)


def test_lrand48_is_the_c_library_s() -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "srand48"):
        pytest.skip("no srand48 in this C library")
    library.lrand48.restype = ctypes.c_long
    library.srand48(ctypes.c_long(77))
    assert [library.lrand48() for _ in range(500)] == Lrand48(77).draw(500).tolist()


def by_definition(
    family: str, classes: int, items: int, top: int, seed: int
) -> list[list[tuple[int, int]]]:
    """(w, p) of all items, one draw after the other as the family is defined."""
    stream = iter(draws(seed, 2 * classes * items))
    out = []
    for _ in range(classes):
        rows = []
        for j in range(items):
            if family == "binary_knapsack" and j == 0:
                rows.append((0, 0))
                continue
            first = next(stream)
            if family == "weakly_correlated":
                w = first % top + 1
                rows.append((w, max(1, w + next(stream) % 21 - 10)))
            elif family == "strongly_correlated":
                w = first % (2 * top // items) + 1
                rows.append((w, w + 10))
            elif family == "subset_sum":
                rows.append((first % top + 1, first % top + 1))
            else:
                rows.append((first % top + 1, next(stream) % top + 1))
        if family == "zigzag":
            rows = list(zip(sorted(w for w, _ in rows), sorted(p for _, p in rows), strict=True))
        if family == "strongly_correlated":
            rows.sort()
            rows = [
                (sum(w for w, _ in rows[: j + 1]), sum(p for _, p in rows[: j + 1]))
                for j in range(items)
            ]
        out.append(rows)
    return out


@pytest.mark.parametrize("family", PISINGER)
@pytest.mark.parametrize("top", [1000, 10000])
def test_pisinger_families_item_by_item(family: str, top: int) -> None:
    instance = FAMILIES.load(family)(classes=7, items=10, range_=top, seed=3)
    expected = by_definition(family, 7, 10, top, 3)
    for i, rows in enumerate(expected):
        own = slice(instance.offsets[i], instance.offsets[i + 1])
        best = max(p for _, p in rows)
        assert instance.weight[0, own].tolist() == [w for w, _ in rows]
        assert instance.cost[own].tolist() == [best - p for _, p in rows]
    total = sum(max(p for _, p in rows) for rows in expected)
    assert f"profit = {total} - cost" in instance.source
    tops = [min((-p, w) for w, p in rows)[1] for rows in expected]
    lows = [min(w for w, _ in rows) for rows in expected]
    assert instance.capacity[0] == (sum(lows) + sum(tops)) // 2


def test_capacity_rules_differ_as_stated() -> None:
    generate = FAMILIES.load("uncorrelated")
    program, paper = generate(seed=2), generate(seed=2, capacity="paper")
    heaviest = np.maximum.reduceat(paper.weight[0], paper.offsets[:-1]).sum()
    assert paper.capacity[0] == (paper.min_usage[0] + heaviest) // 2
    assert program.capacity[0] < paper.capacity[0]
    half = generate(seed=2, capacity="ratio", ratio=0.25)
    assert half.capacity[0] == int(0.25 * int(heaviest))
    assert len({program.name, paper.name, half.name}) == 3


@pytest.mark.parametrize("family", FAMILIES.names())
def test_every_family_has_defaults_is_deterministic_and_feasible(
    family: str, tmp_path: Path
) -> None:
    generate = FAMILIES.load(family)
    hints = inspect.signature(generate).parameters
    assert all(p.default is not p.empty for p in hints.values())
    assert {"classes", "seed"} <= set(hints)
    save_instance(generate(), tmp_path / "a.json")
    save_instance(generate(), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    instance: Instance = generate(seed=9)
    assert (instance.min_usage <= instance.capacity).all()
    assert instance.cost.tolist() != generate(seed=10).cost.tolist()
    assert instance.source


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("family", ["mmkp_correlated", "mmkp_uncorrelated"])
def test_multi_resource_instances_have_a_feasible_choice(family: str, seed: int) -> None:
    instance = FAMILIES.load(family)(classes=8, items=2, resources=6, seed=seed)
    heaviest = instance.weight.max(axis=0).reshape(8, 2)
    assert instance.is_feasible(heaviest.argmin(axis=1))


def test_mpq_is_what_it_says() -> None:
    instance = FAMILIES.load("mpq")(classes=200, bits=(2, 4, 8), budget=3.5, seed=4)
    weight, cost = instance.weight[0].reshape(200, 3), instance.cost.reshape(200, 3)
    sizes = weight[:, 0] // 2
    assert np.array_equal(weight, sizes[:, None] * np.array([2, 4, 8]))
    assert instance.capacity[0] == int(3.5 * int(sizes.sum()))
    assert (np.diff(cost, axis=1) <= 0).all()
    assert cost.max() == 1.0
    assert cost.max() / cost.min() > 1e7
    whole = FAMILIES.load("mpq")(resolution=10**9)
    assert whole.cost.max() == 1e9
    assert np.array_equal(whole.cost, np.rint(whole.cost))


def test_mpq_multi_sizes_are_a_bit_budget() -> None:
    instance = FAMILIES.load("mpq_multi")(
        classes=30, bits=(2, 4, 8), activation_bits=(4, 8), resources=4, budget=5.0
    )
    assert instance.labels[:6] == ("2/4", "2/8", "4/4", "4/8", "8/4", "8/8")
    weights = int(instance.min_usage[0]) // 2
    assert instance.capacity[0] == 5 * weights
    assert instance.resources == ("size_bits", "bops", "latency_ns", "activation_bits")
    bops = instance.weight[1].reshape(30, 6)
    assert np.array_equal(bops[:, 5], bops[:, 0] * 8)


@pytest.mark.parametrize(
    ("family", "parameters", "words"),
    [
        ("uncorrelated", {"classes": 0}, "classes must be an integer from 1 to 10,000,000, got 0"),
        ("zigzag", {"range_": 0}, "range must be an integer from 1"),
        ("strongly_correlated", {"items": 100, "range_": 10}, "range must be at least 50"),
        (
            "uncorrelated",
            {"capacity": "half"},
            "capacity must be one of program, paper, ratio, got 'half'",
        ),
        ("uncorrelated", {"capacity": "ratio", "ratio": 2.0}, "from 0 to 1, got 2.0"),
        ("mpq", {"bits": (2, 2)}, "different integers"),
        ("mpq", {"budget": 1.0}, "below the fewest bits"),
        ("mpq", {"largest": float("nan")}, "largest must be a finite number"),
        ("mpq_multi", {"resources": 5}, "1 to 4"),
    ],
)
def test_bad_parameters_are_one_sentence(
    family: str, parameters: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        FAMILIES.load(family)(**parameters)


def test_a_large_regular_instance_is_checked_without_a_set_of_all_items() -> None:
    instance = FAMILIES.load("mpq")(classes=100_000, bits=(2, 3, 4, 5, 6, 7, 8, 16))
    assert instance.n_items == 800_000


@pytest.mark.parametrize("uniform", [True, False])
def test_repeated_labels_are_found_in_regular_and_ragged_instances(uniform: bool) -> None:
    classes = [[(1.0, 1), (2.0, 2)]] * 3 + ([] if uniform else [[(1.0, 1)]])
    labels = ("a", "a") * 3 + (() if uniform else ("b",))
    with pytest.raises(InstanceError, match="class 'c0' has two items labelled 'a'"):
        build_instance(classes, 9, labels=labels)
