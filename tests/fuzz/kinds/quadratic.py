"""Quadratic instances, and the solutions of theirs that are checked."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bitknap.problems import BitknapError, load_quadratic
from bitknap.solvers.quadratic import QUADRATIC, solve_quadratic

from .. import hostile
from ..claims import wrong_answer
from ..harness import Done
from .archives import mutated_archive
from .instances import COSTS, extreme, instance
from .solutions import untrue
from .trial import Check, Trial

USES = [
    "verify q.npz s.json", "verify q.npz s.json --json", "verify q.npz s.json --time-limit 1",
    "instances q.npz", "instances q.npz --json", "instances q.npz --out copy.npz",
    "frontier q.npz", "topk q.npz", "export q.npz --out q.lp", "solve q.npz",
    *[f"solve q.npz --json --time-limit 1 --solver {name}" for name in QUADRATIC.names()],
]  # fmt: skip


def quadratic(rng: Random) -> Trial:
    """Quadratic instances: sound ones with extreme numbers, and damaged files."""
    document, matrix = instance(rng), _matrix(rng)
    given = extreme(rng, document) if rng.random() < 0.3 else json.dumps(document).encode()
    n = sum(len(entry["items"]) for entry in document["classes"])
    upper = matrix[:n, :n][np.triu_indices(n)]
    data = _stored(given, upper)
    solution = _claim(rng, data, document)
    if rng.random() < 0.5:
        data = mutated_archive(rng, data, ("header", "knapsack"))
    files = {"q.npz": data, "s.json": solution}
    return Trial(rng.choice(USES).split(), files, _check(given, matrix, solution))


def _matrix(rng: Random) -> Any:
    """Symmetric, of 20 items: positive semidefinite, indefinite, or with an extreme entry."""
    draw = np.random.default_rng(rng.randrange(1000))
    scores = draw.normal(size=(rng.choice([1, 5, 30]), 20)) * 4.0 ** -draw.integers(0, 4, 20)
    matrix = scores.T @ scores / len(scores)
    matrix = (matrix + matrix.T) / 2
    if rng.random() < 0.3:
        matrix = matrix * np.where(np.add.outer(np.arange(20), np.arange(20)) % 3, 1.0, -1.0)
    if rng.random() < 0.2:
        i, j = draw.integers(0, 20, 2)
        matrix[i, j] = matrix[j, i] = float(rng.choice(COSTS))
    return matrix


def _stored(knapsack: bytes, upper: Any) -> bytes:
    digest = sha256(knapsack + np.ascontiguousarray(upper, "<f8").tobytes()).hexdigest()
    header = json.dumps({"format": "bitknap.quadratic/1", "sha256": digest}).encode()
    texts = {"header": header, "knapsack": knapsack}
    arrays = {name: np.frombuffer(text, dtype=np.uint8) for name, text in texts.items()}
    np.savez(stream := io.BytesIO(), upper=upper, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _claim(rng: Random, data: bytes, document: dict[str, Any]) -> bytes:
    """A solution of the file: true, untrue or malformed."""
    Path("good.npz").write_bytes(data)
    try:
        claim = solve_quadratic(load_quadratic("good.npz"), "exchange", 1.0).to_dict()
    except BitknapError:
        return b"{}"
    if rng.random() < 0.6:
        return json.dumps(untrue(rng, claim, document)).encode()
    return hostile.to_text(hostile.mutated(rng, claim), rng)


def _check(given: bytes, matrix: Any, solution: bytes) -> Check:
    def check(done: Done) -> str | None:
        told = {"solve": done.out, "verify": solution}.get(done.arguments[0])
        if done.code != 0 or told is None or "--json" not in done.arguments:
            return None
        return wrong_answer(given, {"bound": None, **json.loads(told)}, matrix.tolist())

    return check
