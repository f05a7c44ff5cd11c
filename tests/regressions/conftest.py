"""A folder with an instance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .boundary import document


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("i.json").write_text(json.dumps(document()))
    return tmp_path
