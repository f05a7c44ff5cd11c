"""The page in a browser: nothing overflows, overlaps or fails, and points can be read off."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bitknap.bench.report.write import write_report

from .conftest import make_suite

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PROBE = Path(__file__).parent / "probe.html"
WIDTHS = (1280, 390)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


def probe(
    page: Path, section: str, profile: Path, *, dark: bool = False
) -> tuple[list[dict[str, Any]], str]:
    """What the probe found at every width, and what the browser logged."""
    query = f"?page={page.as_uri()}&widths={','.join(map(str, WIDTHS))}#{section}"
    flags = "disable-gpu disable-quic no-first-run disable-background-networking no-sandbox"
    run = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            *(f"--{flag}" for flag in flags.split()),
            "--disable-component-update",
            "--disable-sync",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--dump-dom",
            PROBE.as_uri() + query,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<pre>(.*)</pre>", run.stdout, re.DOTALL)
    assert found, run.stdout + run.stderr
    return json.loads(html.unescape(found.group(1))), run.stderr


@pytest.fixture(scope="session")
def pair_folder(suite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks compared."""
    out = tmp_path_factory.mktemp("pair")
    write_report(suite_folder, make_suite(out, slower=3.0), out)
    return out


def test_a_comparison_fits_wide_and_narrow_screens(pair_folder: Path, tmp_path: Path) -> None:
    pages, _ = probe(pair_folder / "report.html", "times", tmp_path)
    for page in pages:
        assert page["overflow"] <= 0
        assert page["beyond"] == page["overlaps"] == []
        assert [(d["overlaps"], d["outside"]) for d in page["drawings"]] == [([], [])]


@pytest.mark.parametrize(
    ("kind", "section", "dark"),
    [("run", "frontier", False), ("run", "frontier", True), ("suite", "profile", False)],
)
def test_the_page_fits_wide_and_narrow_screens_and_reacts(
    kind: str, section: str, dark: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(f"{kind}_folder")
    pages, log = probe(folder / "report.html", f"{section}", tmp_path, dark=dark)
    assert (folder / "report.html").stat().st_size < 1_200_000
    assert "CONSOLE" not in log
    assert [page["width"] for page in pages] == list(WIDTHS)
    for page in pages:
        assert page["overflow"] <= 0
        assert page["beyond"] == []
        assert page["words"] > 40
        assert page["overlaps"] == []
        assert len(page["drawings"]) > 4
        for drawing in page["drawings"]:
            assert drawing["texts"] > 4
            assert drawing["overlaps"] == []
            assert drawing["outside"] == []
        assert page["dark"] is dark
        reading = page["reading"]
        assert reading["cursor"] == 1
        first, last, back, pointed = (reading[k] for k in ("focus", "end", "back", "pointed"))
        assert first[0] == {"run": "plan", "suite": "solver"}[kind]
        assert len({tuple(first), tuple(last), tuple(back)}) == 3
        assert len(pointed) >= 6
