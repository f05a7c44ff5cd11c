"""Layer policies and patterns of names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bitknap.problems import DataError
from bitknap.sensitivity import LayerPolicy, Tie, load_table, save_table, ties_from_patterns
from bitknap.sensitivity.policy.patterns import matching
from bitknap.solvers import solve

from ..bench.tables import random_table

NAMES = ["stem", "h.0.q", "h.0.k", "h.0.v", "h.1.q", "h.1.k", "h.1.v", "h.10.q", "head[0]"]


def test_patterns_match_whole_names() -> None:
    assert matching("h.1.*", NAMES) == ["h.1.q", "h.1.k", "h.1.v"]
    assert matching("h.?.{q,v}", NAMES) == ["h.0.q", "h.0.v", "h.1.q", "h.1.v"]
    assert matching("head[0]", NAMES) == ["head[0]"]
    assert matching("@first", NAMES) + matching("@last", NAMES) == ["stem", "head[0]"]
    with pytest.raises(DataError, match="no layer matches 'stm'; did you mean 'stem'"):
        matching("stm", NAMES)
    for malformed in ("h.{q,k", ""):
        with pytest.raises(DataError, match="a pattern needs"):
            matching(malformed, NAMES)


def test_braces_tie_within_what_the_wildcards_stand_for() -> None:
    ties = ties_from_patterns(["h.*.{q,k}"], NAMES)
    assert [tie.layers for tie in ties] == [("h.0.q", "h.0.k"), ("h.1.q", "h.1.k")]
    assert ties[0].reason == "pattern h.*.{q,k}"
    whole = ties_from_patterns(["h.1.*"], NAMES)
    assert [tie.layers for tie in whole] == [("h.1.q", "h.1.k", "h.1.v")]
    joined = ties_from_patterns(["h.1.{q,k}", "h.1.{k,v}", "h.0.{k,v}"], NAMES)
    assert [tie.layers for tie in joined] == [("h.0.k", "h.0.v"), ("h.1.q", "h.1.k", "h.1.v")]
    with pytest.raises(DataError, match="matches only 'stem'; a tie needs two layers"):
        ties_from_patterns(["stem"], NAMES)


def test_a_policy_holds_in_the_instance() -> None:
    table = random_table()
    policy = LayerPolicy(
        exclude=("l2",), pin=(("@first", "8"),), allow=(("l{3,4}", ("2", "4")),), tie=("l{3,5}",)
    )
    left = policy.apply(table)
    assert [layer.name for layer in left.layers] == ["l0", "l1", "l3", "l4", "l5"]
    assert left.labels == ("8", "2", "4", "8", "2", "4", "2", "4", "2", "4", "8")
    assert left.floats == {"l2": 32 * table.layers[2].numel}
    assert left.ties == (Tie(("l3", "l5"), "pattern l{3,5}"),)
    at = [2, 3, 4, 5, 9, 10, 12, 13, 15, 16, 17]
    assert np.array_equal(left.omega["fisher"], table.omega["fisher"][at])
    assert np.array_equal(left.scores["fisher"], table.scores["fisher"][:, at])
    assert np.array_equal(left.costs["bops"], table.costs["bops"][at])
    assert left.weights == table.weights - table.layers[2].numel
    instance = left.to_instance("fisher", left.capacity(5))
    assert instance.ties == ((2, 4),)
    assert f"l2 ({32 * table.layers[2].numel:,} bits)" in instance.source
    labels = solve(instance).labels
    assert labels is not None
    assert labels["l0"] == "8"
    assert labels["l3"] == labels["l5"] != "8"
    assert labels["l4"] in ("2", "4")
    assert left.provenance["policy"]["exclude"] == ("l2",)
    assert not LayerPolicy()
    assert LayerPolicy().apply(table) is table


def test_uniform_bits_under_a_policy() -> None:
    table = LayerPolicy(pin=(("l0", "8"),), allow=(("l1", ("2", "8")),)).apply(random_table())
    assert list(table.uniform(4).values()) == ["8", "2", "4", "4", "4", "4"]
    assert table.uniform(5) == table.uniform(4)


def test_later_patterns_intersect_and_excluded_layers_leave_their_tie() -> None:
    table = random_table()
    left = LayerPolicy(allow=(("*", ("2", "4")), ("l1", ("4", "8")))).apply(table)
    assert left.labels[2:4] == ("4", "2")
    tied = LayerPolicy(tie=("l{0,1,2}",)).apply(table)
    assert LayerPolicy(exclude=("l0",)).apply(tied).ties[0].layers == ("l1", "l2")
    assert LayerPolicy(exclude=("l0", "l1")).apply(tied).ties == ()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (LayerPolicy(exclude=("*",)), "excludes every layer"),
        (LayerPolicy(exclude=("x*",)), "no layer matches 'x\\*'"),
        (LayerPolicy(pin=(("l0", "3"),)), "layer 'l0' has no choice '3', only 2, 4, 8"),
        (LayerPolicy(pin=(("l0", "2"), ("*", "4"))), "pinned at 4, but also held to 2"),
        (
            LayerPolicy(pin=(("l0", "2"),), allow=(("l0", ("4", "8")),)),
            "also held to 4, 8",
        ),
        (LayerPolicy(allow=(("l0", ("2",)), ("l0", ("4",)))), "leave it none"),
        (LayerPolicy(pin=(("l0", "2"), ("l1", "4")), tie=("l{0,1}",)), "share no choice"),
    ],
)
def test_a_policy_that_cannot_hold_is_refused(policy: LayerPolicy, words: str) -> None:
    with pytest.raises(DataError, match=words):
        policy.apply(random_table())


def test_files_keep_ties_and_old_files_load(tmp_path: Path) -> None:
    table = LayerPolicy(exclude=("l2",), tie=("l{3,5}",)).apply(random_table())
    path = tmp_path / "t.npz"
    save_table(table, path)
    again = load_table(path)
    assert (again.ties, again.floats) == (table.ties, table.floats)
    save_table(again, tmp_path / "again.npz")
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()
    with np.load(path) as archive:
        arrays = dict(archive)
    text = arrays["header"].tobytes().decode()
    start, stop = text.index(', "ties"'), text.rindex("}")
    old = text[:start].replace("bitknap.table/2", "bitknap.table/1") + text[stop:]
    np.savez(path, **{**arrays, "header": np.frombuffer(old.encode(), dtype=np.uint8)})
    assert load_table(path).ties == ()
    newer = text.replace("bitknap.table/2", "bitknap.table/9").encode()
    np.savez(path, **{**arrays, "header": np.frombuffer(newer, dtype=np.uint8)})
    with pytest.raises(DataError, match=r"expected format bitknap\.table/2"):
        load_table(path)


def test_flawed_ties_are_refused() -> None:
    table = random_table()
    for ties, words in (
        ((Tie(("l0",), ""),), "at least two"),
        ((Tie(("l0", "x"), ""),), "names layer 'x'"),
        ((Tie(("l0", "l1"), ""), Tie(("l1", "l2"), "")), "'l1' stands in two ties"),
    ):
        with pytest.raises(DataError, match=words):
            dataclasses.replace(table, ties=ties)
