from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bitknap.solvers.core import jit


def test_bug_a_second_checkout_took_the_kernel_for_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numba finds what it compiled from files of the same path only; a copy must not differ."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    folders = set()
    for place in ("one", "two"):
        copy = tmp_path / place / "core"
        shutil.copytree(Path(jit.__file__).parent, copy)
        monkeypatch.setattr(jit, "__file__", str(copy / "jit.py"))
        folders.add(jit._folder.__wrapped__())
    assert len(folders) == 2
