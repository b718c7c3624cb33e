"""A log answers as a naive one does, whatever is asked of it, in whatever bursts, through restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.log.commit import committer
from stenogram.log.engine import Engine
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Batch, Producer
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing import command
from stenogram.testing.contract.faults import plain
from stenogram.testing.contract.log.factory import heads
from stenogram.testing.contract.log.model import Breath, Do, Note, Restart, Step, play

sessions = st.sampled_from(["s-1", "s-2", "s-3"])
subjects = st.sampled_from(["task:t-1", "task:t-2", "message:m-1"])
ids = st.sampled_from([f"k-{number}" for number in range(6)])
messages = st.sampled_from(["m-1", "m-2"])
expectations: st.SearchStrategy[dict[str, int]] = st.one_of(
    st.just({}), st.dictionaries(st.one_of(subjects, st.just("")), st.integers(0, 6), max_size=1)
)
producers = st.one_of(st.none(), st.builds(Producer, st.sampled_from(["p", "q"]), st.integers(0, 1), st.integers(0, 3)))

SAYINGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "session.open": st.just({}),
    "session.close": st.just({}),
    "session.reopen": st.just({}),
    "message.post": st.fixed_dictionaries({"message": messages, "text": st.just("Hello")}),
    "message.start": st.fixed_dictionaries({"message": messages}),
    "message.delta": st.fixed_dictionaries({"message": messages, "index": st.integers(0, 3), "text": st.just("…")}),
    "message.complete": st.fixed_dictionaries({"message": messages}),
    "tool.call": st.fixed_dictionaries({"call": messages, "tool": st.just("bash")}),
    "tool.output": st.fixed_dictionaries({"call": messages, "index": st.integers(0, 3), "text": st.sampled_from("ab")}),
    "tool.return": st.fixed_dictionaries({"call": messages}),
    "state.merge": st.fixed_dictionaries(
        {"patch": st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), min_size=1)}
    ),
}


@st.composite
def commands(draw: st.DrawFn) -> Do:
    """A command; the few ids make many repeats, also of something else under the same id."""
    do = draw(st.sampled_from(["session.open", "message.delta", *SAYINGS]))
    producer = draw(producers)
    id = draw(ids) if producer is None else None
    said = command(do, draw(sessions), id=id, **draw(SAYINGS[do]))
    return Do(said, heads(draw(expectations)), producer)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    """An append, now and then at a version of its own choice."""
    first = draw(st.one_of(st.none(), st.none(), st.integers(1, 8)))
    producer = draw(producers)
    key = draw(st.one_of(st.none(), ids.map(lambda id: f"n-{id}"))) if producer is None else None
    expected = heads(draw(expectations))
    number = draw(st.integers(1, 2)) if key is None else 1 + int(key[-1]) % 2  # a repeat has as many events
    return Note(draw(sessions), draw(subjects), number, expected, producer, first, key)


steps: st.SearchStrategy[Step] = st.one_of(commands(), commands(), notes(), st.builds(Breath, st.integers(1, 6)))
restarts: st.SearchStrategy[list[Step]] = st.builds(Restart, st.integers(1, 3)).map(lambda step: [step])
bursts = st.lists(st.one_of(st.lists(steps, min_size=1, max_size=12), restarts), max_size=8)


class Unhurried(MemoryEngine):
    """Takes as long to write as other work needs to get under way."""

    async def write(self, batch: Batch) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        await super().write(batch)


class Memory:
    shared = True

    @asynccontextmanager
    async def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AsyncIterator[Log]:
        async with Log(wrap(Unhurried()), **options) as log:
            yield log

    def again(self, log: Log, **options: Any) -> Log:
        engine: object = log.engine
        assert isinstance(engine, MemoryEngine)
        return Log(engine.beside(), **options)

    def reader(self, log: Log) -> Log:
        raise NotImplementedError

    rival = reader


class Sqlite:
    shared = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AbstractAsyncContextManager[Log]:
        return Log(wrap(SqliteEngine(self._path)), **options)

    def again(self, log: Log, **options: Any) -> Log:
        return Log(SqliteEngine(self._path), **options)

    def reader(self, log: Log) -> Log:
        raise NotImplementedError

    rival = reader


@settings(max_examples=150)
@given(bursts, st.integers(1, 3), st.sampled_from([1, 3, committer.SMALL_BATCH_EVENTS]))
async def test_memory(bursts: list[list[Step]], cached_sessions: int, enough: int) -> None:
    with patch.object(
        committer, "SMALL_BATCH_EVENTS", enough
    ):  # the fewer, the more often two batches are on their way
        await play(Memory(), bursts, cached_sessions=cached_sessions)


@settings(max_examples=15)
@given(bursts, st.integers(1, 3))
async def test_sqlite(bursts: list[list[Step]], cached_sessions: int) -> None:
    with TemporaryDirectory() as directory:
        await play(Sqlite(Path(directory, "log.db")), bursts, cached_sessions=cached_sessions)
