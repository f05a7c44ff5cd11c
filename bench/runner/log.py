"""The log of a suite: records appended to one file, each of them whole or not at all."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType

from bitknap.bench.records import Record, parse_records
from bitknap.problems import DataError


class RecordLog:
    """``records.jsonl``, open for appending by one process.

    A record is one ``write`` of one line, made durable before the next. A process killed in the
    middle, or a full disk, can leave part of the last line only: that part is dropped, here and
    when the file is opened again. Another process that opens the file is refused.

    Args:
        path: the file; made when missing.

    Raises:
        DataError: it is no file of records, cannot be written, or another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = self._drop_torn_line()
            self.records = parse_records(whole.decode(), path)
        except BlockingIOError:
            self.close()
            raise DataError(
                f"{path}: another run is writing it; wait, or name another --out"
            ) from None
        except BaseException:
            self.close()
            raise

    def _drop_torn_line(self) -> bytes:
        with os.fdopen(os.dup(self._file), "rb") as stream:
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.ftruncate(self._file, len(whole))
        return whole

    def append(self, record: Record) -> None:
        """Add a record; when this returns it is on the disk.

        Raises:
            DataError: the disk is full or broken; the file is as it was before.
        """
        line = record.to_line().encode()
        with self._lock:
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(None, "only a part was written; the disk is full")
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, size)
                raise DataError(
                    f"{self.path}: cannot be written ({error.strerror}); finished runs are kept, "
                    "free some space and run the same command again"
                ) from None
            self.records.append(record)

    def close(self) -> None:
        """Close the file, which lets others write it."""
        os.close(self._file)

    def __enter__(self) -> RecordLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
