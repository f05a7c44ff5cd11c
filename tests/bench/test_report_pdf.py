"""The page as a PDF."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bitknap.problems import UnsupportedError

from .commands import call


def test_a_pdf_is_written_beside_the_page_the_same_every_time(
    suite_folder: Path, tmp_path: Path
) -> None:
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        pytest.skip(f"pip install 'bitknap[pdf]' and Pango: {error}")
    folder = shutil.copytree(suite_folder, tmp_path / "suite")
    command = ["report", str(folder), "--section", "environment", "--section", "proofs", "--pdf"]
    out = call(*command)
    assert f"pdf: {folder / 'report.pdf'}" in out
    first = (folder / "report.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert weasyprint.HTML(folder / "report.html").render().pages
    call(*command)
    assert (folder / "report.pdf").read_bytes() == first


def test_without_its_package_a_pdf_is_refused_in_a_sentence(
    suite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UnsupportedError, match=r"a PDF needs the package weasyprint; pip install"):
        call("report", suite_folder, "--out", tmp_path, "--pdf")
