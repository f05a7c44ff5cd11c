"""Documents are read as what the annotations of a dataclass say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitknap.problems import DataError
from bitknap.problems.documents import parse_json
from bitknap.problems.names import cut, shown, to_csv
from bitknap.problems.schema import Range, convert


@dataclass(frozen=True)
class Inner:
    name: str
    size: Annotated[int, Range(0, 9)] = 0


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    inner: tuple[Inner, ...]
    pair: tuple[str, float] = ("", 0.0)
    numbers: Mapping[str, int | str] = field(default_factory=dict)
    perhaps: float | None = None
    flag: bool = False
    any: Any = None


def test_a_document_becomes_the_object() -> None:
    document = {
        "kind": "a", "inner": [{"name": "x", "size": 3}], "pair": ["y", 2],
        "numbers": {"i": 1, "s": "t"}, "perhaps": None, "flag": True, "any": [1, {}],
    }  # fmt: skip
    found = convert(Outer, document)
    assert found == Outer(
        "a", (Inner("x", 3),), ("y", 2.0), {"i": 1, "s": "t"}, None, True, [1, {}]
    )
    assert isinstance(found.pair[1], float)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "c"}, "kind of it must be one of a, b, got 'c'"),
        ({"kind": ["a"]}, "kind of it must be one of a, b"),
        ({"inner": {}}, "inner of it must be a list, got {}"),
        ({"inner": [{}]}, r"inner\[0\] of it lacks the key 'name'"),
        ({"inner": [{"name": "x", "colour": 1}]}, "unknown key 'colour'; known are name, size"),
        ({"inner": [{"name": "x", "size": 10}]}, "size of it must be an integer from 0 to 9"),
        ({"inner": [{"name": "x", "size": True}]}, "got True"),
        ({"pair": ["y"]}, "pair of it must be a list of 2 entries"),
        ({"numbers": {"k": 1.5}}, "numbers.k of it must be an integer of 64 bits or a string"),
        ({"numbers": {"k": 1 << 63}}, "numbers.k of it must be"),
        ({"perhaps": 10**400}, "perhaps of it must be a finite number or null"),
        ({"perhaps": float("nan")}, "perhaps of it must be a finite number or null, got nan"),
        ({"flag": 1}, "flag of it must be true or false, got 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        convert(Outer, {"kind": "a", "inner": []} | change, "it")


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_anything_else_is_a_sentence(value: Any) -> None:
    for kind in (Outer, dict[str, Outer], list[float | None]):
        with contextlib.suppress(DataError):
            convert(kind, value)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_sentence(data: bytes) -> None:
    with contextlib.suppress(DataError):
        json.dumps(parse_json(data), allow_nan=False, ensure_ascii=False).encode()


@given(st.lists(st.text(), min_size=1))
def test_names_in_any_letters(names: list[str]) -> None:
    for name, short in zip(names, cut(names, 20), strict=True):
        assert len(short) <= 20
        assert short == shown(name) or len(shown(name)) > 20
        assert shown(short) == short
    lines = to_csv(["name"], [[name] for name in names])
    assert not any(line.startswith(("=", "@")) and len(line) > 1 for line in lines.splitlines())
