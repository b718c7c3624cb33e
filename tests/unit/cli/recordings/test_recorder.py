"""A recorder of many sessions: none keeps another one waiting, and none is mixed with another one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest

from stenogram.adapters.recordings.claude_code.live import Followed, Outcome, Recorder
from stenogram.domain.errors import StenogramError
from stenogram.domain.ids import SessionId
from stenogram.domain.model import Command


class Kept:
    """A sink that keeps what it gets, and fails for some sessions."""

    def __init__(self, failing: str = "") -> None:
        self.got: dict[SessionId, list[Command]] = {}
        self._failing = failing

    async def write(self, session: SessionId, commands: Sequence[Command], here: Sequence[str]) -> Outcome:
        """As sinks do it."""
        if session == self._failing:
            raise StenogramError("Deciding this failed inside the server.")
        self.got.setdefault(session, []).extend(commands)
        return Outcome(len(commands), {})


def transcript(file: Path, text: str = "Hello.") -> Path:
    """A transcript of one line."""
    message = {"role": "user", "content": text}
    entry = {"type": "user", "uuid": text, "timestamp": "2026-07-01T09:00:01.000Z", "sessionId": "s", "cwd": "/"}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps({**entry, "message": message}) + b"\n")
    return file


@asynccontextmanager
async def recording(folder: Path, sink: Kept) -> AsyncIterator[list[str]]:
    """A recorder at work on all that is in a folder; what it tells people."""
    said: list[str] = []
    spools = folder.parent / "spools"
    spools.mkdir(exist_ok=True)
    recorder = Recorder(Followed([folder], everything=True), folder.parent / "hooks", spools, sink, said.append)
    recorder.begin()
    work = asyncio.create_task(recorder.run())
    try:
        yield said
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")


async def test_a_session_that_cannot_be_written_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    sink = Kept(failing="claude-a")
    for name in "abc":
        transcript(tmp_path / "project" / f"{name}.jsonl")
    async with recording(tmp_path / "project", sink) as said:
        await until(lambda: {*sink.got} == {"claude-b", "claude-c"})
    assert len(said) == 1
    assert "is kept" in said[0]


async def test_of_two_files_of_one_name_one_is_recorded(tmp_path: Path) -> None:
    sink, one = Kept(), transcript(tmp_path / "project" / "one" / "t.jsonl", "One.")
    two = transcript(tmp_path / "project" / "two" / "t.jsonl", "Two.")
    async with recording(tmp_path / "project", sink) as said:
        await until(lambda: any(each.data.do == "message.post" for each in sink.got.get("claude-t", ())))
        assert said == [f"{two} is not recorded: {one} is recorded as claude-t already."]
        texts = [str(each.data) for each in sink.got["claude-t"] if each.data.do == "message.post"]
        assert ["One." in each for each in texts] == [True]


async def test_a_file_that_may_not_be_read_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, closed = Kept(), transcript(tmp_path / "project" / "a.jsonl")
    transcript(tmp_path / "project" / "b.jsonl")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and allowed(path, mode))
    async with recording(tmp_path / "project", sink) as said:
        await until(lambda: "claude-b" in sink.got)
    assert said == [f"{closed} is not recorded: it may not be read."]
