"""Plain files: read up to a stated size, written whole, by one process at a time."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import BitknapError, DataError

LARGEST = 1 << 30
"""Bytes of the largest file that is read, and of what an archive may unpack to."""

LARGEST_TEXT = 1 << 27
"""Bytes of the largest text file; as Python objects it takes about ten times the memory."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_file(
    path: str | os.PathLike[str],
    error: type[BitknapError] = DataError,
    most: int = LARGEST,
    missing: str = "no such file",
) -> bytes:
    """The content of a plain file. Its kind and size are checked before it is opened.

    Raises:
        BitknapError: there is no such file, or it is not a plain file, too large or unreadable.
    """
    size = require_file(path, error, missing)
    if size > most:
        raise error(f"{path}: has {size:,} bytes, and at most {most:,} are read")
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({_reason(problem)})") from None


def require_file(
    path: str | os.PathLike[str],
    error: type[BitknapError] = DataError,
    missing: str = "no such file",
) -> int:
    """Size of a plain file in bytes.

    Raises:
        BitknapError: there is no such file, or it is a folder, a device or a FIFO.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise error(f"{path}: {missing}") from None
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read ({_reason(problem)})") from None
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{path}: cannot be read (it is {_kind(found)}, not a plain file)")
    return found.st_size


def read_text(
    path: str | os.PathLike[str],
    error: type[BitknapError] = DataError,
    missing: str = "no such file",
) -> str:
    """The content of a text file in UTF-8, with or without a byte order mark.

    Raises:
        BitknapError: as for `read_file`, or it is not UTF-8.
    """
    try:
        return read_file(path, error, LARGEST_TEXT, missing).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{path}: is not UTF-8 text") from None


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file atomically: readers see the old content or the new, never a part.

    A symbolic link stays one: the file that it leads to is written.

    Raises:
        DataError: there is something other than a plain file, or the file or its folder cannot be
            written.
    """
    try:
        mode = _mode(path)
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".bitknap.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data.encode() if isinstance(data, str) else data)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be written ({_reason(problem)})") from None


def append(path: str | os.PathLike[str], text: str) -> None:
    """Add text to a file that exists, and make it durable.

    Raises:
        DataError: the file is gone, or cannot be written; part of the text may be in it.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as problem:
        raise DataError(f"{path}: cannot be written ({_reason(problem)})") from None


def _mode(path: str | os.PathLike[str]) -> int:
    """Permissions of the file that is replaced, or of a new one."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path}: cannot be written (it is {_kind(found)}, not a plain file)")
    return stat.S_IMODE(found.st_mode)


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")


def _reason(problem: OSError | ValueError) -> str:
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)


@contextmanager
def only_writer(out: Path, lock: str = ".bitknap.lock") -> Iterator[None]:
    """Keep other processes from writing a folder while this one does.

    An empty file in it is locked, and removed at the end; the lock of a dead process is free.

    Args:
        lock: name of the file; parts under different locks may be written at the same time.

    Raises:
        DataError: another process holds the lock, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = _locked(out / lock)
    except BlockingIOError:
        raise DataError(
            f"{out}: another run is writing it; wait until it has ended, or name another --out"
        ) from None
    except OSError as problem:
        why = "it is not a folder" if isinstance(problem, FileExistsError) else _reason(problem)
        raise DataError(f"{out}: cannot be written ({why})") from None
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(out / lock)
        os.close(handle)


def _locked(path: Path) -> int:
    """A descriptor with the lock of the file that has the name now, not of one just removed."""
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except OSError:
            os.close(handle)
            raise
        os.close(handle)
