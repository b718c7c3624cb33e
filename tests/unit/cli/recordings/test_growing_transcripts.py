"""Transcripts that are recorded while they grow: the same events as the import of what they have become."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.claude_code_project import NAME, PROJECT, SESSION, Line, append, lines_in_time

from stenogram.adapters.recordings.claude_code import Transcript, find_sessions, read
from stenogram.adapters.recordings.claude_code.live.sender import Sender
from stenogram.adapters.recordings.claude_code.live.session_recording import SessionRecording
from stenogram.adapters.recordings.claude_code.live.spool import Spool
from stenogram.cli.recording.hooks import note_hook
from stenogram.cli.recording.log_sink import LogSink
from stenogram.domain.commands import parse_command
from stenogram.domain.concepts.signals import ExpireSignal
from stenogram.domain.ids import new_id
from stenogram.domain.model import TIMEKEEPER, Actor, Command
from stenogram.log.paging import session_pages

SEEDS = range(int(os.environ.get("STENOGRAM_TEST_GROWTHS", "6")))


def imported(project: Path, session: str = SESSION) -> list[bytes]:
    """The events of the import of a project with one session."""
    ((_, files),) = find_sessions([project])
    return list(map(placed, Transcript(session).lines(read(files, as_recorded=True))))


def placed(wire: bytes) -> bytes:
    """An event without its place in the log."""
    return wire.partition(b",")[2]


class Bench:
    """A session of a project that grows, its recorder, and a log."""

    def __init__(self, folder: Path, sink: LogSink, main: str = f"{NAME}.jsonl") -> None:
        self.project, self.state = folder / "project", folder / "state"
        self.project.mkdir()
        self.state.mkdir()
        self.main = self.project / main
        self.session = f"claude-{self.main.stem}"
        self.said: list[str] = []
        self._sink = sink
        self._clock = count(0, 2)
        self.start()

    def start(self) -> None:
        """Start a recorder: the first, or after one has died."""
        spool = Spool(self.state, self.session)
        self.recording = SessionRecording(self.main, self.session, spool, self.state / f"{self.main.stem}.jsonl")
        self.sender = Sender(self._sink, self.said.append)

    def write(self, file: Path, data: bytes) -> None:
        """Claude Code writes."""
        append(self.project, file, data)

    def poll(self) -> None:
        """The recorder looks, long enough for what it finds to settle."""
        for _ in range(2):
            self.recording.poll(next(self._clock))

    async def finish(self) -> None:
        """Read what there is, end the session, and write all of it."""
        while self.recording.poll(next(self._clock), to_the_end=True):
            pass
        self.recording.end()
        await self.sender.send(self.recording)

    async def written(self) -> list[bytes]:
        """The session's events in the log."""
        log = self._sink._log
        return [placed(each.wire()) async for page in session_pages(log, self.session, 0) for each in page]

    async def told(self, *types: str) -> list[tuple[str, str]]:
        """The types and actors of events, of these types only."""
        events = [orjson.loads(b"{" + each) for each in await self.written()]
        return [(each["type"], each["actor"]) for each in events if each["type"].startswith(types)]

    async def do(self, do: str, **data: Any) -> None:
        """Somebody else acts in the session."""
        ada, now = Actor("ada", "user"), datetime.now(UTC)
        await self.submit(Command(new_id(), self.session, ada, now, parse_command(do, data)))

    async def submit(self, command: Command) -> None:
        """Somebody else acts by this command."""
        await self._sink._log.submit(command)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A log in memory, and a recorder."""
    async with LogSink("memory:") as sink:
        yield Bench(tmp_path, sink)


def cuts(chance: random.Random, lines: list[Line]) -> Iterator[list[tuple[Path, bytes]]]:
    """What is written at a time: some lines, and perhaps the beginning of the next one."""
    begun = b""
    at = 0
    while at < len(lines):
        some = lines[at : at + chance.randint(0, 5)]
        written = [(each.file, each.line) for each in some]
        if some and begun:
            written[0] = (some[0].file, some[0].line.removeprefix(begun))
            begun = b""
        at += len(some)
        if at < len(lines) and not begun and chance.random() < 0.5:
            begun = lines[at].line[: chance.randint(1, len(lines[at].line) - 1)]
            written.append((lines[at].file, begun))
        yield written


@pytest.mark.parametrize("seed", SEEDS)
async def test_recorded_while_it_grows_it_is_what_the_import_makes_of_it(seed: int, bench: Bench) -> None:
    chance, lines = random.Random(seed), lines_in_time()
    for written in cuts(chance, lines):
        for file, data in written:
            bench.write(file, data)
        if chance.random() < 0.8:
            bench.poll()
        if chance.random() < 0.6:
            await bench.sender.send(bench.recording)
        if chance.random() < 0.3:  # the recorder dies, and perhaps nobody has noted what it has sent
            sent = bench.recording.spool.sent
            bench.recording.spool.sent = chance.randint(0, sent)
            bench.start()
    await bench.finish()
    assert await bench.written() == imported(PROJECT)
    assert bench.said == []


async def recorded(bench: Bench) -> None:
    """What has been written by Claude Code is in the log."""
    bench.poll()
    await bench.sender.send(bench.recording)


def main_lines() -> list[bytes]:
    """Those of the session's own file."""
    return (PROJECT / f"{NAME}.jsonl").read_bytes().splitlines(keepends=True)


