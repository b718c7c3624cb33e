"""What came before is recognised by what it says, and what came later has the later time."""

from datetime import timedelta

from ....domain.ids import Version
from ....domain.model import TIMEKEEPER, Command
from ....domain.session import deadlines
from ....log.records import Appended, Producer
from ...command import command
from .factory import LogFactory, Sentence, check, delta, opened, post, refusal, restarted


def _again(result: Appended) -> Appended:
    return result._replace(repeated=True)


async def an_id_that_was_used_for_another_command_is_refused(factory: LogFactory) -> None:
    """A bug that gives one id to two commands must not have the second one taken for done."""
    async with factory() as log:
        await opened(log)
        said = command("state.merge", id="c", patch={"n": 1})
        first = await log.submit(said)
        for other in (
            command("state.merge", id="c", patch={"n": 2}),  # the rules would accept it
            command("state.merge", id="c", patch={"n": 1, "m": 1}),
            command("session.describe", id="c", title="n"),
            command("session.open", id="c"),  # and refuse it
        ):
            refused = await refusal(log.submit(other))
            assert (refused.code, refused.extra) == ("conflict", {"key": "c"})
        assert await log.submit(said) == _again(first)
        assert len(await check(log)) == 2


async def an_index_that_was_used_for_another_delta_is_refused(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.submit(command("message.start", message="m"))
        written = [await log.submit(delta(index)) for index in range(40)]
        for index in (0, 17, 39):
            other = command("message.delta", message="m", index=index, text="another")
            refused = await refusal(log.submit(other))
            assert (refused.code, refused.extra) == ("conflict", {"index": index})
            assert await log.submit(delta(index)) == _again(written[index])
        assert len(await check(log)) == 42


async def an_index_that_was_used_for_another_output_of_a_tool_is_refused(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.submit(command("tool.call", call="c", tool="bash"))
        outputs = [command("tool.output", call="c", index=index, text=f"{index}\n") for index in range(20)]
        written = [await log.submit(output) for output in outputs]
        for index in (0, 7, 19):
            other = command("tool.output", call="c", index=index, text="another")
            refused = await refusal(log.submit(other))
            assert (refused.code, refused.extra) == ("conflict", {"index": index})
            assert await log.submit(outputs[index]) == _again(written[index])
        await log.submit(command("tool.return", call="c", deltas=20))
        assert await log.submit(outputs[7]) == _again(written[7])
        assert len(await check(log)) == 23


async def a_producers_last_number_with_another_command_is_refused(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        for seq in range(2):
            said = command("custom.record", type="x.n", data={"n": seq})
            await log.submit(said, producer=Producer("p", 1, seq))
        again, other = [command("custom.record", type="x.n", data={"n": n}) for n in (1, 2)]
        assert (await log.submit(again, producer=Producer("p", 1, 1))).repeated
        assert (await refusal(log.submit(other, producer=Producer("p", 1, 1)))).code == "conflict"
        await log.submit(post("m-1"))
        assert (await refusal(log.submit(other, producer=Producer("p", 1, 1)))).code == "conflict"
        assert (await log.submit(other, producer=Producer("p", 1, 2))).versions == (5,)


async def a_repeated_delta_is_answered_with_all_that_followed(factory: LogFactory) -> None:
    """Whoever goes on with a task recovers from a stall, in the same commit."""
    async with factory() as log:
        await opened(log)
        await log.submit(command("presence.join"))
        await log.submit(command("task.create", task="t", title="T", stall_after=5))
        await log.submit(command("task.claim", task="t"))
        begun = command("message.start", message="m")._replace(task="t", attempt=1)
        await log.submit(begun)
        (stall,) = [each for each in deadlines(await log.state("s-1")) if "stall" in each.id]
        await log.submit(Command(stall.id, "s-1", TIMEKEEPER, stall.when, stall.data))
        goes_on = delta(0)._replace(time=stall.when)
        first = await log.submit(goes_on)
        assert len(first.versions) == 2
        await log.submit(delta(1)._replace(time=stall.when))
        assert await log.submit(goes_on) == _again(first)


# -- Time --------------------------------------------------------------------------------------------------------------


async def the_times_of_a_session_never_go_back(factory: LogFactory) -> None:
    """Clocks are set back, and those of two gateways differ: who asks for a moment must find what was known then."""
    async with factory() as log:
        await opened(log)
        now = command("session.open").time
        for number, minutes in enumerate((5, 3, -10, 6)):
            later = now + timedelta(minutes=minutes)
            await log.submit(post(f"m-{number}")._replace(time=later))
        async with restarted(factory, log) as again:
            await again.submit(post("m-9")._replace(time=now))
            times = [record.time for record in await check(again)]
        minutes_after = [(each - times[0]) // 60_000_000 for each in times]
        assert minutes_after == [0, 5, 5, 5, 6, 6]


async def what_is_expected_of_a_hidden_subject_is_not_told(factory: LogFactory) -> None:
    async with factory() as log:
        await opened(log)
        await log.submit(command("message.start", message="m", audience=["agents"]))
        asked = {"message:m": Version(9)}
        for by, extra in (("flights", {"version": 2}), ("ada", {})):
            said = command("session.describe", by=by, kind="user" if by == "ada" else "agent", title="T")
            refused = await refusal(log.submit(said, expect=asked))
            assert (refused.code, refused.extra) == ("conflict", {"subject": "message:m", **extra})
            assert ("2" in refused.detail) == bool(extra)


ALL: tuple[Sentence, ...] = (
    an_id_that_was_used_for_another_command_is_refused,
    an_index_that_was_used_for_another_delta_is_refused,
    an_index_that_was_used_for_another_output_of_a_tool_is_refused,
    a_producers_last_number_with_another_command_is_refused,
    a_repeated_delta_is_answered_with_all_that_followed,
    what_is_expected_of_a_hidden_subject_is_not_told,
    the_times_of_a_session_never_go_back,
)
