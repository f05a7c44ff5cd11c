"""Records are appended whole or not at all."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from bitknap.bench.records.record import Record, load_records
from bitknap.bench.runner.log import RecordLog
from bitknap.problems import DataError


def record(repeat: int, message: str = "") -> Record:
    return Record("suite", "i", "core", "optimal", 1.0, 1.0, 0.1, repeat=repeat, message=message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "records.jsonl"


def test_what_is_appended_is_read_again(path: Path) -> None:
    with RecordLog(path) as log:
        log.append(record(0))
    with RecordLog(path) as log:
        assert log.records == [record(0)]
        log.append(record(1))
    assert load_records(path) == [record(0), record(1)]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_dropped(path: Path, cut: int) -> None:
    with RecordLog(path) as log:
        log.append(record(0))
        log.append(record(1))
    os.truncate(path, path.stat().st_size - cut)
    with RecordLog(path) as log:
        assert log.records == [record(0)]
        log.append(record(1))
    assert load_records(path) == [record(0), record(1)]


def test_a_line_that_is_no_record_is_kept_and_named(path: Path) -> None:
    with RecordLog(path) as log:
        log.append(record(0))
    text = path.read_text()
    path.write_text("{}\n" + text)
    with pytest.raises(DataError, match="line 1: is not a"):
        RecordLog(path)
    assert path.read_text() == "{}\n" + text


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_full_disk_leaves_the_file_as_it_was(path: Path, room: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RecordLog(path) as log:
        log.append(record(0))
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
        try:
            with pytest.raises(DataError, match="finished runs are kept, free some space"):
                log.append(record(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.stat().st_size == size
        assert log.records == [record(0)]
        log.append(record(1))
    assert load_records(path) == [record(0), record(1)]


def test_a_failed_flush_takes_the_record_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with RecordLog(path) as log:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device"):
            log.append(record(0))
        assert path.stat().st_size == 0


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        RecordLog(tmp_path / "file" / "records.jsonl")
