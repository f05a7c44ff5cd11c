"""The notebook of an own network runs as it is, and shows what it showed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "own_network.ipynb"


def shown(notebook: Any) -> str:
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    return "".join(out.get("text", "") for out in outputs)


def accuracies(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"(.+): ([\d.]+)% ±", text)}


@pytest.mark.slow
def test_the_notebook_of_an_own_network(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.from_dict(kept)
    client = NotebookClient(run, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    before, after = shown(kept), shown(run)
    assert accuracies(before).keys() == accuracies(after).keys() > set()
    for name, value in accuracies(before).items():
        assert accuracies(after)[name] == pytest.approx(value, abs=2)
    assert "same outputs: True" in before
    assert "same outputs: True" in after


def test_the_kept_notebook_was_run() -> None:
    text = shown(nbformat.read(NOTEBOOK, as_version=4))
    found = accuracies(text)
    assert list(found) == ["float", "plan", "uniform 2 bits"]
    assert found["plan"] > found["float"] - 5
    assert "same outputs: True" in text
