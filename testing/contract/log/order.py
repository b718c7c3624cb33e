"""Order: versions are dense, positions contiguous, and a session's requests are decided as they came."""

import asyncio

from ....domain.errors import Conflict, NotFound
from ....log.records import ANYTHING
from ...command import command
from ..faults import faults, faulty
from .factory import (
    LogFactory,
    Sentence,
    check,
    delta,
    draft,
    drafts,
    everything,
    heads,
    opened,
    outcome,
    places,
    post,
    refusal,
)


async def an_answer_tells_where_the_event_is(factory: LogFactory) -> None:
    async with factory() as log:
        assert await log.submit(command("session.open")) == places(1, 1)
        assert await log.submit(command("session.open", "s-2")) == places(1, 2)
        assert await log.append(drafts("s-1", draft(), draft())) == places(2, 3, 2)
        assert log.position == 4
        assert [record.type for record in await check(log)] == [
            "session.opened",
            "session.opened",
            "x.noted",
            "x.noted",
        ]


async def versions_are_dense_and_positions_contiguous_with_any_writers(factory: LogFactory) -> None:
    async with factory() as log:
        sessions = [f"s-{number}" for number in range(5)]
        await opened(log, *sessions)

        async def write(writer: int) -> None:
            for number in range(20):
                session = sessions[(writer + number) % 5]
                if number % 3:
                    await log.submit(post(f"m-{writer}-{number}", session))
                else:
                    await log.append(drafts(session, draft(), draft()))

        await asyncio.gather(*map(write, range(8)))
        assert len(await check(log)) == 5 + 8 * (13 + 7 * 2)


