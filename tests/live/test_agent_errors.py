"""The loop of an agent survives the errors of its work: each ends an attempt, is kept with the task, and attempts are
bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Agent, ClaimedTask, Client, NotDone, Session
from stenogram.client.transport.backoff import Backoff
from stenogram.domain.errors import Busy, Conflict

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


class Broken(Exception):
    """What work fails with."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged but how attempts have ended."""
    yield
    said = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert not [each for each in said if ", attempt " not in each]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an agent has given back it claims again at once."""
    monkeypatch.setattr(Backoff, "next", lambda self, floor=0.0: 0.01)


@pytest.fixture
async def ann(gateway: Gateway) -> AsyncIterator[Session]:
    """The user `ann`, in the session."""
    async with (
        Client(gateway.url, participant="ann", kind="user") as client,
        client.session("trip", title="Lisbon in May") as session,
    ):
        yield session


@pytest.fixture
async def hotels(gateway: Gateway, ann: Session) -> AsyncIterator[Agent]:
    """The agent `hotels`, in the session."""
    async with Client(gateway.url, participant="hotels") as client, client.agent("Hotels", session="trip") as agent:
        yield agent


async def failed(ann: Session, task: str) -> str:
    """Wait until a task has failed; why."""
    async with asyncio.timeout(30):
        with pytest.raises(NotDone) as refusal:
            await ann.tasks.result(task)
    assert refusal.value.extra["status_now"] == "failed"
    return ann.tasks.known[task].last_error or ""


Loop = Callable[..., Any]


@pytest.fixture
async def working(hotels: Agent) -> AsyncIterator[Loop]:
    """Runs the loop of `hotels`, with its options, over work that breaks unless a task is easy; the tasks it got."""
    async with asyncio.TaskGroup() as group:
        loops = []

        def begin(**options: Any) -> list[ClaimedTask]:
            got: list[ClaimedTask] = []

            async def work() -> None:
                async for task in hotels.tasks(**options):
                    got.append(task)
                    async with task:
                        if task.title != "Easy":
                            raise Broken("the file /etc/key is empty")
                        await task.complete("done")

            loops.append(group.create_task(work()))
            return got

        yield begin
        for loop in loops:
            loop.cancel()


async def test_the_loop_goes_on_after_an_error(ann: Session, working: Loop, caplog: pytest.LogCaptureFixture) -> None:
    hard = await ann.tasks.create("Hard", priority=1)
    easy = await ann.tasks.create("Easy")
    got = working()
    assert await ann.tasks.result(easy) == "done"
    assert got[0].id == hard
    assert got[0].outcome == ("released", "Broken")
    record = next(each for each in caplog.records if each.name == "stenogram.client")
    assert record.getMessage() == f"Task {hard} (Hard), attempt 1, raised an error and is released"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Broken)


async def test_attempts_are_bounded_and_each_knows_why_the_last_one_failed(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard")
    got = working()
    assert await failed(ann, hard) == "Attempt 3 of 3 came to nothing: Broken"
    assert [(each.attempt, each.last_error) for each in got] == [(1, None), (2, "Broken"), (3, "Broken")]
    assert [each.outcome.kind for each in got] == ["released", "released", "failed"]


async def test_a_limit_of_the_tasks_own_counts(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard", max_attempts=5)
    got = working(max_attempts=1)
    assert await failed(ann, hard) == "Attempt 5 of 5 came to nothing: Broken"
    assert len(got) == 5


async def test_without_a_limit_it_is_tried_again_and_again(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard")
    got = working(max_attempts=None)
    async with asyncio.timeout(30):
        await ann.live.until(lambda: ann.tasks.known[hard].attempt > 5)
    assert all(each.outcome.kind == "released" for each in got[:5])


async def test_a_reroute_starts_the_count_again(ann: Session, working: Loop, hotels: Agent) -> None:
    hard = await ann.tasks.create("Hard")
    async with await anext(hotels.tasks()):
        raise Broken
    await ann.tasks.reroute(hard, input={"again": True})
    got = working(max_attempts=2)
    assert await failed(ann, hard) == "Attempt 2 of 2 came to nothing: Broken"
    assert [each.attempt for each in got] == [2, 3]


async def test_an_error_can_fail_the_task_at_once(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard")
    got = working(on_error="fail")
    assert await failed(ann, hard) == "Broken"
    assert [each.outcome for each in got] == [("failed", "Broken")]


async def test_an_error_can_be_raised(ann: Session, hotels: Agent) -> None:
    hard = await ann.tasks.create("Hard")

    async def work() -> None:
        async for task in hotels.tasks(on_error="raise"):
            async with task:
                raise Broken

    with pytest.raises(Broken):
        await work()
    async with asyncio.timeout(30):
        await ann.live.until(lambda: ann.tasks.known[hard].status == "open")
    assert ann.tasks.known[hard].last_error == "Broken"


async def test_the_text_of_an_error_is_recorded_when_that_is_wanted(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard")
    working(on_error="fail", error_text=lambda error: f"{error} \udc80 {'x' * 1000}")
    said = await failed(ann, hard)
    assert said.startswith("the file /etc/key is empty \\udc80 xxx")
    assert len(said) == 500


async def test_a_text_that_cannot_be_made_leaves_the_name(ann: Session, working: Loop) -> None:
    hard = await ann.tasks.create("Hard")
    logging.getLogger("stenogram.client").addFilter(_about_texts)
    try:
        working(on_error="fail", error_text=lambda error: error.args[7])
        assert await failed(ann, hard) == "Broken"
    finally:
        logging.getLogger("stenogram.client").removeFilter(_about_texts)


def _about_texts(record: logging.LogRecord) -> bool:
    return "error_text" not in record.getMessage()


async def test_an_error_after_the_end_of_a_task_changes_nothing_of_it(ann: Session, hotels: Agent) -> None:
    await ann.tasks.create("Easy")
    async with await anext(hotels.tasks()) as task:
        await task.complete("done")
        raise Broken
    assert task.outcome == ("completed", None)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
async def test_what_ends_the_program_ends_the_loop(ann: Session, hotels: Agent, error: type[BaseException]) -> None:
    hard = await ann.tasks.create("Hard")
    ended = False
    try:
        async with await anext(hotels.tasks()):
            raise error
    except error:
        ended = True
    assert ended
    async with asyncio.timeout(30):
        await ann.live.until(lambda: ann.tasks.known[hard].status == "open")


async def test_a_refusal_in_the_block_is_such_an_error(ann: Session, hotels: Agent) -> None:
    hard = await ann.tasks.create("Hard")
    async with await anext(hotels.tasks()):
        await hotels.session.do("message.post", {"message": "m1"})
    async with asyncio.timeout(30):
        await ann.live.until(lambda: ann.tasks.known[hard].status == "open")
    assert "text" in (ann.tasks.known[hard].last_error or "")


async def test_a_task_is_given_back_though_the_gateway_is_busy(
    ann: Session, hotels: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = await ann.tasks.create("Hard")
    submit, refusals = hotels.session.commands.submit, [Busy("Not now.", retry_after=0.01) for _ in range(3)]

    def busy(session: str, do: str, data: Any, **more: Any) -> Any:
        if do != "task.release" or not refusals:
            return submit(session, do, data, **more)
        answer = asyncio.get_running_loop().create_future()
        answer.set_exception(refusals.pop())
        return answer

    monkeypatch.setattr(hotels.session.commands, "submit", busy)
    async with await anext(hotels.tasks()):
        raise Broken
    async with asyncio.timeout(30):
        await ann.live.until(lambda: ann.tasks.known[hard].status == "open")
    assert not refusals


async def test_what_cannot_be_meant_is_refused_at_once(hotels: Agent) -> None:
    with pytest.raises(ValueError, match="'release', 'fail' or 'raise', not 'ignore'"):
        hotels.tasks(on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1, or None"):
        hotels.tasks(max_attempts=0)


async def test_a_planner_that_creates_its_task_again_learns_how(ann: Session) -> None:
    await ann.tasks.create("Find a hotel", task="hotel")
    with pytest.raises(Conflict, match="give it a `dedupe_key`"):
        await ann.tasks.create("Find a hotel", task="hotel")
