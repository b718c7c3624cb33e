"""Deciding ahead: what comes during a commit is decided on top of it, and anew when the commit fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ....domain.errors import Conflict, LogFailed, NotFound
from ....log.log import Log
from ....log.records import Appended
from ...command import command
from ..faults import faults, faulty
from .factory import LogFactory, Sentence, check, delta, draft, drafts, heads, opened, outcome, places, post, refusal

LOST = "The connection was lost."


@asynccontextmanager
async def message_being_started(log: Log) -> AsyncIterator["asyncio.Future[Appended]"]:
    """While the storage is writing the start of message `m`, for the time of the block: what was answered to it."""
    async with faults(log).writes_held() as gate:
        started = log.submit(command("message.start", message="m"))
        await gate.reached()
        yield started


async def what_comes_during_a_commit_is_decided_on_top_of_it(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with message_being_started(log) as started:
            deltas = [log.submit(delta(index)) for index in range(3)]
            await asyncio.sleep(0.01)
            deltas.append(log.submit(delta(3)))
            wrong = [log.submit(command("message.start", message="m")), log.submit(delta(9))]
        assert await started == places(2, 2)
        assert [await answer for answer in deltas] == [places(3 + index, 3 + index) for index in range(4)]
        assert [type(await refusal(answer)) for answer in wrong] == [Conflict, Conflict]
        assert [len(batch.records) for batch in faults(log).batches] == [1, 1, 4]
        await check(log)


async def what_was_decided_on_a_commit_that_failed_is_decided_again(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        faults(log).failures.append(LogFailed(LOST))
        async with message_being_started(log) as started:
            later = [log.submit(delta(0)), log.submit(command("message.start", message="m")), log.submit(delta(0))]
            await asyncio.sleep(0.01)
        assert isinstance(await refusal(started), LogFailed)
        assert isinstance(await refusal(later[0]), NotFound)
        assert [await answer for answer in later[1:]] == [places(2, 2), places(3, 3)]
        await check(log)


async def what_the_storage_has_behind_a_commit_that_fails_is_decided_again(factory: LogFactory) -> None:
    """Enough came for another batch, which waits at the storage already."""
    async with factory(faulty) as log:
        await opened(log)
        faults(log).failures.append(LogFailed(LOST))
        async with message_being_started(log) as started:
            deltas = [log.submit(delta(index)) for index in range(100)]
            await asyncio.sleep(0.01)
            posts = [log.submit(post(f"m-{number}")) for number in range(100)]
            await asyncio.sleep(0.01)
            assert [len(batch.records) for batch in faults(log).batches] == [1, 1, 100]
        assert isinstance(await refusal(started), LogFailed)
        assert {type(await refusal(answer)) for answer in deltas} == {NotFound}
        assert [await answer for answer in posts] == [places(2 + number, 2 + number) for number in range(100)]
        await check(log)


async def what_was_written_behind_a_commit_that_seemed_to_fail_is_found_again(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        faults(log).afterwards.append(LogFailed(LOST))
        async with message_being_started(log) as started:
            deltas = [log.submit(delta(index)) for index in range(100)]
            await asyncio.sleep(0.01)
        assert isinstance(await refusal(started), LogFailed)
        assert [await answer for answer in deltas] == [
            places(3 + index, 3 + index)._replace(repeated=True) for index in range(100)
        ]
        assert log.position == len(await check(log)) == 102


async def a_repeat_of_what_is_being_written_waits_for_its_place(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        said = post("m-1")
        async with faults(log).writes_held() as gate:
            first = log.submit(said)
            await gate.reached()
            answers = [log.submit(post("m-2")), log.submit(said), log.submit(post("m-3"))]
            await asyncio.sleep(0.01)
        assert await first == places(2, 2)
        assert [await answer for answer in answers] == [
            places(3, 3),
            places(2, 2)._replace(repeated=True),
            places(4, 4),
        ]
        await check(log)


async def what_cannot_be_decided_ahead_keeps_its_order(factory: LogFactory) -> None:
    """Expectations and appends wait for the commit, and what is asked for after them waits behind them."""
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            first = log.submit(post("m-1"))
            await gate.reached()
            answers = [
                log.submit(post("m-2")),
                log.submit(post("m-3"), expect=heads({"": 3})),
                log.append(drafts("s-1", draft(), draft())),
                log.submit(post("m-4")),
                log.submit(post("m-5"), expect=heads({"": 3})),
            ]
            await asyncio.sleep(0.01)
        assert await first == places(2, 2)
        assert [await answer for answer in answers[:4]] == [places(3, 3), places(4, 4), places(5, 5, 2), places(7, 7)]
        assert isinstance(await refusal(answers[4]), Conflict)
        await check(log)


async def a_log_is_closed_when_what_was_decided_ahead_is_written(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            answers = [log.submit(post("m-1"))]
            await gate.reached()
            answers.append(log.submit(post("m-2")))
            await asyncio.sleep(0.01)
            closing = asyncio.create_task(log.__aexit__())
            await asyncio.sleep(0.01)
        await closing
        assert [await outcome(answer) for answer in answers] == [places(2, 2), places(3, 3)]


ALL: tuple[Sentence, ...] = (
    what_comes_during_a_commit_is_decided_on_top_of_it,
    what_was_decided_on_a_commit_that_failed_is_decided_again,
    what_the_storage_has_behind_a_commit_that_fails_is_decided_again,
    what_was_written_behind_a_commit_that_seemed_to_fail_is_found_again,
    a_repeat_of_what_is_being_written_waits_for_its_place,
    what_cannot_be_decided_ahead_keeps_its_order,
    a_log_is_closed_when_what_was_decided_ahead_is_written,
)
