"""A fork is read like any session, over whatever it shares; nothing of that is copied."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stenogram.domain.commands import parse_command
from stenogram.domain.errors import Conflict, NotFound
from stenogram.domain.model import Actor, Command
from stenogram.log import lineage
from stenogram.log.engine import Engine
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.records import Appended, Record
from stenogram.log.sqlite import SqliteEngine


class Writer:
    """Sends commands to a log, each under an id of its own."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._number = 0

    async def do(self, session: str, do: str, data: dict[str, Any], *, id: str = "", actor: str = "ada") -> Appended:
        """Carry out a command."""
        self._number += 1
        command = Command(
            id or f"c-{self._number}", session, Actor(actor, "agent"), datetime.now(UTC), parse_command(do, data)
        )
        return await self.log.submit(command)

    async def read(self, session: str, page: int = 1_000) -> list[Record]:
        """A session from its start, in pages."""
        found: list[Record] = []
        while records := await self.log.read_session(session, found[-1].version if found else 0, page):
            found += records
        return found


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def writer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Writer]:
    """Session `a` of six events, in a log of each kind."""
    engine: Engine
    if request.param == "postgres":
        engine = PostgresEngine(Database(request.getfixturevalue("fresh_log")()))
    else:
        engine = MemoryEngine() if request.param == "memory" else SqliteEngine(tmp_path / "log.db")
    async with Log(engine) as log:
        writer = Writer(log)
        await writer.do("a", "session.open", {"title": "A"})
        await writer.do("a", "message.start", {"message": "m1"})
        for index in range(3):
            await writer.do("a", "message.delta", {"message": "m1", "index": index, "text": f"{index}"})
        await writer.do("a", "state.merge", {"patch": {"n": 1}})
        yield writer


async def test_a_fork_has_the_origins_events_and_then_its_own(writer: Writer) -> None:
    result = await writer.do("b", "session.fork", {"origin": "a", "at": 4})
    assert result.versions == (5, 6)
    await writer.do("a", "state.merge", {"patch": {"n": 2}})
    await writer.do("b", "state.merge", {"patch": {"n": 3}})
    shared, own = (await writer.read("b"))[:4], (await writer.read("b"))[4:]
    assert [(each.session, each.version, each.position) for each in shared] == [("b", n, n) for n in range(1, 5)]
    assert [each.data for each in shared] == [each.data for each in (await writer.read("a"))[:4]]
    assert [each.type for each in own] == ["session.forked", "message.aborted", "state.merged"]
    assert [each.version for each in own] == [5, 6, 7]
    assert {each.session for each in await writer.log.engine.read_session("b", 0, 100)} == {"b"}
    assert len(await writer.log.engine.read_session("b", 0, 100)) == 3
    assert (await writer.log.state("b")).document.value == {"n": 3}
    assert (await writer.log.state("a")).document.value == {"n": 2}


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_a_fork_of_a_fork_is_read_in_pages_of_any_size(writer: Writer, page: int) -> None:
    await writer.do("b", "session.fork", {"origin": "a", "at": 4})
    await writer.do("b", "state.merge", {"patch": {"n": 2}})
    await writer.do("c", "session.fork", {"origin": "b"})
    await writer.do("d", "session.fork", {"origin": "c", "at": 2})
    for session, versions in (("b", 7), ("c", 8), ("d", 4)):
        records = await writer.read(session, page)
        assert [each.version for each in records] == list(range(1, versions + 1))
        assert {each.session for each in records} == {session}
        found, wires = await writer.log.read_wires(session, 0, page)
        assert (found, wires) == ([r.version for r in records[:page]], [r.wire() for r in records[:page]])
        assert await writer.log.read_session(session, versions, 10) == []
    assert [each.type for each in (await writer.read("d"))[2:]] == ["session.forked", "message.aborted"]


async def test_a_fork_folds_the_same_when_it_is_read_again(writer: Writer) -> None:
    await writer.do("b", "session.fork", {"origin": "a", "title": "B"})
    await writer.do("c", "session.fork", {"origin": "b", "at": 5})
    for session in ("b", "c"):
        kept = await writer.log.state(session)
        writer.log._sessions.forget(session)
        assert await writer.log.state(session) == kept


async def test_pages_that_are_cut_by_their_size_leave_nothing_out(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "PAGE_BYTES", 300)
    await writer.do("b", "session.fork", {"origin": "a"})
    assert [each.version for each in await writer.read("b", 100)] == list(range(1, 9))


async def test_a_fork_needs_an_origin_that_goes_so_far(writer: Writer) -> None:
    for origin, at in (("nowhere", None), ("a", 7), ("nowhere", 1), ("b", None)):
        with pytest.raises(NotFound):
            await writer.do("b", "session.fork", {"origin": origin, **({"at": at} if at else {})})
    with pytest.raises(Conflict):
        await writer.do("a", "session.fork", {"origin": "a"})
    with pytest.raises(NotFound):
        await writer.do("b", "state.merge", {"patch": {"n": 1}})
    assert await writer.read("b") == []


async def test_of_many_forks_into_one_session_one_is_made(writer: Writer) -> None:
    tries = [writer.do("b", "session.fork", {"origin": "a", "at": at}) for at in (2, 3, 4, 5)]
    first, *others = await asyncio.gather(*tries, return_exceptions=True)
    assert isinstance(first, Appended)
    assert all(isinstance(each, Conflict) for each in others)
    assert (await writer.log.state("b")).session.origin == ("a", 2)


async def test_what_is_repeated_in_a_fork_is_found_there_or_in_what_it_shares(writer: Writer) -> None:
    first = await writer.do("b", "session.fork", {"origin": "a"}, id="fork")
    assert await writer.do("b", "session.fork", {"origin": "a"}, id="fork") == first._replace(repeated=True)
    delta = await writer.do("b", "message.delta", {"message": "m1", "index": 1, "text": "1"})
    assert (delta.versions, delta.positions, delta.repeated) == ((4,), (4,), True)
    other = await writer.do("b", "session.describe", {"title": "B"}, id="c-1")
    assert not other.repeated


async def test_the_log_as_a_whole_has_each_event_once(writer: Writer) -> None:
    await writer.do("b", "session.fork", {"origin": "a"})
    records = await writer.log.engine.read_log(0, 100)
    assert [each.session for each in records] == ["a"] * 6 + ["b"] * 2


async def test_where_the_events_of_a_fork_were_written(writer: Writer) -> None:
    await writer.do("b", "session.fork", {"origin": "a", "at": 4})
    await writer.do("c", "session.fork", {"origin": "b"})
    await writer.do("d", "session.fork", {"origin": "b", "at": 3})
    written = {session: await writer.log.written_in(session) for session in ("a", "b", "c", "d", "nowhere")}
    assert written == {"a": ("a",), "b": ("a", "b"), "c": ("a", "b", "c"), "d": ("a", "d"), "nowhere": ()}
