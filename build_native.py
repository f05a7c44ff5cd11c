"""How bitknap is built: setuptools, and a C++ compiler for the kernel of the exact method.

The kernel needs neither Python headers nor a C++ library, so any compiler will do, and the wheel
works with every Python 3. Without a compiler the build requires the PyPI package ``ziglang``. A
kernel that cannot be built is left out: bitknap then solves with other methods, and says so.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

from setuptools import Distribution
from setuptools import build_meta as _setuptools
from setuptools.build_meta import *  # noqa: F403
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

SOURCES = Path("solvers/core/native")
FLAGS = (
    *("-x", "c++", "-std=c++17", "-O3", "-fPIC", "-shared", "-fvisibility=hidden"),
    *("-fno-exceptions", "-fno-rtti"),
)


def compilers() -> list[list[str]]:
    """The compilers that are installed, the one asked for by ``CXX`` first."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    found = [[name] for name in names if name and shutil.which(name)]
    if importlib.util.find_spec("ziglang"):
        # As for C: then it builds no C++ library, which takes minutes.
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Require a compiler where there is none."""
    asked = _setuptools.get_requires_for_build_wheel(config_settings)
    return asked if compilers() else [*asked, "ziglang"]


def get_requires_for_build_editable(config_settings: object = None) -> list[str]:
    """The same."""
    asked = _setuptools.get_requires_for_build_editable(config_settings)
    return asked if compilers() else [*asked, "ziglang"]


def compile_kernel(target: Path) -> bool:
    """Compile the kernel; False, with a warning, where that fails."""
    sources = b"".join(f.read_bytes() for f in sorted(SOURCES.glob("*.[ch]pp")))
    define = f'-DSOURCES="{zlib.crc32(sources):08x}"'
    target.parent.mkdir(parents=True, exist_ok=True)
    for command in compilers():
        words = [*command, *FLAGS, define, str(SOURCES / "core.cpp"), "-o", str(target)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode == 0:
            return True
        print(
            f"warning: {' '.join(command)} failed: {done.stderr.strip()[-2000:]}", file=sys.stderr
        )
    target.unlink(missing_ok=True)
    print("warning: the kernel of the solver core was not built", file=sys.stderr)
    return False


class BuildWithKernel(build_py):
    """Copy the modules, and compile the kernel beside its sources or into the wheel."""

    def run(self) -> None:
        """Do both."""
        super().run()
        inside = SOURCES if self.editable_mode else Path(self.build_lib, "bitknap", SOURCES)
        compile_kernel(inside / "core.so")


class PlatformWheel(bdist_wheel):
    """A wheel for this platform and any Python 3."""

    def finalize_options(self) -> None:
        """Say that there is native code."""
        Distribution.has_ext_modules = lambda self: True  # type: ignore[method-assign]
        super().finalize_options()

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag."""
        return "py3", "none", super().get_tag()[2]
