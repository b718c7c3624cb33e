"""Folders and transcripts that somebody else made: what is in them cannot make an import read other files, wait, or
fail in a way that names no line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from stenogram.adapters.recordings.claude_code import Transcript
from stenogram.domain.envelope import parse

Run = Callable[..., Any]


def entry(number: int = 1, **more: Any) -> dict[str, Any]:
    at = f"2026-07-01T09:00:{number % 60:02}.000Z"
    message = {"role": "user", "content": f"Hello {number}."}
    return {"type": "user", "uuid": f"u{number}", "timestamp": at, "sessionId": "s", "message": message, **more}


def write(file: Path, *entries: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in entries))
    return file


@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_that_there_is_not_is_kept_in_the_rest(said: str) -> None:
    found = [parse(line) for line in Transcript("s").lines([entry(), entry(2, timestamp=said)])]
    assert {event.time.isoformat() for event in found} == {"2026-07-01T09:00:01+00:00"}
    assert any(said.encode() in event.data.json_bytes() for event in found)


@pytest.fixture(params=["UTC", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the machine is."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_a_time_without_a_zone_is_the_same_on_every_machine() -> None:
    (first, *_) = Transcript("s").lines([entry(timestamp="2026-07-01T09:00:00")])
    assert parse(first).time.isoformat() == "2026-07-01T09:00:00+00:00"


def test_a_name_cannot_write_to_the_terminal(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "project" / "s\x1b]0;hello\x07\n.jsonl", entry())
    imported = run("import", "claude-code", "project")
    assert (imported.code, imported.err) == (0, "stenogram: s␛]0;hello␇⏎: 1 lines of 1 file\n")
