"""What a task says is to become of it happens over the wire: by the gateway's clock, and to those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.wire import Frame, Wire

from stenogram.client import Agent, ApprovalAnswer, Client, NotDone, Session
from stenogram.domain.concepts.messages import MessageCompleted
from stenogram.domain.errors import Invalid
from stenogram.domain.parts import text_of

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

Open = Callable[..., Awaitable[Wire]]


async def done(wire: Wire, do: str, data: Any, **more: Any) -> Frame:
    """Carry out a command, which must be accepted."""
    answer = await wire.command("s", do, data, **more)
    assert answer["frame"] == "ack", answer
    return answer


async def refused(wire: Wire, do: str, data: Any, **more: Any) -> Any:
    """The problem that a command meets."""
    answer = await wire.command("s", do, data, **more)
    assert answer["frame"] == "refused", answer
    return answer["error"]


@pytest.fixture
async def ada(connect: Open, wire: Wire) -> Wire:
    """A person who looks on; `wire` is hotels."""
    ada = await connect("ada", "user")
    await ada.subscribe("s", session="s")
    return ada


def heard(ada: Wire) -> list[tuple[str, Any]]:
    """What has happened of itself."""
    events = ada.followers["s", "s"].events
    return [(event["type"], event["data"]) for event in events if event["actor"] == "stenogram"]


async def test_what_has_its_time_happens_by_the_gateways_clock(wire: Wire, ada: Wire) -> None:
    policies: dict[str, dict[str, Any]] = {
        "late": {"within": 0.5},
        "held": {"within": 4},
        "rests": {"backoff": 4},
        "waits": {"assignee": "nobody", "assignee_timeout": 4},
        "slow": {"stall_after": 4, "on_stall": "release", "max_attempts": 1},
        "quiet": {"stall_after": 4, "on_stall": "nothing"},
    }
    for task, more in policies.items():
        await done(ada, "task.create", {"task": task, "title": "T", **more})
    await done(wire, "presence.join", {"lease": 60})
    for task in ("held", "rests", "slow", "quiet"):
        await done(wire, "task.claim", {"task": task})
    await done(wire, "task.fail", {"task": "rests", "attempt": 1, "error": "E", "retryable": True})
    assert (await refused(wire, "task.claim", {"task": "rests"}))["not_before"]
    assert (await refused(wire, "task.claim", {"task": "waits"}))["code"] == "forbidden"
    await ada.until(lambda: len(heard(ada)) == 5, 30)
    happened = {data["task"]: (type, data.get("why")) for type, data in heard(ada)}
    assert happened == {
        "late": ("task.failed", "deadline"),
        "held": ("task.failed", "deadline"),
        "rests": ("task.ready", None),
        "waits": ("task.released", "assignee-timeout"),
        "slow": ("task.failed", "attempts"),
    }
    await done(wire, "task.claim", {"task": "rests"})
    await done(wire, "task.claim", {"task": "waits"})
    for task in ("held", "slow"):
        assert (await refused(wire, "task.complete", {"task": task, "attempt": 1}))["code"] == "fenced"
    await asyncio.sleep(1)
    assert len(heard(ada)) == 5


async def test_what_is_written_under_a_paused_task_is_refused_with_a_code(wire: Wire, ada: Wire) -> None:
    await done(ada, "task.create", {"task": "t-1", "title": "T"})
    await done(wire, "task.claim", {"task": "t-1"})
    under = {"task": "t-1", "attempt": 1}
    await done(wire, "message.start", {"message": "m1"}, under=under)
    await done(ada, "signal.raise", {"signal": "s1", "kind": "pause", "target": "task:t-1"})
    problems = [
        await refused(wire, "state.merge", {"patch": {"a": 1}}, under=under),
        await refused(wire, "message.delta", {"message": "m1", "index": 0, "text": "The"}),
        await refused(wire, "task.complete", under),
    ]
    for problem in problems:
        assert (problem["code"], problem["status"], problem["signal"]) == ("paused", 409, "s1")
        assert problem["retry_after"] > 0
    await done(ada, "signal.raise", {"signal": "s2", "kind": "resume", "target": "task:t-1"})
    await done(wire, "message.delta", {"message": "m1", "index": 0, "text": "The"})
    await done(wire, "task.complete", under)


# -- by the client


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[Callable[..., Any]]:
    """Brings people and agents in, each with a client of its own."""
    async with AsyncExitStack() as stack:

        async def client(name: str, kind: Any = "agent") -> Client:
            return await stack.enter_async_context(Client(gateway.url, participant=name, kind=kind))

        yield client


@pytest.fixture
async def ann(people: Any) -> AsyncIterator[Session]:
    """The user `ann`, in the session."""
    async with (await people("ann", "user")).session("trip") as session:
        yield session


@pytest.fixture
async def hotels(people: Any, ann: Session) -> AsyncIterator[Agent]:
    """The agent `hotels`, in the session."""
    async with (await people("hotels")).agent("Hotels", session="trip") as agent:
        yield agent


async def test_a_pause_that_is_heard_too_late_loses_nothing(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with asyncio.timeout(40), await anext(hotels.tasks()) as task:
        async with hotels.say() as message:
            await message.write("Casa")
            hotels.session.live.ignore(hotels._signals._on_change)  # the news does not come yet
            await ann.signals.pause(f"task:{id}")
            await message.write(" Azul")
            merging = asyncio.create_task(hotels.state.merge({"hotel": "Casa Azul"}))
            await asyncio.sleep(0.3)
            assert not merging.done()
            await ann.signals.resume(f"task:{id}")
            await merging
        hotels.session.live.listen(hotels._signals._on_change)
        await ann.signals.pause(f"task:{id}")
        completing = asyncio.create_task(task.complete())
        await asyncio.sleep(0.3)
        assert ann.tasks.known[id].status == "claimed"
        await ann.signals.resume(f"task:{id}")
        await completing
    assert task.outcome is not None
    assert task.outcome.kind == "completed"
    events = [event.data async for event in ann.events(follow=False)]
    completed = next(data for data in events if isinstance(data, MessageCompleted))
    assert text_of(completed.parts) == "Casa Azul"


async def test_tasks_are_claimed_by_priority_and_then_by_age(hotels: Agent, ann: Session) -> None:
    for title, priority in (("old", 0), ("older", 0), ("urgent", 5), ("idle", -5)):
        await ann.tasks.create(title, priority=priority)
    await hotels.session.live.reached(ann.live.version)
    order = []
    async for task in hotels.tasks():
        async with task:
            order.append(task.title)
            await task.complete()
        if len(order) == 4:
            break
    assert order == ["urgent", "old", "older", "idle"]


async def test_the_next_attempt_knows_what_went_wrong_and_what_was_said(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel", backoff=0.5, max_attempts=2)
    claims = hotels.tasks()
    async with await anext(claims) as task:
        assert (task.last_error, task.steers) == (None, ())
        await ann.signals.steer(f"task:{id}", "with a view")
        assert await task.steer.next() == "with a view"
        await task.fail("no line", retryable=True)
    async with asyncio.timeout(40), await anext(claims) as again:
        assert (again.attempt, again.last_error, again.steers) == (2, "no line", ("with a view",))
        await again.fail("no line", retryable=True)
    with pytest.raises(NotDone) as failed:
        await ann.tasks.result(id)
    assert failed.value.extra["status_now"] == "failed"


@pytest.mark.parametrize(("choice", "status"), [("fail", "failed"), ("block", "blocked")])
async def test_who_waits_for_a_result_hears_that_a_need_has_failed(
    hotels: Agent, ann: Session, choice: Any, status: str
) -> None:
    need = await ann.tasks.create("Find a hotel")
    id = await ann.tasks.create("Book it", needs=[need], on_need_failed=choice)
    waiting = asyncio.create_task(ann.tasks.result(id))
    async with await anext(hotels.tasks()) as task:
        await task.fail("no room")
    with pytest.raises(NotDone) as heard:
        await asyncio.wait_for(waiting, 30)
    assert heard.value.extra["status_now"] == status


async def test_to_approve_with_changes_is_one_answer(hotels: Agent, ann: Session) -> None:
    schema = {"type": "object", "properties": {"nights": {"type": "integer", "minimum": 1}}, "required": ["nights"]}
    asking = asyncio.create_task(hotels.ask_for("Book two nights?", schema, options=["book", "drop"]))
    question = await asyncio.wait_for(ann.approvals.next(), 30)
    assert question.answer_schema == schema
    with pytest.raises(Invalid, match="/nights"):
        await ann.approvals.answer_with(question.id, {"nights": 0}, option="book")
    mine = await ann.approvals.answer_with(question.id, {"nights": 3}, option="book")
    assert await asking == mine == ApprovalAnswer("book", {"nights": 3})


async def test_an_answer_may_be_a_free_text(hotels: Agent, ann: Session) -> None:
    asking = asyncio.create_task(hotels.ask_for("What do you like?", {"type": "string"}))
    question = await asyncio.wait_for(ann.approvals.next(), 30)
    await ann.approvals.answer_with(question.id, "Somewhere quiet.")
    assert await asking == ApprovalAnswer(None, "Somewhere quiet.")
