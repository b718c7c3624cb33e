"""Failures: all who wait are answered, truthfully, and nothing is half written."""

import asyncio
from typing import Any

import orjson

from ....domain.errors import Busy, Conflict, LogError, LogFailed, LogReplaced, LogUnreadable
from ....log.engine import KeyTaken, LogMoved
from ....log.log import Log
from ....log.records import Record
from ...command import command
from ..faults import faults, faulty
from .factory import LogFactory, Sentence, check, delta, draft, drafts, opened, outcome, places, post, refusal

FULL = "The log's disk is full; make room, then try again."


async def what_cannot_be_written_is_answered_and_not_in_the_log(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        faults(log).failures.append(LogFailed(FULL))
        answers = [log.submit(post("m-1")), log.append(drafts("s-1", draft(), draft(), tracking=("p", 1)))]
        assert [type(await refusal(answer)) for answer in answers] == [LogFailed, LogFailed]
        assert (log.position, await log.engine.read_tracking("p")) == (1, 0)
        assert await log.submit(post("m-1")) == places(2, 2)
        assert len(await check(log)) == 2


async def only_the_failing_batch_fails(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        faults(log).failures.append(LogFailed(FULL))
        async with faults(log).writes_held() as gate:
            failing = log.submit(post("m-1"))
            await gate.reached()
            waiting = log.submit(post("m-2"))
        assert isinstance(await refusal(failing), LogFailed)
        assert await waiting == places(2, 2)


async def what_was_written_though_it_seemed_to_fail_is_found_again(factory: LogFactory) -> None:
    """The reply to a commit was lost. The event is in the log; a repeat of the command is told where."""
    async with factory(faulty) as log:
        await opened(log)
        faults(log).afterwards.append(LogFailed("The connection was lost."))
        said = post("m-1")
        assert isinstance(await refusal(log.submit(said)), LogFailed)
        assert await log.submit(said) == places(2, 2)._replace(repeated=True)
        assert await log.submit(post("m-2")) == places(3, 3)
        assert (log.position, len(await check(log))) == (3, 3)


async def a_lookup_that_fails_ends_nothing_else(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        said = post("m-1")
        await log.submit(said)
        faults(log).reading_failures.append(LogFailed(FULL))
        assert isinstance(await refusal(log.submit(said)), LogFailed)
        merged = command("state.merge", patch={"n": 1})
        await log.submit(merged)
        faults(log).reading_failures.append(LogFailed(FULL))
        assert isinstance(await refusal(log.submit(merged)), LogFailed)
        assert (await log.submit(merged)).repeated
        await check(log)


async def a_writer_that_dies_fails_all_that_wait(factory: LogFactory) -> None:
    log = None
    try:
        async with factory(faulty) as log:
            await opened(log)
            broken = asyncio.create_task(log.broken())
            faults(log).failures.append(ZeroDivisionError("a fault"))
            async with faults(log).writes_held() as gate, faults(log).reads_held():
                answers = [log.submit(post("m-1"))]
                await gate.reached()
                answers += [log.submit(post("m-2")), log.append(drafts("s-2")), log.submit(post("m", "s-3"))]
            errors = [await refusal(answer) for answer in answers]
            assert all(isinstance(error, LogFailed) for error in errors)
            assert "may have been written" in str(errors[0])
            assert all("nothing was written" in str(error) for error in errors[1:])
            assert isinstance(await _raised(broken), ZeroDivisionError)
            assert not log.working
            assert isinstance(await _refused(log), LogFailed)
            follower = asyncio.create_task(_next_page(log))
            assert isinstance(await _raised(follower), LogFailed)
    except ZeroDivisionError:
        assert log is not None
        return
    raise AssertionError("closing did not tell of the fault")


async def a_log_that_went_back_is_not_written_any_more(factory: LogFactory) -> None:
    """It was restored under us: positions would be given out twice."""
    try:
        async with factory(faulty) as log:
            await opened(log)
            faults(log).failures.append(LogMoved())
            assert isinstance(await refusal(log.submit(post("m-1"))), LogFailed)
            assert not log.working
    except LogReplaced:
        return
    raise AssertionError("closing did not tell of the fault")


async def what_is_refused_for_no_reason_fails_nobody_else(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            first = log.submit(post("m-0"))
            await gate.reached()
            answers = [log.submit(post(f"m-{number}")) for number in (1, 2, 3)]
            faults(log).failures.extend([KeyTaken(), KeyTaken(), KeyTaken()])
        assert isinstance(await outcome(first), LogFailed)
        results = [await outcome(answer) for answer in answers]
        assert [isinstance(result, LogFailed) for result in results] == [True, False, False] or results[0] == places(
            2, 2
        )
        await check(log)


async def a_session_that_cannot_be_folded_stops_nobody_else(factory: LogFactory) -> None:
    """Something else wrote into it. Its own commands are refused; it can still be read, and appended to."""
    async with factory(cached_sessions=1) as log:
        await opened(log, "s-1", "s-2")
        nonsense = [draft()._replace(data=data) for data in (b"\x00", b'{"id":1}', b"[]")]
        orphan = orjson.loads(draft().data) | {"type": "message.completed", "data": {"message": "none"}}
        await log.append(drafts("s-1", *nonsense, draft(type="message.completed")._replace(data=orjson.dumps(orphan))))
        for _ in range(2):
            answers = [log.submit(post("m", "s-1")), log.append(drafts("s-1"))]
            assert isinstance(await refusal(answers[0]), LogUnreadable)
            assert len((await answers[1]).versions) == 1
            assert isinstance(await refusal(log.state("s-1")), LogUnreadable)
        await log.submit(post("m", "s-2"))
        assert len(await log.engine.read_session("s-1", 0, 100)) == 7


async def a_listener_that_fails_does_not_keep_answers_back(factory: LogFactory) -> None:
    heard: list[Record] = []
    async with factory() as log:

        def fail(_: object) -> None:
            raise ZeroDivisionError("a fault in a listener")

        end = log.hub.listen(fail)
        log.hub.listen(heard.extend)
        await opened(log)
        end()
        await log.submit(post("m-1"))
        assert [record.version for record in heard] == [1, 2]


# -- Leaving -----------------------------------------------------------------------------------------------------------


async def a_cancelled_request_that_waits_is_withdrawn(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            answers = [log.submit(post("m-1"))]
            await gate.reached()
            answers += [log.submit(post(message)) for message in ("m-2", "m-3")]
            answers[1].cancel()
        assert [await answers[0], await answers[2]] == [places(2, 2), places(3, 3)]
        await asyncio.sleep(0)
        assert log.waiting == 0
        assert len(await check(log)) == 3


async def a_cancelled_request_that_is_under_way_is_written_all_the_same(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            answer = log.submit(post("m-1"))
            await gate.reached()
            answer.cancel()
        assert await log.submit(post("m-2")) == places(3, 3)
        await check(log)


async def withdrawn_requests_do_not_pile_up(factory: LogFactory) -> None:
    async with factory(faulty, max_waiting=10) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            first = log.submit(post("m"))
            await gate.reached()
            for number in range(100):
                log.submit(post(f"m-{number}")).cancel()
                await asyncio.sleep(0)
            assert log._queue._in_lines <= 10
        await first
        assert len(await check(log)) == 2


async def a_full_queue_says_that_it_is_busy(factory: LogFactory) -> None:
    async with factory(faulty, max_waiting=3, max_waiting_bytes=1_000) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            answers = [log.submit(post("m-1"))]
            await gate.reached()
            answers += [log.submit(post("m-2")), log.submit(post("m-3"))]
            assert isinstance(await _refused(log), Busy)
            answers[1].cancel()
            await asyncio.sleep(0)
            answers.append(log.submit(post("m-4"), size=999))
        assert [(await answer).versions for answer in answers if not answer.cancelled()] == [(2,), (3,), (4,)]
        await asyncio.sleep(0)
        assert log.waiting == 0
        large = log.submit(post("m-5"), size=600)
        assert isinstance(await _refused(log, size=600), Busy)
        await large


async def closing_answers_what_waits_and_refuses_what_is_new(factory: LogFactory) -> None:
    async with factory(faulty, cached_sessions=1) as log:
        await opened(log, "s-1", "s-2")
        await log.submit(command("message.start", "s-2", message="m"))
        await log.submit(delta(0, "s-2"))
        follower = asyncio.create_task(_next_page(log))
        async with faults(log).writes_held() as gate:
            answers = [log.submit(post("m-1", "s-2"))]
            await gate.reached()
            answers += [log.submit(post("m-2", "s-2")), log.submit(delta(0, "s-2")), log.submit(post("m", "s-1"))]
            closing = asyncio.create_task(log.__aexit__())
            await asyncio.sleep(0)
            assert isinstance(await _refused(log), LogFailed)
        await closing
        assert [answer.result().versions for answer in answers] == [(4,), (5,), (3,), (2,)]
        assert (await follower)[0].position == 5
        async with factory.again(log) as later:
            assert len(await check(later)) == 7


async def who_follows_a_log_that_is_closed_is_told(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        follower = asyncio.create_task(_next_page(log))
        await asyncio.sleep(0)
        await log.__aexit__()
        assert isinstance(await _raised(follower), LogFailed)


async def a_close_that_is_cancelled_still_answers(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            answers = [log.submit(post("m-1"))]
            await gate.reached()
            answers.append(log.submit(post("m-2")))
            closing = asyncio.create_task(log.__aexit__())
            await asyncio.sleep(0)
            closing.cancel()
            assert [type(await refusal(answer)) for answer in answers] == [LogFailed, LogFailed]
            await asyncio.wait([closing])
            assert closing.cancelled()


async def errors_do_not_grow_by_being_raised(factory: LogFactory) -> None:
    """An exception that is raised again and again keeps every frame that it went through."""
    async with factory() as log:
        await log.__aexit__()
        errors = [await _refused(log) for _ in range(3)]
        assert len({id(error) for error in errors}) == 3


async def _refused(log: Log, size: int = 0) -> Exception:
    """What a request is refused with at once."""
    try:
        await log.submit(post("m-refused"), size=size)
    except (LogError, Busy, Conflict) as error:
        return error
    raise AssertionError("it was accepted")


async def _next_page(log: Log) -> list[Record]:
    async for records in log.follow(log.position):
        return records
    raise AssertionError("it ended")


async def _raised(task: "asyncio.Task[Any]") -> BaseException | None:
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    return task.exception()


ALL: tuple[Sentence, ...] = (
    what_cannot_be_written_is_answered_and_not_in_the_log,
    only_the_failing_batch_fails,
    what_was_written_though_it_seemed_to_fail_is_found_again,
    a_lookup_that_fails_ends_nothing_else,
    a_writer_that_dies_fails_all_that_wait,
    a_log_that_went_back_is_not_written_any_more,
    what_is_refused_for_no_reason_fails_nobody_else,
    a_session_that_cannot_be_folded_stops_nobody_else,
    a_listener_that_fails_does_not_keep_answers_back,
    a_cancelled_request_that_waits_is_withdrawn,
    a_cancelled_request_that_is_under_way_is_written_all_the_same,
    withdrawn_requests_do_not_pile_up,
    a_full_queue_says_that_it_is_busy,
    closing_answers_what_waits_and_refuses_what_is_new,
    who_follows_a_log_that_is_closed_is_told,
    a_close_that_is_cancelled_still_answers,
    errors_do_not_grow_by_being_raised,
)
