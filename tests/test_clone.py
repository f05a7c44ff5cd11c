"""A clone where symbolic links are not supported: they are text files there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINK = "120000"


def test_a_clone_without_symbolic_links_installs_and_solves(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    clone, site = tmp_path / "clone", tmp_path / "site"
    listing = subprocess.check_output(["git", "ls-files", "--stage"], cwd=ROOT, text=True)
    links = set()
    for line in listing.splitlines():
        facts, name = line.split("\t")
        copy = clone / name
        if name.startswith(("docs/", "tests/")) or not (ROOT / name).exists():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if facts.startswith(LINK):
            links.add(name)
            copy.write_text(str((ROOT / name).readlink()), encoding="utf-8")
        else:
            shutil.copy(ROOT / name, copy)
    assert len(links) >= 4
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, *install, "--target", site, clone], check=True)
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import bitknap, bitknap.bench\n"
        "from bitknap import build_instance, solve\n"
        "print(bitknap.bench.__file__)\n"
        "print(solve(build_instance([[(3, 1), (1, 2)], [(5, 1), (1, 3)]], 4), 'dp').objective)"
    )
    lines = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, text=True)
    assert lines.split() == [str(site / "bitknap" / "bench" / "__init__.py"), "4.0"]
