"""Pairs of answers from two folders: the same solver on the instance of the same name."""

from __future__ import annotations

from dataclasses import dataclass

from ..measures.answers import SolverRuns
from .source import Source


@dataclass(frozen=True)
class Pair:
    """The answers of one solver on one instance in two folders."""

    solver: str
    instance: str
    first: SolverRuns
    second: SolverRuns

    @property
    def done(self) -> bool:
        """Whether the solver met its aim in both."""
        return self.first.done and self.second.done


def paired(a: Source, b: Source) -> list[Pair]:
    """The pairs, by solver and instance; those that the solver does not support are left out."""
    others = {_key(answer): answer for answer in b.answers if answer.supported}
    found = [
        Pair(*key, answer, others[key])
        for answer in a.answers
        if answer.supported and (key := _key(answer)) in others
    ]
    return sorted(found, key=lambda pair: pair.solver)


def _key(answer: SolverRuns) -> tuple[str, str]:
    return answer.first.solver, answer.first.instance
