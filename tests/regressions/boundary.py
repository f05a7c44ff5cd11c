"""An instance and a suite for the command line, and what it refuses."""

from __future__ import annotations

from typing import Any

from ..fuzz.harness import Done, call

ITEMS = [{"label": "2", "cost": 1.0, "weight": [1]}, {"label": "4", "cost": 0.0, "weight": [3]}]


def document(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "format": "bitknap.instance/1",
        "name": "case",
        "resources": ["size"],
        "capacity": [4],
        "classes": [{"name": name, "items": ITEMS} for name in names or ("a", "b")],
        **more,
    }


def refused(*arguments: str, words: str = "", code: int = 2) -> Done:
    done = call(arguments)
    assert (done.code, done.wrong) == (code, None), done
    assert words in done.err
    return done


SUITE = 'summary = "one"\nsolvers = ["greedy"]\n[[instances]]\nfamily = "mpq"\nclasses = 5\n'