async def requests_of_a_session_are_decided_in_the_order_of_submission(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        answers = [log.submit(command("message.start", message="m"))]
        for index in range(100):
            answers.append(log.submit(delta(index)))
            if index % 10 == 0:
                answers.append(log.append(drafts("s-1")))
        answers.append(log.submit(command("message.complete", message="m", deltas=100)))
        results = await asyncio.gather(*answers)
        assert [result.versions[0] for result in results] == [*range(2, len(results) + 2)]
        await check(log)


async def requests_keep_their_order_while_their_session_is_read(factory: LogFactory) -> None:
    async with factory(faulty, cached_sessions=1) as log:
        await opened(log, "s-1", "s-2")
        await log.state("s-2")
        async with faults(log).reads_held() as gate:
            answers = [log.submit(command("message.start", message="m"))]
            await gate.reached()
            answers += [log.submit(delta(0)), log.append(drafts("s-1")), log.submit(delta(1))]
            assert (await log.submit(post("m", "s-2"))).versions == (2,)
        assert [(await answer).versions for answer in answers] == [(2,), (3,), (4,), (5,)]
        await check(log)


async def what_comes_back_from_a_batch_stays_before_what_is_parked(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        async with faults(log).reads_held() as gate:
            answers = [log.append(drafts("s-1", first_version=version)) for version in (1, 1)]
            answers += [log.append(drafts("s-1")), log.submit(command("session.open"))]
            await gate.reached()
            await answers[0]
            await asyncio.sleep(0)
        assert isinstance(await refusal(answers[1]), Conflict)
        assert [(await answer).versions for answer in answers[2:]] == [(2,), (3,)]


async def a_batch_is_written_by_one_commit(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            first = log.submit(post("m-0"))
            await gate.reached()
            answers = [log.submit(post(f"m-{number}")) for number in range(1, 50)]
        await asyncio.gather(first, *answers)
        assert [len(batch.records) for batch in faults(log).batches] == [1, 1, 49]


async def a_batch_is_bounded_by_events_as_well(factory: LogFactory) -> None:
    """A few requests that bring thousands of events each must not hold everything up together."""
    async with factory(faulty) as log:
        async with faults(log).writes_held() as gate:
            first = log.append(drafts("s-1"))
            await gate.reached()
            answers = [log.append(drafts(f"s-{number}", *[draft()] * 1500)) for number in range(9)]
        await asyncio.gather(first, *answers)
        assert [len(batch.records) for batch in faults(log).batches] == [1, 4500, 4500, 4500]


# -- Refusals ----------------------------------------------------------------------------------------------------------


async def a_refused_request_writes_nothing_and_fails_nobody_else(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        async with faults(log).writes_held() as gate:
            first = log.submit(post("m-1"))
            await gate.reached()
            answers = [log.submit(post(message)) for message in ("m-2", "m-1", "m-3")]
            answers += [log.submit(post("m-1", "s-9")), log.submit(post("m-4"))]
        assert await first == places(2, 2)
        results = [await outcome(answer) for answer in answers]
        assert [results[0], results[2], results[4]] == [places(3, 3), places(4, 4), places(5, 5)]
        assert isinstance(results[1], Conflict)
        assert isinstance(results[3], NotFound)
        assert len(await check(log)) == 5


async def a_request_is_decided_against_what_is_before_it_in_its_batch(factory: LogFactory) -> None:
    async with factory() as log:
        answers = [
            log.submit(post("m-1")),
            log.submit(command("session.open")),
            log.submit(post("m-1")),
            log.submit(command("session.close")),
            log.submit(post("m-2")),
        ]
        results = [await outcome(answer) for answer in answers]
        assert [getattr(result, "code", "written") for result in results] == [
            "not_found",
            "written",
            "written",
            "written",
            "session_closed",
        ]
        await check(log)


async def drafts_of_one_append_are_written_together_or_not_at_all(factory: LogFactory) -> None:
    async with factory() as log:
        await log.append(drafts("s-1", draft(key="k-1")))
        for twins in ((draft(key="k-2"), draft(key="k-2")), (draft(key="k-3"), draft(key="k-1"))):
            assert isinstance(await refusal(log.append(drafts("s-1", *twins))), Conflict)
        assert await log.append(drafts("s-1", draft(key="k-2"), draft(key="k-3"))) == places(2, 2, 2)
        await check(log)


async def appends_to_several_sessions_are_written_together_or_not_at_all(factory: LogFactory) -> None:
    async with factory() as log:
        await log.append(drafts("s-1", draft("task:t-1")))
        stale = drafts("s-1", expect={"task:t-1": 0})
        assert isinstance(await refusal(log.append_together([drafts("s-2"), stale])), Conflict)
        fresh = drafts("s-1", expect={"task:t-1": 1})
        answer = await log.append_together([drafts("s-2"), fresh, drafts("s-2", draft(), draft())])
        assert (answer.versions, answer.positions) == ((1, 2, 2, 3), (2, 3, 4, 5))
        await check(log)


# -- Expectations ------------------------------------------------------------------------------------------------------


async def an_expectation_that_is_not_met_tells_the_head(factory: LogFactory) -> None:
    async with factory() as log:
        await log.append(drafts("s-1", draft(), draft("task:t-1")))
        for expected in (0, 1, 3):
            error = await refusal(log.append(drafts("s-1", expect={"task:t-1": expected})))
            assert isinstance(error, Conflict)
            assert (error.extra["subject"], error.extra["version"]) == ("task:t-1", 2)
        assert await log.append(drafts("s-1", expect={"task:t-1": 2, "task:t-2": 0, ANYTHING: 2})) == places(3, 3)
        assert isinstance(await refusal(log.append(drafts("s-1", expect={ANYTHING: 2}))), Conflict)


async def a_command_can_expect_as_well(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        assert isinstance(await refusal(log.submit(post("m-1"), expect=heads({"message:m-1": 1}))), Conflict)
        assert await log.submit(post("m-1"), expect=heads({"message:m-1": 0, ANYTHING: 1})) == places(2, 2)


async def who_touches_another_subject_does_not_conflict(factory: LogFactory) -> None:
    async with factory() as log:
        tasks = [f"task:t-{number}" for number in range(20)]
        answers = [log.append(drafts("s-1", draft(task), expect={task: 0})) for task in tasks]
        await asyncio.gather(*answers)
        await check(log)


async def of_those_who_race_for_a_subject_one_wins(factory: LogFactory) -> None:
    async with factory() as log:
        racing = [log.append(drafts("s-1", draft("task:t"), expect={"task:t": 0})) for _ in range(10)]
        results = [await outcome(answer) for answer in racing]
        assert results[0] == places(1, 1)
        assert all(isinstance(result, Conflict) and result.extra["version"] == 1 for result in results[1:])
        assert len(await check(log)) == 1


async def an_event_can_be_about_several_subjects(factory: LogFactory) -> None:
    async with factory() as log:
        both = draft("state:/a")._replace(also=("state:/b",))
        await log.append(drafts("s-1", both))
        for subject in ("state:/a", "state:/b"):
            assert isinstance(await refusal(log.append(drafts("s-1", expect={subject: 0}))), Conflict)


# -- Explicit places ---------------------------------------------------------------------------------------------------


async def explicit_versions_must_be_free_and_need_not_follow(factory: LogFactory) -> None:
    async with factory() as log:
        assert (await log.append(drafts("s-1", draft(), draft(), first_version=5))).versions == (5, 6)
        assert (await log.append(drafts("s-1"))).versions == (7,)
        for first in (4, 5, 6, 7):
            error = await refusal(log.append(drafts("s-1", draft(), draft(), first_version=first)))
            assert isinstance(error, Conflict)
        assert (await log.append(drafts("s-1", draft(), first_version=0))).versions == (0,)
        assert (await log.append(drafts("s-1", draft("task:t"), draft(), first_version=2))).versions == (2, 3)
        assert (await log.append(drafts("s-1", expect={ANYTHING: 7}))).versions == (8,)
        found = await log.engine.read_session("s-1", -1, 100)
        assert [record.version for record in found] == [0, 2, 3, 5, 6, 7, 8]
        assert [record.position for record in await everything(log)] == [*range(1, 8)]


async def of_those_who_race_for_a_version_one_wins(factory: LogFactory) -> None:
    async with factory() as log:
        racing = [log.append(drafts("s-1", draft(), draft(), first_version=1)) for _ in range(5)]
        racing.append(log.append_together([drafts("s-2"), drafts("s-1", first_version=2)]))
        results = [await outcome(answer) for answer in racing]
        assert results[0] == places(1, 1, 2)
        assert all(isinstance(result, Conflict) for result in results[1:])
        assert len(await check(log)) == 2


async def two_events_cannot_ask_for_one_place(factory: LogFactory) -> None:
    async with factory() as log:
        twins = [drafts("s-1", first_version=1), drafts("s-1", first_version=1)]
        assert isinstance(await refusal(log.append_together(twins)), Conflict)
        assert await everything(log) == []


async def what_fills_a_hole_is_folded_in(factory: LogFactory) -> None:
    """An import may arrive in pieces. The state at hand must not stay without the earlier piece."""
    async with factory() as log:
        await log.append(drafts("s-1", first_version=2))
        assert (await log.state("s-1")).version == 2
        envelope = b'{"id":"e","type":"session.opened","time":"2026-01-01T00:00:00.000000Z","actor":"a","data":{}}'
        opening = draft("session", type="session.opened")._replace(data=envelope)
        await log.append(drafts("s-1", opening, first_version=1))
        assert (await log.state("s-1")).session.status == "open"
        assert await log.submit(post("m")) == places(3, 3)


# -- Trackings ---------------------------------------------------------------------------------------------------------


async def a_tracking_advances_with_its_events_or_not_at_all(factory: LogFactory) -> None:
    async with factory() as log:
        await log.append(drafts("s-1", tracking=("p", 5)))
        for behind in (4, 5):
            assert isinstance(await refusal(log.append(drafts("s-1", tracking=("p", behind)))), Conflict)
        stale = drafts("s-1", tracking=("p", 6), expect={ANYTHING: 0})
        assert isinstance(await refusal(log.append(stale)), Conflict)
        assert await log.engine.read_tracking("p") == 5
        assert await log.append(drafts("s-1", tracking=("p", 6))) == places(2, 2)
        assert await log.engine.read_tracking("p") == 6


async def of_those_who_race_with_a_tracking_one_wins(factory: LogFactory) -> None:
    """That is what makes a projection's effects happen exactly once."""
    async with factory() as log:
        racing = [log.append(drafts(f"s-{number}", tracking=("p", 1))) for number in range(5)]
        results = [await outcome(answer) for answer in racing]
        assert results[0] == places(1, 1)
        assert all(isinstance(result, Conflict) for result in results[1:])
        assert len(await check(log)) == 1


ALL: tuple[Sentence, ...] = (
    an_answer_tells_where_the_event_is,
    versions_are_dense_and_positions_contiguous_with_any_writers,
    requests_of_a_session_are_decided_in_the_order_of_submission,
    requests_keep_their_order_while_their_session_is_read,
    what_comes_back_from_a_batch_stays_before_what_is_parked,
    a_batch_is_written_by_one_commit,
    a_batch_is_bounded_by_events_as_well,
    a_refused_request_writes_nothing_and_fails_nobody_else,
    a_request_is_decided_against_what_is_before_it_in_its_batch,
    drafts_of_one_append_are_written_together_or_not_at_all,
    appends_to_several_sessions_are_written_together_or_not_at_all,
    an_expectation_that_is_not_met_tells_the_head,
    a_command_can_expect_as_well,
    who_touches_another_subject_does_not_conflict,
    of_those_who_race_for_a_subject_one_wins,
    an_event_can_be_about_several_subjects,
    explicit_versions_must_be_free_and_need_not_follow,
    of_those_who_race_for_a_version_one_wins,
    two_events_cannot_ask_for_one_place,
    what_fills_a_hole_is_folded_in,
    a_tracking_advances_with_its_events_or_not_at_all,
    of_those_who_race_with_a_tracking_one_wins,
)
