"""A patch of many operations: others go on meanwhile, and it comes to what it would have come to at once."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stenogram.domain.concepts.document import LONG_PATCH, LongPatch
from stenogram.domain.errors import Conflict, Forbidden, Overloaded, PatchFailed
from stenogram.domain.model import Command
from stenogram.log.commit import intake
from stenogram.log.commit.outcome import Cascade
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.testing.command import command
from stenogram.testing.contract.faults import FaultyEngine

OPERATIONS = 10 * LONG_PATCH


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    async with Log(FaultyEngine(MemoryEngine())) as log:
        for session in ("s-1", "s-2"):
            await log.submit(command("session.open", session))
        await log.submit(command("state.merge", "s-1", patch={"list": [], "n": 0}))
        yield log


def patch(*more: dict[str, Any], session: str = "s-1", operations: int = OPERATIONS, **members: Any) -> Command:
    added = [{"op": "add", "path": "/list/-", "value": number} for number in range(operations)]
    return command("state.patch", session, patch=[*added, *more], **members)


def count() -> Command:
    return command("state.increment", "s-1", path="/n")


async def test_it_comes_to_the_same(log: Log) -> None:
    await log.submit(patch())
    assert (await log.state("s-1")).document.value == {"list": list(range(OPERATIONS)), "n": 0}
    records = await log.read_session("s-1", 0, 10)
    assert [record.type for record in records] == ["session.opened", "state.merged", "state.patched"]


@pytest.mark.parametrize("more", [(), ({"op": "remove", "path": "/nothing"},)], ids=["applied", "refused"])
async def test_nothing_of_it_stays_once_it_is_answered(log: Log, more: tuple[dict[str, Any], ...]) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            submitted = log.submit(patch(*more))
            await asyncio.wait([submitted])
            assert (submitted.exception() is None) == (not more)
            del submitted
        async with asyncio.timeout(30):
            while [each for each in gc.get_objects() if isinstance(each, LongPatch | Cascade)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_others_go_on_meanwhile(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    go_on = LongPatch.go_on

    def counted(self: LongPatch) -> bool:
        nonlocal steps
        steps += 1
        return go_on(self)

    monkeypatch.setattr(LongPatch, "go_on", counted)
    long = log.submit(patch())
    said = 0
    while not long.done():
        await log.submit(command("message.post", "s-2", message=f"m{said}", text="Hello."))
        said += 1
    assert steps > OPERATIONS // 20
    assert said > 2


async def test_those_of_its_session_keep_their_order(log: Log) -> None:
    answers = [log.submit(each) for each in (count(), patch(), count(), patch(), count())]
    assert [(await each).versions for each in answers] == [(3,), (4,), (5,), (6,), (7,)]


async def test_a_refusal_is_told_and_others_go_on(log: Log) -> None:
    bad = log.submit(patch({"op": "remove", "path": "/nothing"}))
    later = log.submit(count())
    with pytest.raises(PatchFailed, match=f"Operation {OPERATIONS}"):
        await bad
    assert (await later).versions == (3,)
    guarded = log.submit(patch(if_version=1))
    with pytest.raises(Conflict):
        await guarded


@pytest.mark.parametrize("guess", [1_234, 4_321])
async def test_how_it_fails_does_not_tell_what_is_hidden(log: Log, guess: int) -> None:
    hidden = command("state.merge", "s-1", by="flights", patch={"secret": {"pin": 1_234}}, audience=["flights"])
    await log.submit(hidden)
    with pytest.raises(Forbidden):
        await log.submit(patch({"op": "test", "path": "/secret/pin", "value": guess}))


async def test_a_guard_is_looked_at_before_it_is_applied(log: Log) -> None:
    with pytest.raises(Conflict):
        await log.submit(patch({"op": "remove", "path": "/nothing"}, if_version=1))


async def test_a_repeat_gets_the_first_result(log: Log) -> None:
    sent = patch()
    first = await log.submit(sent)
    again = await log.submit(sent)
    assert (again.versions, again.repeated) == (first.versions, True)


async def test_of_one_participant_not_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_LONG_EACH", 1)
    sessions = [f"many-{number}" for number in range(4)]
    async with Log(MemoryEngine()) as log:
        for session in sessions:
            await log.submit(command("session.open", session))
            await log.submit(command("state.merge", session, patch={"list": []}))
        answers = await asyncio.gather(*[log.submit(patch(session=each)) for each in sessions], return_exceptions=True)
    refused = [each for each in answers if isinstance(each, Overloaded)]
    assert len(refused) == 2
    assert all(each.problem()["retry_after"] > 0 for each in refused)


async def test_the_log_closes_with_one_under_way() -> None:
    async with Log(MemoryEngine()) as log:
        await log.submit(command("session.open", "s-1"))
        await log.submit(command("state.merge", "s-1", patch={"list": []}))
        answer = log.submit(patch())
        await asyncio.sleep(0)
    assert (await answer).versions == (3,)
