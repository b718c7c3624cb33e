"""Repeats: what was accepted once is answered with its first places, whenever and however it comes again."""

import asyncio

from ....domain.errors import Conflict, StaleProducer
from ....domain.ids import Version
from ....log.log import Log
from ....log.records import Appended, Producer
from ...command import command
from ..faults import faults, faulty
from .factory import (
    LogFactory,
    Sentence,
    check,
    delta,
    draft,
    drafts,
    opened,
    outcome,
    places,
    post,
    refusal,
    restarted,
)


def _again(result: Appended) -> Appended:
    return result._replace(repeated=True)


# -- By key ------------------------------------------------------------------------------------------------------------


async def a_repeated_command_gets_its_first_places(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        said = command("state.merge", patch={"n": 1})
        first = await log.submit(said)
        assert first == places(2, 2)
        assert await log.submit(said) == _again(first)
        await log.submit(post("m-1"))
        assert await log.submit(said) == _again(first)
        assert len(await check(log)) == 3


async def a_command_repeated_in_its_batch_gets_its_first_places(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        await opened(log)
        said = post("m-1", id="c")
        async with faults(log).writes_held() as gate:
            before = log.submit(post("m-0"))
            await gate.reached()
            answers = [log.submit(said) for _ in range(5)]
            behind = log.submit(post("m-2"))
        await before
        assert await asyncio.gather(*answers) == [places(3, 3), *[_again(places(3, 3))] * 4]
        assert (await behind).versions == (4,)
        assert len(await check(log)) == 4


async def a_command_repeated_after_a_restart_gets_its_first_places(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        said = post("m-1")
        first = await log.submit(said)
        await log.submit(post("m-2"))
        async with restarted(factory, log) as later:
            assert await later.submit(said) == _again(first)
            assert len(await check(later)) == 3


async def a_repeated_command_that_would_be_refused_now_gets_its_first_places(factory: LogFactory) -> None:
    async with factory() as log:
        opening, said = command("session.open"), post("m-1")
        results = [await log.submit(each) for each in (opening, said, command("session.close"))]
        assert await log.submit(said) == _again(results[1])
        assert await log.submit(opening) == _again(results[0])
        assert await log.submit(said, expect={"message:m-1": Version(7)}) == _again(results[1])
        assert len(await check(log)) == 3


async def an_id_that_another_participant_has_used_is_refused(factory: LogFactory) -> None:
    """Whoever is told that a command was done before must have given it: otherwise what they said is lost."""
    async with factory() as log:
        await opened(log)
        first = await log.submit(command("state.merge", id="hello", patch={"n": 1}))
        merging = log.submit(command("state.merge", by="ana", kind="user", id="hello", patch={"n": 2}))
        beside = log.submit(post("m-1"))
        refused = await refusal(merging)
        assert (refused.code, refused.extra) == ("conflict", {"key": "hello"})
        assert await beside == places(3, 3)
        assert await log.submit(command("state.merge", id="hello", patch={"n": 1})) == _again(first)
        assert len(await check(log)) == 3


async def a_refused_command_is_decided_again_when_it_comes_again(factory: LogFactory) -> None:
    async with factory() as log:
        said = post("m-1")
        assert (await refusal(log.submit(said))).code == "not_found"
        await opened(log)
        assert await log.submit(said) == places(2, 2)


async def a_repeat_does_not_fail_its_batch(factory: LogFactory) -> None:
    """The rules accept the repeats here; only the storage knows their keys."""
    async with factory(faulty) as log:
        await opened(log)
        repeated = [command("state.merge", patch={"n": number}) for number in range(3)]
        firsts = [await log.submit(each) for each in repeated]
        async with faults(log).writes_held() as gate:
            before = log.submit(post("m-0"))
            await gate.reached()
            answers = [log.submit(each) for each in (repeated[0], post("m-1"), *repeated[1:], post("m-2"))]
        await before
        results = [await answer for answer in answers]
        assert results == [_again(firsts[0]), places(6, 6), _again(firsts[1]), _again(firsts[2]), places(7, 7)]
        await check(log)


async def a_key_is_of_one_session_only(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log, "s-1", "s-2")
        said = [post("m", session, id="c") for session in ("s-1", "s-2")]
        firsts = [await log.submit(each) for each in said]
        assert [await log.submit(each) for each in said] == [_again(first) for first in firsts]


async def a_repeated_append_gets_its_first_places(factory: LogFactory) -> None:
    async with factory() as log:
        append = drafts("s-1", draft(key="k"), draft(), draft(key="k-2"))
        first = await log.append(append)
        await log.append(drafts("s-1"))
        assert [await log.append(append) for _ in range(2)] == [_again(first)] * 2
        assert await log.append(drafts("s-1", draft(key="k"), draft(), draft(), expect={"custom": 9})) == _again(first)
        assert len(await check(log)) == 4


async def a_key_that_another_event_has_is_refused(factory: LogFactory) -> None:
    async with factory() as log:
        await log.append(drafts("s-1", draft(key="k"), draft()))
        for append in (drafts("s-1", draft(), draft(key="k")), drafts("s-1", draft(key="k"), first_version=3)):
            error = await refusal(log.append(append))
            assert isinstance(error, Conflict)
            assert error.extra["key"] == "k"
        await log.append(drafts("s-1"))
        assert len(await check(log)) == 3


# -- By index ----------------------------------------------------------------------------------------------------------


async def a_repeated_delta_gets_its_first_place(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.submit(command("message.start", message="m"))
        firsts = [await log.submit(delta(index)) for index in range(5)]
        assert [await log.submit(delta(index)) for index in (4, 0, 2)] == [_again(firsts[each]) for each in (4, 0, 2)]
        racing = [log.submit(delta(index)) for index in (5, 5, 3, 6, 5)]
        results = [await answer for answer in racing]
        assert [result.versions for result in results] == [(8,), (8,), (6,), (9,), (8,)]
        assert (await refusal(log.submit(delta(9)))).extra["expected"] == 7
        await log.submit(command("message.complete", message="m"))
        assert await log.submit(delta(1)) == _again(firsts[1])
        await check(log)


async def looking_up_a_repeat_holds_nobody_up(factory: LogFactory) -> None:
    """A flood of repeats costs reads; what is new goes on meanwhile."""
    async with factory(faulty) as log:
        await opened(log)
        await log.submit(command("message.start", message="m"))
        await log.submit(delta(0))
        async with faults(log).reads_held() as gate:
            repeated = log.submit(delta(0))
            await gate.reached()
            assert (await log.submit(delta(1))).versions == (4,)
            assert not repeated.done()
        assert (await repeated).versions == (3,)


# -- By a producer's count ---------------------------------------------------------------------------------------------


def _produce(log: Log, epoch: int, seq: int) -> "asyncio.Future[Appended]":
    return log.append(drafts("s-1", producer=Producer("p", epoch, seq)))


async def a_producers_repeat_is_recognised(factory: LogFactory) -> None:
    async with factory() as log:
        results = [await _produce(log, 1, seq) for seq in (0, 1, 1, 0, 2)]
        assert [result.repeated for result in results] == [False, False, True, True, False]
        racing = await asyncio.gather(*[_produce(log, 1, seq) for seq in (3, 3, 4, 3)])
        assert [result.repeated for result in racing] == [False, True, False, True]
        assert len(await check(log)) == 5


async def a_producers_repeat_is_not_mistaken_for_what_fails_its_batch(factory: LogFactory) -> None:
    async with factory(faulty) as log:
        append = drafts("s-1", first_version=1, producer=Producer("p", 1, 0))
        await log.append(append)
        async with faults(log).writes_held() as gate:
            before = log.append(drafts("s-2"))
            await gate.reached()
            answers = [log.append(append), log.append(drafts("s-1", first_version=1))]
        await before
        assert (await answers[0]).repeated
        assert isinstance(await refusal(answers[1]), Conflict)


async def a_gap_in_a_producers_count_is_refused(factory: LogFactory) -> None:
    async with factory() as log:
        await _produce(log, 1, 0)
        error = await refusal(_produce(log, 1, 2))
        assert isinstance(error, Conflict)
        assert error.extra["expected"] == 1
        results = [await outcome(answer) for answer in [_produce(log, 1, seq) for seq in (1, 2, 4)]]
        assert [isinstance(result, Conflict) for result in results] == [False, False, True]
        assert len(await check(log)) == 3


async def an_older_epoch_is_fenced(factory: LogFactory) -> None:
    async with factory() as log:
        await _produce(log, 1, 0)
        await _produce(log, 2, 0)
        error = await refusal(_produce(log, 1, 1))
        assert isinstance(error, StaleProducer)
        assert error.extra["epoch"] == 2
        answers = [_produce(log, 3, 0), _produce(log, 2, 1)]
        results = [await outcome(answer) for answer in answers]
        assert [isinstance(result, StaleProducer) for result in results] == [False, True]
        assert len(await check(log)) == 3


async def a_producer_is_remembered_after_a_restart(factory: LogFactory) -> None:
    async with factory() as log:
        for seq in range(3):
            await _produce(log, 1, seq)
        async with restarted(factory, log) as later:
            assert (await _produce(later, 1, 2)).repeated
            assert isinstance(await refusal(_produce(later, 1, 4)), Conflict)
            assert not (await _produce(later, 1, 3)).repeated
            assert isinstance(await refusal(_produce(later, 0, 0)), StaleProducer)
            assert len(await check(later)) == 4


async def a_producer_is_of_one_session_only(factory: LogFactory) -> None:
    async with factory() as log:
        for session in ("s-1", "s-2"):
            await log.append(drafts(session, producer=Producer("p", 1, 0)))
        assert len(await check(log)) == 2


async def a_producer_can_send_commands(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        said = [command("state.merge", id="c", patch={"n": seq}) for seq in range(3)]
        for seq in (0, 1, 1, 2, 0):
            await log.submit(said[seq], producer=Producer("p", 1, seq))
        assert len(await check(log)) == 4


async def a_refused_command_leaves_its_place_in_the_count(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.submit(post("m-1"), producer=Producer("p", 1, 0))
        assert isinstance(await refusal(log.submit(post("m-1"), producer=Producer("p", 1, 1))), Conflict)
        assert (await log.submit(post("m-2"), producer=Producer("p", 1, 1))).versions == (3,)


async def _repeat_a_delta(log: Log) -> None:
    """The first append of producer p, of which the payload tells that it has been written."""
    await opened(log)
    await log.submit(command("message.start", message="m"))
    await log.submit(delta(0))
    assert (await log.submit(delta(0), producer=Producer("p", 0, 0))).repeated


async def a_repeated_delta_takes_its_place_in_the_count(factory: LogFactory) -> None:
    async with factory() as log:
        await _repeat_a_delta(log)
        assert not (await log.submit(delta(1), producer=Producer("p", 0, 1))).repeated


async def a_repeated_delta_keeps_its_place_in_the_count_after_a_restart(factory: LogFactory) -> None:
    async with factory() as log:
        await _repeat_a_delta(log)
        async with restarted(factory, log) as later:
            assert not (await later.submit(delta(1), producer=Producer("p", 0, 1))).repeated


ALL: tuple[Sentence, ...] = (
    a_repeated_command_gets_its_first_places,
    a_command_repeated_in_its_batch_gets_its_first_places,
    a_command_repeated_after_a_restart_gets_its_first_places,
    a_repeated_command_that_would_be_refused_now_gets_its_first_places,
    an_id_that_another_participant_has_used_is_refused,
    a_refused_command_is_decided_again_when_it_comes_again,
    a_repeat_does_not_fail_its_batch,
    a_key_is_of_one_session_only,
    a_repeated_append_gets_its_first_places,
    a_key_that_another_event_has_is_refused,
    a_repeated_delta_gets_its_first_place,
    looking_up_a_repeat_holds_nobody_up,
    a_producers_repeat_is_recognised,
    a_producers_repeat_is_not_mistaken_for_what_fails_its_batch,
    a_gap_in_a_producers_count_is_refused,
    an_older_epoch_is_fenced,
    a_producer_is_remembered_after_a_restart,
    a_producer_is_of_one_session_only,
    a_producer_can_send_commands,
    a_refused_command_leaves_its_place_in_the_count,
    a_repeated_delta_takes_its_place_in_the_count,
    a_repeated_delta_keeps_its_place_in_the_count_after_a_restart,
)
