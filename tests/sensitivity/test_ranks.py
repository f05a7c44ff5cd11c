"""Jobs that processes share: each goes to one of them, whichever asks first."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from bitknap.problems.errors import PeerLost
from bitknap.sensitivity.resume.ranks import Ranks


def test_one_process_takes_every_job() -> None:
    ranks = Ranks()
    assert [list(ranks.take(3)), list(ranks.take(0))] == [[0, 1, 2], []]


def test_each_job_is_taken_once_in_every_round() -> None:
    store = dist.HashStore()
    first, second = (Ranks(rank, 2, store=store) for rank in range(2))
    for jobs in (5, 2):
        one, other = first.take(jobs), second.take(jobs)
        assert [next(one), next(other)] == [0, 1]
        assert [list(one), list(other)] == [list(range(2, jobs)), []]


def test_a_lost_store_is_a_lost_peer() -> None:
    class Gone:
        def add(self, key: str, amount: int) -> int:
            raise RuntimeError("connection reset")

    with pytest.raises(PeerLost):
        next(Ranks(0, 2, store=Gone()).take(1))
