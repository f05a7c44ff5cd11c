"""Commands called in this process, and what is wrong with how they ended."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bitknap.cli import main

SECONDS = 20.0
"""Of the processor, which a call may take."""
PATIENCE = 120.0
"""Seconds by the clock, for calls that wait and for machines that do other things."""
MEMORY = 2_000_000_000
CODES = (0, 1, 2, 3, 4)


class Hang(BaseException):
    """A command ran too long."""


def _no_json(text: str) -> None:
    raise ValueError(text)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: object
    out: str
    err: str
    seconds: float

    @property
    def wrong(self) -> str | None:
        """What no command may do, whatever it is given."""
        last = (self.err.strip().splitlines() or [""])[-1][:300]
        if self.code not in CODES:
            return f"exit code {self.code}: {last}"
        if "Traceback" in self.err + self.out:
            return f"traceback: {last}"
        if "not enough memory" in self.err:
            return "more memory than allowed"
        if self.seconds > SECONDS:
            return f"{self.seconds:.0f} s"
        if self.code == 2 and not self.err.strip():
            return "no sentence"
        if "--json" in self.arguments and self.code == 0:
            try:
                json.loads(self.out, parse_constant=_no_json)
            except ValueError as error:
                return f"no JSON: {error}"
        hidden = [c for c in self.out + self.err if (c < " " and c != "\n") or "\x7f" <= c < "\xa0"]
        return f"control characters {hidden[:3]} are shown" if hidden else None


def call(arguments: Sequence[str], run: Callable[[], None] = main) -> Done:
    """Call a command as `main` is called from a shell, or what ends in the same ways."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    before = sys.argv, sys.stdout, sys.stderr
    sys.argv, sys.stdout, sys.stderr = ["bitknap", *arguments], streams[0], streams[1]
    code: object = 0
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        run()
    except SystemExit as end:
        code = end.code
    except Hang:
        code = "does not end"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.argv, sys.stdout, sys.stderr = before
    seconds = time.process_time() - start
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    return Done(tuple(arguments), 0 if code is None else code, *texts, seconds)


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What a process of its own would give, without the seconds that one takes to start."""
    with chdir(cwd or Path.cwd()):
        done = call([str(word) for word in arguments])
    assert isinstance(done.code, int)
    return subprocess.CompletedProcess(done.arguments, done.code, done.out, done.err)


@contextmanager
def bounded(folder: Path) -> Iterator[None]:
    """Within a folder, with time and memory limited for every call."""

    def stop(signum: int, frame: object) -> None:
        raise Hang

    place = os.getcwd()
    handlers = {kind: signal.signal(kind, stop) for kind in (signal.SIGALRM, signal.SIGPROF)}
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    now = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData"))
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (now + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        os.chdir(place)
        for kind, handler in handlers.items():
            signal.signal(kind, handler)
