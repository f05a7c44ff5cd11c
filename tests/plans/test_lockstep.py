"""Functions that run side by side and meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bitknap.plans.lockstep import Pause, run_in_lockstep


def walker(places: str) -> Callable[[Pause], None]:
    def run(pause: Pause) -> None:
        for place in places:
            pause(place, places)

    return run


def met(*walks: str) -> list[tuple[str, list[int]]]:
    found: list[tuple[str, list[int]]] = []

    def meet(place: str, values: Mapping[int, Any]) -> None:
        assert all(values[number] == walks[number] for number in values)
        found.append((place, list(values)))

    run_in_lockstep([walker(walk) for walk in walks], meet)
    return found


def test_all_meet_at_every_place() -> None:
    assert met("abc", "abc") == [("a", [0, 1]), ("b", [0, 1]), ("c", [0, 1])]


def test_a_task_that_never_comes_is_not_waited_for() -> None:
    assert met("pqs", "prs", "s", "") == [
        ("p", [0, 1]),
        ("s", [2]),
        ("q", [0]),
        ("s", [0]),
        ("r", [1]),
        ("s", [1]),
    ]


def test_a_place_may_be_reached_again() -> None:
    assert met("aa", "a") == [("a", [0, 1]), ("a", [0])]


def test_one_runs_at_a_time() -> None:
    running: list[int] = []

    def run(pause: Pause) -> None:
        for _ in range(3):
            running.append(1)
            time.sleep(0.001)
            assert len(running) == 1
            running.pop()
            pause("a", None)

    run_in_lockstep([run] * 5, lambda *_: None)


@pytest.mark.parametrize("culprit", ["task", "meet"])
def test_what_is_raised_comes_out_and_no_thread_is_left(culprit: str) -> None:
    before, undone = threading.active_count(), []

    def broken(pause: Pause) -> None:
        pause("a", None)
        raise KeyError("mine")

    def waiting(pause: Pause) -> None:
        try:
            for place in "abc":
                pause(place, None)
        except Exception:  # a network that catches what it can
            undone.append("caught")
        finally:
            undone.append("left")

    def meet(place: str, _: Mapping[int, Any]) -> None:
        if culprit == "meet" and place == "b":
            raise KeyError("mine")

    tasks = [waiting, broken] if culprit == "task" else [waiting, waiting]
    with pytest.raises(KeyError, match="mine"):
        run_in_lockstep(tasks, meet)
    assert threading.active_count() == before
    assert set(undone) == {"left"}
