"""Following and remembering: each event once, wherever it is read from; caches change nothing but the time it takes."""

import asyncio
from collections.abc import Sequence

from ....domain.ids import Position
from ....log.log import Log
from ....log.records import Record
from ...command import command
from ..faults import faults, faulty
from .factory import LogFactory, Sentence, check, delta, draft, drafts, everything, heads, opened, places, post


async def a_follower_gets_each_event_once_while_writers_race(factory: LogFactory) -> None:
    """A ring of 4 records: a slow reader has to read the storage, and to find back to the ring."""
    async with factory(ring_records=4) as log:
        await opened(log)
        followers = [asyncio.create_task(_follow(log, after, 100, pause=after % 3)) for after in (0, 0, 1, 5, 50)]
        await _write(log, 99)
        for after, follower in zip((0, 0, 1, 5, 50), followers, strict=True):
            assert await follower == (await everything(log))[after:]


async def a_follower_of_a_log_opened_for_reading_gets_each_event_once(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        async with factory.reader(log) as reader:
            follower = asyncio.create_task(_follow(reader, 0, 100))
            late = asyncio.create_task(_follow(reader, 60, 100))
            await _write(log, 99)
            assert await follower == await everything(log)
            assert await late == (await everything(log))[60:]
            assert reader.position == 100
            await check(reader)


async def a_reader_keeps_its_states_current(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log, "s-1", "s-2")
        async with factory.reader(log) as reader:
            assert (await reader.state("s-1")).version == 1
            for number in range(20):
                await log.submit(post(f"m-{number}"))
                await log.append(drafts("s-2"))
            await reader.hub.wait(Position(41))
            assert await reader.state("s-1") == await log.state("s-1")
            await check(reader)


async def waiting_for_a_position_ends_when_it_is_passed(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.hub.wait(Position(0))
        waits = [asyncio.create_task(log.hub.wait(Position(position))) for position in (1, 2, 3)]
        await log.submit(post("m-1"))
        await waits[0]
        await log.submit(post("m-2"))
        await waits[1]
        assert not waits[2].done()
        await log.append(drafts("s-1"))
        await waits[2]


async def the_hub_hears_of_an_event_before_its_writer_does(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        heard: list[Record] = []
        end = log.hub.listen(heard.extend)
        await log.submit(post("m-1"))
        assert [record.version for record in heard] == [2]
        end()
        await log.submit(post("m-2"))
        assert [record.version for record in heard] == [2]


# -- Caches ------------------------------------------------------------------------------------------------------------


async def forgetting_changes_nothing(factory: LogFactory) -> None:
    async with factory(cached_sessions=1) as log:
        sessions = [f"s-{number}" for number in range(6)]
        await opened(log, *sessions)

        async def write(session: str) -> None:
            await log.submit(command("message.start", session, message="m"))
            for index in range(10):
                await asyncio.gather(
                    log.submit(delta(index, session), expect=heads({"task:t": 0})),
                    log.append(drafts(session, expect={"task:t": 0})),
                    log.state(session),
                )

        await asyncio.gather(*map(write, sessions))
        assert len(await check(log)) == 6 * (2 + 20)


async def a_batch_may_touch_more_sessions_than_are_remembered(factory: LogFactory) -> None:
    async with factory(faulty, cached_sessions=2) as log:
        sessions = [f"s-{number}" for number in range(20)]
        await opened(log, *sessions)
        async with faults(log).writes_held() as gate:
            first = log.append(drafts("s-0"))
            await gate.reached()
            answers = [log.append(drafts(session, expect={"task:t": 0})) for session in sessions]
            answers += [log.submit(post("m", session), expect=heads({"message:m": 0})) for session in sessions]
        await asyncio.gather(first, *answers)
        assert len(await check(log)) == 61


async def a_state_that_was_read_before_a_commit_does_not_come_back_after_it(factory: LogFactory) -> None:
    async with factory(faulty, cached_sessions=1) as log:
        await opened(log, "s-1", "s-2")
        await log.state("s-2")
        async with faults(log).reads_held() as gate:
            reading = asyncio.create_task(log.state("s-1"))
            await gate.reached()
            await log.append(drafts("s-1"))
            await log.append(drafts("s-2"))
        assert (await reading).version == 2
        assert await log.submit(post("m")) == places(3, 5)
        await check(log)


async def a_restart_goes_on_where_it_was(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log, "s-1", "s-2")
        await _write(log, 30)
        before, epoch = await check(log), log.epoch
        await log.__aexit__()
        async with factory.again(log) as later:
            assert (later.epoch, later.position) == (epoch, 32)
            assert await check(later) == before
            assert (await later.submit(post("m-later"))).positions == (33,)


# -- Several writers ---------------------------------------------------------------------------------------------------


async def several_may_write_one_log(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log, "s-1", "s-2")
        async with factory.rival(log) as rival:
            follower = asyncio.create_task(_follow(rival, 0, 102))
            await asyncio.gather(_write(log, 50, "a"), _write(rival, 50, "b"))
            assert await follower == await everything(log)
            await rival.hub.wait(Position(101))
            await log.hub.wait(Position(101))
            assert len(await check(log)) == len(await check(rival)) == 102


async def a_writer_hears_of_the_others_without_writing(factory: LogFactory) -> None:
    async with factory() as log, factory.rival(log) as rival:
        await opened(log)
        await rival.hub.wait(Position(0))
        assert (await rival.state("s-1")).session.status == "open"


async def nothing_is_refused_for_what_another_has_written_meanwhile(factory: LogFactory) -> None:
    """Who has opened a session through one gateway may speak in it through another at once."""
    async with factory() as log, factory.rival(log) as rival:
        for number in range(20):
            session = f"s-{number}"
            assert (await rival.state(session)).session.status == "none"
            await opened(log, session)
            assert (await rival.submit(post("m", session))).versions == (2,)


async def a_command_repeated_elsewhere_gets_its_first_places(factory: LogFactory) -> None:
    async with factory() as log, factory.rival(log) as rival:
        await opened(log)
        said = [command("state.merge", patch={"n": number}) for number in range(20)]
        results = await asyncio.gather(*[each for one in said for each in (log.submit(one), rival.submit(one))])
        for first, second in zip(results[::2], results[1::2], strict=True):
            assert first.positions == second.positions
            assert first.repeated != second.repeated
        assert len(await check(log)) == 21


async def a_command_whose_first_comes_while_others_are_looked_up_gets_its_places(factory: LogFactory) -> None:
    """Found taken by a second look, without asking by whom, it would be refused as another participant's."""
    async with factory(faulty) as log, factory.rival(log) as rival:
        await opened(log)
        early, late = command("state.increment", path="/n"), command("state.increment", path="/n")
        first = await rival.submit(early)
        async with faults(log).lookups_held() as gate:
            answers = [log.submit(early), log.submit(late)]
            await gate.reached()
            second = await rival.submit(late)
        assert [await answer for answer in answers] == [each._replace(repeated=True) for each in (first, second)]
        assert len(await check(log)) == 3


async def an_append_whose_first_comes_while_others_are_looked_up_gets_its_places(factory: LogFactory) -> None:
    async with factory(faulty) as log, factory.rival(log) as rival:
        await opened(log)
        early, late = [drafts("s-1", draft(key=f"k{n}"), draft(key=f"l{n}"), first_version=2 * n) for n in (1, 2)]
        first = await rival.append(early)
        async with faults(log).lookups_held() as gate:
            answers = [log.append(early), log.append(late)]
            await gate.reached()
            second = await rival.append(late)
        assert [await answer for answer in answers] == [each._replace(repeated=True) for each in (first, second)]
        assert len(await check(log)) == 5


async def _write(log: Log, number: int, name: str = "m") -> None:
    """Commands and appends by five who race."""

    async def write(writer: int) -> None:
        for each in range(writer, number, 5):
            if each % 2:
                await log.submit(post(f"{name}-{each}"))
            else:
                await log.append(drafts("s-1"))

    await asyncio.gather(*map(write, range(5)))


async def _follow(log: Log, after: int, upto: int, pause: int = 0) -> Sequence[Record]:
    seen: list[Record] = []
    async with asyncio.timeout(20):
        async for records in log.follow(Position(after)):
            seen += records
            if seen[-1].position >= upto:
                break
            for _ in range(pause):
                await asyncio.sleep(0)
    return seen


ALL: tuple[Sentence, ...] = (
    a_follower_gets_each_event_once_while_writers_race,
    a_follower_of_a_log_opened_for_reading_gets_each_event_once,
    a_reader_keeps_its_states_current,
    waiting_for_a_position_ends_when_it_is_passed,
    the_hub_hears_of_an_event_before_its_writer_does,
    forgetting_changes_nothing,
    a_batch_may_touch_more_sessions_than_are_remembered,
    a_state_that_was_read_before_a_commit_does_not_come_back_after_it,
    a_restart_goes_on_where_it_was,
)

SHARED: tuple[Sentence, ...] = (
    several_may_write_one_log,
    a_writer_hears_of_the_others_without_writing,
    nothing_is_refused_for_what_another_has_written_meanwhile,
    a_command_repeated_elsewhere_gets_its_first_places,
    a_command_whose_first_comes_while_others_are_looked_up_gets_its_places,
    an_append_whose_first_comes_while_others_are_looked_up_gets_its_places,
)
