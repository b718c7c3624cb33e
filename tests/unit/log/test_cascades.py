"""A command from which a great deal follows: one commit, and others go on meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from stenogram.domain.envelope import encode
from stenogram.domain.errors import Conflict
from stenogram.domain.model import Command, Fact
from stenogram.log.commit import outcome, planner
from stenogram.log.commit.outcome import MAX_FACT_BYTES, MOST_AT_ONCE
from stenogram.log.engine import LogMoved
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Append, Draft
from stenogram.testing.command import command
from stenogram.testing.contract.faults import FaultyEngine

MANY = 4 * MOST_AT_ONCE


@pytest.fixture
async def engine() -> FaultyEngine:
    """Tells which batches were written."""
    return FaultyEngine(MemoryEngine())


@pytest.fixture
async def log(engine: FaultyEngine) -> AsyncIterator[Log]:
    """A session with a task of many parts, and one with nothing."""
    async with Log(engine) as log:
        for session in ("s-1", "s-2"):
            await log.submit(command("session.open", session))
        await log.submit(create("p"))
        await asyncio.gather(*[log.submit(create(f"t{number}", "p")) for number in range(MANY)])
        yield log


def create(task: str, parent: str | None = None) -> Command:
    """A task on the board."""
    return command("task.create", task=task, title="T", parent=parent)


def cancel_all() -> Command:
    """Ends all of them."""
    return command("task.cancel", task="p")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many facts were worked out at a time."""
    sizes: list[int] = []

    def carry_out(command: Command, facts: Any, *more: Any) -> Any:
        sizes.append(len(facts))
        return original(command, facts, *more)

    original = outcome.carry_out
    for module in (outcome, planner):
        monkeypatch.setattr(module, "carry_out", carry_out)
    return sizes


async def test_it_is_one_commit_and_is_worked_out_in_slices(log: Log, engine: FaultyEngine, at_once: list[int]) -> None:
    stop = cancel_all()
    written = await log.submit(stop)
    assert len(written.positions) == MANY + 1
    assert len(engine.batches[-1].records) == MANY + 1
    assert max(at_once) <= MOST_AT_ONCE
    state = await log.state("s-1")
    assert {task.status for task in state.tasks.known.values()} == {"cancelled"}
    records = await log.engine.read_log(written.positions[0] - 1, MANY + 1)
    assert [record.position for record in records] == list(written.positions)
    assert [record.version for record in records] == list(written.versions)
    assert [record.key for record in records] == [stop.id] + [None] * MANY
    assert await log.submit(stop) == written._replace(repeated=True)


async def test_others_are_answered_meanwhile_and_its_session_waits(log: Log) -> None:
    answered: list[str] = []
    answers = {
        "cancel": log.submit(cancel_all()),
        "claim": log.submit(command("task.claim", task="t5")),
        "post": log.submit(command("message.post", message="m", text="Hello.")),
        "elsewhere": log.submit(command("message.post", "s-2", message="m", text="Hello.")),
    }
    for name, answer in answers.items():
        answer.add_done_callback(partial(_note, answered, name))
    cancel, claim, post, _ = await asyncio.gather(*answers.values(), return_exceptions=True)
    assert answered[0] == "elsewhere"
    assert isinstance(claim, Conflict)
    assert "cancelled" in str(claim)
    assert not isinstance(cancel, BaseException)
    assert not isinstance(post, BaseException)
    assert post.versions[0] == cancel.versions[-1] + 1


def _note(answered: list[str], name: str, _: object) -> None:
    answered.append(name)


async def test_many_shorter_ones_do_not_make_one_long_batch(log: Log, engine: FaultyEngine) -> None:
    half = MOST_AT_ONCE // 2
    for parent in range(6):
        await log.submit(create(f"p{parent}"))
        await asyncio.gather(*[log.submit(create(f"p{parent}-{each}", f"p{parent}")) for each in range(half)])
    before = len(engine.batches)
    await asyncio.gather(*[log.submit(command("task.cancel", task=f"p{parent}")) for parent in range(6)])
    sizes = [len(batch.records) for batch in engine.batches[before:]]
    assert sum(sizes) == 6 * (half + 1)
    assert max(sizes) <= 2 * MOST_AT_ONCE