async def test_nothing_is_written_before_a_line_is_finished(bench: Bench) -> None:
    first, second, *_ = main_lines()[3:]
    bench.write(Path(bench.main.name), first + second[:-1])
    await recorded(bench)
    before = await bench.written()
    bench.write(Path(bench.main.name), second[-1:])
    await recorded(bench)
    assert len(await bench.written()) > len(before) > 0


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_file_that_is_replaced_by_itself_and_more_is_recorded_once(bench: Bench, restarted: bool) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:20]))
    await recorded(bench)
    beside = bench.main.with_suffix(".new")
    beside.write_bytes(b"".join(lines))
    beside.replace(bench.main)
    if restarted:
        bench.start()
    await bench.finish()
    assert await bench.written() == imported(bench.project)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_file_that_is_cut_and_begun_again_loses_and_repeats_nothing(bench: Bench, restarted: bool) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:20]))
    await recorded(bench)
    bench.main.write_bytes(b"".join(lines[15:30]))  # some are known, some are new
    await recorded(bench)
    if restarted:
        bench.start()
    bench.write(Path(bench.main.name), b"".join(lines[30:]))
    await bench.finish()
    bench.main.write_bytes(b"".join(lines))
    assert await bench.written() == imported(bench.project)


async def test_a_line_that_is_no_entry_is_kept_and_the_rest_goes_on(bench: Bench) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join([*lines[:5], b"no entry\n", *lines[5:]]))
    await bench.finish()
    assert await bench.written() == imported(bench.project)
    assert ("x.claude_code.unreadable", "claude") in await bench.told("x.")


async def test_what_the_rules_refuse_meanwhile_is_kept(bench: Bench) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:7]))
    await recorded(bench)
    await bench.do("message.post", message="m-u7", text="An id of Claude Code's is taken.")
    bench.write(Path(bench.main.name), b"".join(lines[7:]))
    await bench.finish()
    assert await bench.told("x.claude_code.refused") != []
    assert (await bench.told("session."))[-1] == ("session.closed", "person")


async def test_an_agent_that_somebody_stops_here_goes_on_as_a_new_run(bench: Bench) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:10]))
    await recorded(bench)
    await bench.do("signal.raise", signal="stop", kind="cancel", target="agent:claude")
    later = datetime.now(UTC) + timedelta(days=1)
    await bench.submit(Command("t", bench.session, TIMEKEEPER, later, ExpireSignal(signal="stop")))
    bench.write(Path(bench.main.name), b"".join(lines[10:]))
    await bench.finish()
    assert [actor for _, actor in await bench.told("presence.joined")].count("claude") == 2
    assert (await bench.told("message.completed"))[-1] == ("message.completed", "claude")


