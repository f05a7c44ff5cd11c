"""Loading the numba kernel: only when asked for, from a cache, and never silently slowly."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["compiled", "kernel", "loaded"]


def loaded() -> bool:
    """Whether the kernel is in memory."""
    return f"{__package__}.kernel_run" in sys.modules and kernel.cache_info().currsize > 0


def compiled() -> bool:
    """Whether the kernel can be read from the cache instead of being compiled."""
    return (_folder() / "compiled").exists()


@cache
def _folder() -> Path:
    """Cache folder, named by the sources, where they lie, numba, Python, and the processor.

    numba looks for what it compiled from files of the same path only.
    """
    from importlib.metadata import version

    here = Path(__file__).parent
    known = sys.version, version("numba"), _processor(), str(here)
    digest = hashlib.sha256(repr(known).encode())
    for path in sorted(here.glob("*.py")):
        digest.update(path.read_bytes())
    given = os.environ.get("NUMBA_CACHE_DIR")
    root = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = root / "bitknap" / f"core-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "writable").touch()
    except OSError:
        # A read-only home: compiled for this process only.
        return Path(tempfile.mkdtemp(prefix="bitknap-"))
    return folder


def _processor() -> str:
    """What the kernel is compiled for; the file exists on Linux only."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform

        return platform.processor() + platform.machine()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))


@cache
def kernel() -> ModuleType:
    """Return the module of compiled functions, compiling it when this machine never did.

    numba keys its cache by the file of each function alone, so a change in one of the files it
    calls would go unseen: the folder is named by all of them instead.
    """
    import numba

    first = not compiled()
    if first:
        print("bitknap: compiling the numba kernel, once (about a minute)", file=sys.stderr)
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_folder())
    try:
        module = importlib.import_module(f"{__package__}.kernel_run")
    finally:
        config.CACHE_DIR = before
    if first:
        module.warm_up()
        (_folder() / "compiled").touch()
    return module
