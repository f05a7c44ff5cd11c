"""What a table depends on: functions by their code, networks by their modules."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

from torch import nn

from bitknap.sensitivity.table.provenance import changes, describe_function, hash_architecture


def compiled(body: str) -> object:
    names: dict[str, object] = {"__name__": "mine"}
    exec(f"def loss(output, batch):\n    {body}\n", names)
    return names["loss"]


def test_an_edited_function_differs_and_a_comment_does_not_matter() -> None:
    first = describe_function(compiled("return output - 1"))
    assert first.startswith("mine.loss ")
    assert describe_function(compiled("return output - 1  # the same")) == first
    assert describe_function(compiled("return output - 2")) != first
    assert describe_function(compiled("return output + 1")) != first
    assert describe_function(compiled("return (lambda x: x - 1)(output)")) != (
        describe_function(compiled("return (lambda x: x - 2)(output)"))
    )


def test_partial_functions_and_callable_objects_have_names() -> None:
    assert "compiled" in describe_function(functools.partial(compiled, "pass"))

    class Loss:
        def __call__(self, output: object, batch: object) -> None: ...

    assert "Loss" in describe_function(Loss())


def test_descriptions_are_the_same_in_every_process() -> None:
    code = (
        "from bitknap.sensitivity.table.provenance import describe_function, hash_architecture\n"
        "from torch import nn\n"
        "def loss(x, batch):\n    return x in {'a', 'b', 'c'} and object()\n"
        "print(describe_function(loss), hash_architecture(nn.Sequential(nn.Linear(2, 2))))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": s},
        ).stdout
        for s in "12"
    }
    assert len(said) == 1


def test_the_architecture_covers_more_than_the_weights() -> None:
    layer = nn.Linear(2, 2)
    rectified = hash_architecture(nn.Sequential(layer, nn.ReLU()))
    assert rectified == hash_architecture(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    assert rectified != hash_architecture(nn.Sequential(layer, nn.Tanh()))
    strided = [hash_architecture(nn.Conv2d(1, 1, 3, stride=stride)) for stride in (1, 2)]
    assert strided[0] != strided[1]


def test_changes_are_named_and_older_tables_are_not_held_against() -> None:
    now = {"seed": 0, "bits": [2, 4], "loss": "mine.loss 12"}
    assert changes({"seed": 1, "bits": [2], "loss": "mine.loss 34"}, now) == [
        "bits",
        "loss",
        "seed",
    ]
    assert changes({"seed": 0, "bits": [2, 4]}, now) == []
    assert changes({"seed": 0}, now) == ["bits"]
    assert changes({**now, "chunk": 8}, now) == ["chunk"]