async def test_what_ends_long_messages_is_not_written_at_once(log: Log, engine: FaultyEngine) -> None:
    await log.submit(command("session.open", "s-3"))
    messages = [(f"s-{1 + number % 3}", f"m{number}") for number in range(40)]
    for session, message in messages:
        await log.submit(command("message.start", session, message=message))
        await log.submit(command("message.delta", session, message=message, index=0, text="x" * 990_000))
    before = len(engine.batches)
    await asyncio.gather(*[log.submit(command("message.complete", session, message=id)) for session, id in messages])
    sizes = [sum([len(record.data) for record in batch.records]) for batch in engine.batches[before:]]
    assert sum(sizes) > 40 * 990_000
    assert max(sizes) <= MAX_FACT_BYTES + 2**20


async def test_what_another_process_writes_meanwhile_is_taken_into_account(log: Log, engine: FaultyEngine) -> None:
    async with Log(engine.engine.beside()) as rival:  # type: ignore[attr-defined]
        cancel = log.submit(cancel_all())
        for _ in range(5):
            await asyncio.sleep(0)
        await rival.submit(create("late", "p"))
        written = await cancel
        assert len(written.positions) == MANY + 2
        assert (await log.state("s-1")).tasks.known["late"].status == "cancelled"


async def test_a_commit_that_fails_is_made_again(log: Log, engine: FaultyEngine) -> None:
    async with Log(engine.engine.beside()) as rival:  # type: ignore[attr-defined]
        async with engine.writes_held() as gate:
            cancel = log.submit(cancel_all())
            await gate.reached()
            await rival.submit(command("message.post", "s-2", message="r", text="Hello."))
            engine.failures.append(LogMoved())
        assert len((await cancel).positions) == MANY + 1


# -- deltas that are sent again


class Reading:
    """Counts what is read of sessions."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine
        self.records = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def read_session(self, session: str, after: int, limit: int) -> Any:
        """Counts the records of the page."""
        page = await self.engine.read_session(session, after, limit)
        self.records += len(page)
        return page


@pytest.mark.parametrize("streams", [1, 7])
@pytest.mark.parametrize("others", [0, 5])
async def test_a_delta_sent_again_is_found_without_reading_the_message(streams: int, others: int) -> None:
    deltas = 600
    async with Log(reading := Reading(MemoryEngine())) as log:
        await log.submit(command("session.open"))
        for stream in range(streams):
            await log.submit(command("message.start", message=f"m{stream}"))
        first = []
        for index in range(deltas):
            answers = [log.submit(delta(f"m{stream}", index)) for stream in range(streams)]
            for other in range(others):
                log.submit(command("message.post", message=f"o{index}-{other}", text="x"))
            if index % 100 == 0:
                await asyncio.gather(*answers)
            first.append(answers[0])
        places = await asyncio.gather(*first)
        for index in (0, 1, 63, 64, 65, 400, deltas - 2, deltas - 1):
            reading.records = 0
            again = await log.submit(delta("m0", index))
            assert again == places[index]._replace(repeated=True)
            assert reading.records <= 64 * 12


async def test_a_delta_is_found_where_two_gateways_wrote_it() -> None:
    async with Log(MemoryEngine()) as log:
        await log.submit(command("session.open"))
        await log.submit(command("message.start", message="m"))
        for index in range(200):
            await log.submit(delta("m", index))
        late = [
            Draft(
                "message.delta",
                "message:m",
                encode(f"e-{index}", Fact(delta("m", index).data), "2026-01-01T00:00:00Z", "hotels"),  # type: ignore[arg-type]
                0,
            )
            for index in range(100, 150)
        ]
        await log.append(Append("s-1", tuple(late)))
        for index in range(200, 300):
            await log.submit(delta("m", index))
        for index in (5, 120, 180, 250):
            (version,) = (await log.submit(delta("m", index))).versions
            (record,) = await log.read_session("s-1", version - 1, 1)
            assert b'"index":%d,' % index in record.data


def delta(message: str, index: int) -> Command:
    """A piece of a message."""
    return command("message.delta", message=message, index=index, text="word ")