async def test_a_log_that_was_lost_gets_all_of_it_again(bench: Bench, tmp_path: Path) -> None:
    bench.write(Path(bench.main.name), b"".join(main_lines()))
    await recorded(bench)
    async with LogSink("memory:") as other:
        bench._sink = other
        bench.start()
        await bench.finish()
        assert await bench.written() == imported(bench.project)
    assert bench.said == [f"{SESSION} was not there any more; it is written once more."]


async def test_a_session_that_somebody_closes_waits_until_it_is_opened_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.adapters.recordings.claude_code.live.sender.CLOSED_S", 0.0)
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:20]))
    await recorded(bench)
    await bench.do("session.close")
    bench.write(Path(bench.main.name), b"".join(lines[20:]))
    await recorded(bench)
    assert (await bench.told("session."))[-1] == ("session.closed", "ada")
    assert "stenogram reopen" in bench.said[0]
    await bench.do("session.reopen")
    await bench.finish()
    said = [each for each in await bench.told("message.posted") if each[1] == "person"]
    assert len(said) == sum(
        b'"type":"message.posted"' in each and b'"actor":"person"' in each for each in imported(bench.project)
    )


async def test_a_session_that_is_gone_on_with_after_its_end_is_opened_again(bench: Bench) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:20]))
    await bench.finish()
    bench.start()
    bench.write(Path(bench.main.name), b"".join(lines[20:]))
    await bench.finish()
    told = [type for type, _ in await bench.told("session.closed", "session.reopened")]
    assert told == ["session.closed", "session.reopened", "session.closed"]
    assert await bench.told("x.claude_code.refused") == []


async def test_hooks_say_that_it_waits_for_its_person_and_that_it_ends(bench: Bench) -> None:
    lines = main_lines()
    bench.write(Path(bench.main.name), b"".join(lines[:10]))
    await recorded(bench)
    asks = {"hook_event_name": "Notification", "message": "Claude needs your permission to use Bash"}
    for hook in (asks, {"hook_event_name": "SessionEnd", "reason": "exit"}):
        assert note_hook(bench.state, orjson.dumps({**hook, "session_id": NAME, "cwd": "/secret"}))
        await recorded(bench)
    (status,) = [orjson.loads(b"{" + each) for each in await bench.written() if b'"presence.status"' in each]
    assert (status["actor"], status["data"]["status"]) == ("claude", "waiting-for-human")
    assert status["data"]["activity"] == asks["message"]
    left = [actor for type, actor in await bench.told("presence.") if type == "presence.left"]
    assert {*left} == {"person", "claude", "agent-a51f0c2"}
    bench.write(Path(bench.main.name), b"".join(lines[10:]))
    await bench.finish()
    back = [each for each in await bench.told("presence.joined") if each[1] == "claude"]
    assert len(back) == 2
    assert not any(b"/secret" in line for line in (await bench.written())[-20:])


@pytest.mark.parametrize("given", [b"", b"[]", b"{}", b'{"session_id":"../../x"}', b'{"session_id":7}', b"\xff"])
def test_what_is_no_hook_is_not_kept(given: bytes, tmp_path: Path) -> None:
    assert not note_hook(tmp_path, given)
    assert list(tmp_path.iterdir()) == []


def test_what_is_spooled_is_for_its_owner_only_and_half_a_line_is_cut_off(bench: Bench) -> None:
    bench.write(Path(bench.main.name), b"".join(main_lines()))
    bench.poll()
    (file,) = bench.state.glob("*.spool")
    assert file.stat().st_mode & 0o077 == 0
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    bench.start()
    bench.poll()
    assert file.read_bytes() == whole
