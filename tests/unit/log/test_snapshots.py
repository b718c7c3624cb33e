"""A state that went on from a snapshot is the one that was folded from the start, on every engine."""

from __future__ import annotations

import asyncio
import pickle
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from immutables import Map
from support.played_log import own_drafts
from support.random_play import Play, played

from stenogram.domain.ids import SessionId, Version
from stenogram.domain.session import fold
from stenogram.domain.state import State
from stenogram.log.commit import snapshots, state_snapshots
from stenogram.log.engine import Engine
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Append, Draft, Snapshot
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing import command

Make = Callable[[], Engine]
ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes engines of one log, to be opened one after the other."""
    if request.param == "sqlite":
        return lambda: SqliteEngine(tmp_path / "log.db")
    from stenogram.log.postgres import Database, PostgresEngine

    url = request.getfixturevalue("fresh_log")()
    return lambda: PostgresEngine(Database(url))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots after every seven events, in small pieces."""
    monkeypatch.setattr(state_snapshots, "EVERY_EVENTS", 7)
    monkeypatch.setattr(state_snapshots, "BUSY_EVENTS", 7)
    monkeypatch.setattr(state_snapshots, "BUSY_PART", 1_000)
    monkeypatch.setattr(snapshots, "ITEMS_A_PIECE", 3)


async def written(log: Log) -> None:
    """Wait until the snapshots that are due have been written."""
    work = log._snapshots._work
    if work is not None:
        await asyncio.wait([work])


async def play_into(make: Make, play: Play) -> None:
    """Write the sessions in parts, each by another process, which folds what is there and leaves its snapshot."""
    chance = random.Random(7)
    for session in play.sessions:
        start, own = own_drafts(session)
        done = 0
        while done < len(own):
            async with Log(make()) as log:
                await log.state(session.state.id)
                part = own[done : done + chance.randint(1, 40)]
                await log.append(Append(session.state.id, tuple(part), first_version=start + done + 1))
                done += len(part)
                await log.state(session.state.id)
                await written(log)


@pytest.mark.parametrize("seed", range(6))
async def test_a_state_that_goes_on_from_a_snapshot_is_the_whole_fold(seed: int, engine: Make) -> None:
    play = played(seed)
    await play_into(engine, play)
    async with Log(engine()) as log:
        for session in play.sessions:
            id, events = session.state.id, session.events
            begun = await log._snapshots.begin(id, 2**63)
            assert begun.version > len(events) - 60 or len(events) < 7
            assert begun == fold(State(id), events[: begun.version])
            assert await log.state(id) == fold(State(id), events)
            for upto in range(1, len(events), 9):
                assert await log.state_at(id, Version(upto)) == fold(State(id), events[:upto])


@pytest.mark.parametrize("seed", range(30))
def test_every_state_is_read_back_as_it_was(seed: int) -> None:
    for session in played(seed).sessions:
        for upto in range(1, len(session.events) + 1, 11):
            state = fold(State(session.state.id), session.events[:upto])
            *_, found = snapshots.decode(b"".join(snapshots.encode(state)))
            assert found == state
            assert found is not None
            assert fold(found, session.events[upto:]) == fold(state, session.events[upto:])


