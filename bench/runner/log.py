"""The log of a suite: records appended to one file, each of them whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from bitknap.problems import DataError
from bitknap.problems.storage import read_file

from ..records.record import Record, parse_records


class RecordLog:
    """``records.jsonl``, open for appending by one process.

    A record is one ``write`` of one line, made durable before the next. A process killed in the
    middle, or a full disk, can leave part of the last line only; that part is dropped before the
    next record. A file without records is left unchanged. The folder is locked by the process
    that opens the log.

    Raises:
        DataError: it is not a file of records, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = read_file(path) if path.exists() else b""
            self._size = content.rfind(b"\n") + 1
            self.empty = not content
            self.records = parse_records(content[: self._size], path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None

    def append(self, record: Record) -> None:
        """Add a record; when this returns it is on the disk.

        Raises:
            DataError: the disk is full or broken; the file is as it was before.
        """
        line = record.to_line().encode()
        with self._lock:
            self.check()
            try:
                os.ftruncate(self._file, self._size)
                if os.write(self._file, line) < len(line):
                    raise OSError(None, "only a part was written; the disk is full")
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, self._size)
                raise DataError(
                    f"{self.path}: cannot be written ({error.strerror}); finished runs are kept, "
                    "free some space and run the same command again"
                ) from None
            self._size += len(line)
            self.records.append(record)

    def drop_torn_line(self) -> None:
        """Remove the incomplete line that a killed process left."""
        os.ftruncate(self._file, self._size)

    def check(self) -> None:
        """Make sure that the file is where it was."""
        try:
            there = os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except OSError:
            there = False
        if not there:
            raise DataError(f"{self.path}: was removed while it was written; start the run again")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> RecordLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