async def test_a_snapshot_of_other_code_is_not_read(engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Log(engine()) as log:
        await fill(log, "s", 30)
        await written(log)
        assert (await log._snapshots.begin("s", 99)).version >= 20
    monkeypatch.setattr(state_snapshots, "code_of_fold", lambda: "another")
    async with Log(engine()) as log:
        assert (await log._snapshots.begin("s", 99)).version == 0
        assert (await log.state("s")).version == 30
        await written(log)
        assert (await log._snapshots.begin("s", 99)).version == 30
    monkeypatch.undo()


@pytest.mark.parametrize("data", [b"", b"nonsense", pickle.dumps(print), pickle.dumps(([], [(0, 0, 9)]))])
async def test_a_snapshot_that_cannot_be_read_is_passed_over(engine: Make, data: bytes) -> None:
    async with Log(engine()) as log:
        await fill(log, "s", 30)
        await written(log)
        await log.engine.write_snapshot(Snapshot("s", Version(30), snapshots.code_of_fold(), data))
    async with Log(engine()) as log:
        assert (await log.state("s")).version == 30


def test_nothing_is_made_of_a_snapshot_but_what_a_state_consists_of() -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (fail, ())

    for trap in (Trap(), print, Log, Path("x")):
        with pytest.raises(pickle.UnpicklingError, match="no part of a state"):
            list(snapshots.decode(pickle.dumps(([trap], []))))


def fail() -> None:
    raise AssertionError("it was called")


async def test_an_older_snapshot_does_not_take_the_place_of_a_newer_one(engine: Make) -> None:
    async with Log(engine()) as log:
        for version, code, data in ((5, "a", b"5"), (3, "a", b"3"), (4, "b", b"4")):
            await log.engine.write_snapshot(Snapshot("s", Version(version), code, data))
            if code == "a":
                assert await log.engine.read_snapshot("s", "a") == Snapshot("s", Version(5), "a", b"5")
        assert await log.engine.read_snapshot("s", "a") is None
        assert await log.engine.read_snapshot("s", "b") == Snapshot("s", Version(4), "b", b"4")
        assert await log.engine.read_snapshot("other", "b") is None


async def test_a_session_with_a_hole_gets_none() -> None:
    engine = MemoryEngine()
    async with Log(engine) as log:
        await fill(log, "s", 5)
        late = [Draft("x.late", "custom", b'{"id":"l%d","type":"x.late","time":"2026-01-01T00:00:00Z","actor":"a",'
                      b'"data":{}}' % number, 1) for number in range(30)]  # fmt: skip
        await log.append(Append("s", tuple(late), first_version=9))
        assert (await log.state("s")).version == 38
        await written(log)
        assert await engine.read_snapshot("s", snapshots.code_of_fold()) is None
        await log.append(Append("s", tuple(late[:3]), first_version=6))
        assert (await log.state("s")).version == 38


async def test_a_session_that_grows_by_commands_gets_them_too(engine: Make) -> None:
    async with Log(engine()) as log:
        await fill(log, "s", 40)
        await written(log)
    async with Log(engine()) as log:
        assert (await log._snapshots.begin("s", 99)).version >= 28


async def test_a_session_gets_one_when_it_is_idle(engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_snapshots, "BUSY_EVENTS", 1_000)
    monkeypatch.setattr(state_snapshots, "IDLE_S", 0.05)
    code = snapshots.code_of_fold()
    async with Log(engine()) as log:
        await fill(log, "s", 6)
        assert log._snapshots._timer is None, "it has not grown enough"
        await log.submit(command("message.post", "s", message="last", text="Hello"))
        async with asyncio.timeout(30):
            while (found := await log.engine.read_snapshot("s", code)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert found.version == 7
        await log.submit(command("message.post", "s", message="later", text="Hello"))
        assert not log._snapshots._grown


async def test_sessions_that_are_not_idle_get_one_when_the_log_is_closed(
    engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_snapshots, "BUSY_EVENTS", 1_000)
    async with Log(engine()) as log:
        await fill(log, "s", 30)
        await fill(log, "t", 3)
    async with Log(engine()) as log:
        versions = [(await log._snapshots.begin(each, 99)).version for each in ("s", "t")]
        assert versions == [30, 0]


async def test_what_was_wrong_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_snapshots, "BUSY_EVENTS", 1_000)
    async with Log(MemoryEngine()) as log:
        await fill(log, "s", 30)
        assert "s" in log._snapshots._grown
        log._sessions.forget("s")
        assert "s" not in log._snapshots._grown


async def test_a_reader_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Log(SqliteEngine(tmp_path / "log.db")) as log:
        await fill(log, "s", 5)
    async with Log(SqliteEngine(tmp_path / "log.db", read_only=True)) as log:
        monkeypatch.setattr(state_snapshots, "EVERY_EVENTS", 1)
        await log.state("s")
        assert (log._snapshots._work, log._snapshots._timer) == (None, None)


async def test_a_file_of_the_schema_before_can_be_read(tmp_path: Path) -> None:
    async with Log(SqliteEngine(tmp_path / "log.db")) as log:
        await fill(log, "s", 5)
    with closing(sqlite3.connect(tmp_path / "log.db")) as older, older:
        older.execute("DROP TABLE snapshot")
        older.execute("PRAGMA user_version = 2")
    async with Log(SqliteEngine(tmp_path / "log.db", read_only=True)) as log:
        assert (await log.state("s")).version == 5
    async with Log(SqliteEngine(tmp_path / "log.db")) as log:
        await fill(log, "t", 30)
        await written(log)
        assert await log.engine.read_snapshot("t", snapshots.code_of_fold()) is not None


def test_the_code_of_the_fold_is_known_and_stays() -> None:
    assert len(snapshots.code_of_fold()) == 32
    snapshots.code_of_fold.cache_clear()
    assert snapshots.code_of_fold() == snapshots.code_of_fold()


def test_large_maps_are_made_in_pieces() -> None:
    state = State("s")
    known: Any = Map({f"m{number}": None for number in range(50)})
    state = state._replace(messages=state.messages._replace(known=known))
    pieces = list(snapshots.encode(state))
    assert len(pieces) == 1 + 17
    assert max(map(len, pieces[1:])) < 200


async def fill(log: Log, session: SessionId, events: int) -> None:
    """Open a session, and say things until it has so many events."""
    results: list[Awaitable[Any]] = [log.submit(command("session.open", session))]
    results += [
        log.submit(command("message.post", session, message=f"m{number}", text="Hello")) for number in range(events - 1)
    ]
    await asyncio.gather(*results)
