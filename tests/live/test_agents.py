"""Agents at work with a real gateway: tasks in blocks, signals, questions, what happens when one of them ends badly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Agent, Answer, ClaimedTask, Client, NotDone, Question, Session, Unanswered
from stenogram.domain.concepts.messages import MessageAborted, MessageCompleted
from stenogram.domain.errors import Conflict, Fenced, Invalid
from stenogram.domain.model import Event
from stenogram.domain.parts import text_of

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

Team = Callable[..., Any]
pytestmark = pytest.mark.reconnects


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[Callable[..., Any]]:
    """Brings people and agents into the session `trip`, each with a client of its own."""
    async with AsyncExitStack() as stack:

        async def client(name: str, kind: Any = "agent") -> Client:
            return await stack.enter_async_context(Client(gateway.url, participant=name, kind=kind))

        yield client


@pytest.fixture
async def ann(people: Any) -> AsyncIterator[Session]:
    """The user `ann`, in the session."""
    async with (await people("ann", "user")).session("trip", title="Lisbon in May") as session:
        yield session


@pytest.fixture
async def hotels(people: Any, ann: Session) -> AsyncIterator[Agent]:
    """The agent `hotels`, in the session."""
    async with (await people("hotels")).agent("Hotels", session="trip") as agent:
        yield agent


async def until(session: Session, test: Callable[[], object]) -> None:
    """Wait until something is so in the session."""
    async with asyncio.timeout(30):
        await session.live.until(test)


async def events(session: Session, *types: str) -> list[Event]:
    """What has happened."""
    return [event async for event in session.events(types=types or None, follow=False)]


async def test_an_agent_is_a_few_lines(hotels: Agent, ann: Session) -> None:
    wanted = await ann.tasks.create("Find a hotel", {"kind": "hotel", "city": "Lisbon"})
    await ann.tasks.create("Find a flight", {"kind": "flight"})
    async for task in hotels.tasks(accepts="hotel"):
        async with task:
            await until(ann, lambda: ann.present["hotels"].activity == "Find a hotel")
            async with hotels.say(to="users") as message:
                for token in ("Casa ", "Azul"):
                    await message.write(token)
            await task.progress("one is free", share=0.5)
            await hotels.state.merge({"hotel": "Casa Azul"})
            await task.complete({"hotel": "Casa Azul", "in": task.input["city"]})
        assert (task.id, task.outcome.kind) == (wanted, "completed")
        break
    assert await ann.tasks.result(wanted) == {"hotel": "Casa Azul", "in": "Lisbon"}
    under = {event.type for event in await events(ann) if event.task == wanted}
    assert under >= {"task.claimed", "message.started", "message.delta", "message.completed", "state.merged"}
    await until(ann, lambda: ann.present["hotels"].status == "idle")


async def test_what_is_needed_comes_first_and_what_is_for_others_is_left(hotels: Agent, ann: Session) -> None:
    first = await ann.tasks.create("Look")
    then = await ann.tasks.create("Book", needs=[first])
    await ann.tasks.create("Fly", assignee="flights")
    done = []
    async with asyncio.timeout(30):
        async for task in hotels.tasks():
            async with task:
                await task.complete()
                done.append(task.id)
            if len(done) == 2:
                break
    assert done == [first, then]


async def test_a_task_is_created_once(hotels: Agent, ann: Session) -> None:
    first = await ann.tasks.create("Find a hotel", dedupe_key="hotel")
    assert await hotels.session.tasks.create("Find a hotel, please", dedupe_key="hotel") == first
    assert [task.title for task in ann.tasks.known.values()] == ["Find a hotel"]


async def test_a_block_that_ends_with_an_error_gives_the_task_back(hotels: Agent, ann: Session) -> None:
    async def work() -> None:
        async for task in hotels.tasks(on_error="raise"):
            async with task:
                raise ValueError("secret")

    id = await ann.tasks.create("Find a hotel")
    with pytest.raises(ValueError, match="secret"):
        await work()
    await until(ann, lambda: ann.tasks.known[id].status == "open")
    released = (await events(ann, "task.released"))[0].data
    assert (released.why, released.reason) == ("given-up", "ValueError")  # type: ignore[attr-defined]


async def test_a_block_that_says_nothing_gives_the_task_back_to_others_first(
    hotels: Agent, ann: Session, people: Any
) -> None:
    id = await ann.tasks.create("Find a hotel")
    mine = hotels.tasks()
    async with await anext(mine) as task:
        pass
    assert task.outcome is not None
    assert task.outcome.kind == "released"
    waiting = asyncio.create_task(anext(mine))
    async with (await people("rooms")).agent(session="trip") as rooms, await anext(rooms.tasks()) as taken:
        assert (taken.id, taken.attempt) == (id, 2)
        assert not waiting.done()
        await taken.complete()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_it_is_taken_again_when_nobody_else_wants_it(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    tries = []
    async with asyncio.timeout(40):
        async for task in hotels.tasks():
            async with task:
                tries.append(task.attempt)
                if len(tries) == 2:
                    await task.complete()
                    break
                await task.fail("no line", retryable=True)
    assert tries == [1, 2]
    assert await ann.tasks.result(id) is None


async def test_two_agents_share_the_board(hotels: Agent, ann: Session, people: Any) -> None:
    rooms = await people("rooms")
    done: list[tuple[str, str]] = []

    async def work(agent: Agent) -> None:
        async for task in agent.tasks():
            async with task:
                done.append((task.id, agent.id))
                await task.complete()

    async def close_when_done(ids: list[str]) -> None:
        for id in ids:
            await ann.tasks.result(id)
        await ann.close()

    async with rooms.agent(session="trip") as other, asyncio.timeout(30):
        ids = [await ann.tasks.create(f"Task {number}") for number in range(40)]
        await asyncio.gather(work(hotels), work(other), close_when_done(ids))
    assert sorted(id for id, _ in done) == sorted(ids)
    assert all(task.attempt == 1 for task in ann.tasks.known.values())


async def test_no_more_are_held_than_the_limit(hotels: Agent, ann: Session) -> None:
    for number in range(5):
        await ann.tasks.create(f"Task {number}")
    held: list[ClaimedTask] = []
    release = asyncio.Event()

    async def work(task: ClaimedTask) -> None:
        async with task:
            held.append(task)
            await release.wait()
            await task.complete()

    claims = hotels.tasks(limit=2)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(work(await anext(claims)))
        third = asyncio.create_task(anext(claims))
        await hotels.session.post("No third one comes before this.")
        assert not third.done()
        assert len(hotels.session.tasks.known) == 5
        release.set()
        group.create_task(work(await third))
    assert [task.outcome.kind for task in held] == ["completed"] * 3


async def test_a_cancel_ends_the_block_and_is_honoured(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    seen = []
    async with await anext(hotels.tasks()) as task:
        async with hotels.say() as message:
            await message.write("Casa")
            raising = asyncio.create_task(ann.signals.cancel(f"task:{id}"))
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cleaned up")
                raise
        seen.append("never")
    assert seen == ["cleaned up"]
    assert task.outcome is not None
    assert task.outcome.kind == "cancelled"
    assert (await ann.signals.settled(await raising)).status == "closed"
    assert ann.tasks.known[id].status == "cancelled"
    aborted = next(event.data for event in await events(ann) if isinstance(event.data, MessageAborted))
    assert text_of(aborted.parts) == "Casa"
    types = [event.type for event in await events(ann, "signal.*")]
    assert types == ["signal.raised", "signal.delivered", "signal.honoured"]
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_cancel_raised_before_the_agent_comes_is_honoured_when_it_does(people: Any, ann: Session) -> None:
    signal = await ann.signals.cancel("agent:hotels")
    async with (await people("hotels")).agent(session="trip"):
        async with asyncio.timeout(30):
            assert (await ann.signals.settled(signal)).status == "closed"


async def test_a_cancel_of_the_agent_ends_all_that_it_does_and_it_goes_on(hotels: Agent, ann: Session) -> None:
    for number in range(3):
        await ann.tasks.create(f"Task {number}")
    claims = hotels.tasks(limit=2)
    started = asyncio.Barrier(3)
    outcomes = []

    async def work(task: ClaimedTask) -> None:
        async with task:
            await started.wait()
            await asyncio.sleep(60)
        outcomes.append(task.outcome.kind)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(work(await anext(claims)))
        await started.wait()
        signal = await ann.signals.cancel("agent:hotels")
        assert (await ann.signals.settled(signal)).status == "closed"
        async with await anext(claims) as task:
            await task.complete()
    assert outcomes == ["cancelled", "cancelled"]
    assert task.title == "Task 2"


async def test_a_message_alone_can_be_cancelled(hotels: Agent, ann: Session) -> None:
    await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        async with hotels.say(message="m1") as message:
            await message.write("Casa Azul is")
            raising = asyncio.create_task(ann.signals.cancel("message:m1"))
            await asyncio.sleep(60)
        assert message.stopped
        await task.complete()
    assert task.outcome is not None
    assert task.outcome.kind == "completed"
    await ann.signals.settled(await raising)
    assert [event.type for event in await events(ann, "signal.honoured", "message.aborted")] == [
        "signal.honoured",
        "message.aborted",
    ]


async def test_a_block_may_finish_in_spite_of_a_cancel(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        raising = asyncio.create_task(ann.signals.cancel(f"task:{id}"))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await task.complete("what there is")
    await raising
    assert await ann.tasks.result(id) == "what there is"


async def test_somebody_elses_cancellation_goes_on_outwards(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    started, waiting, after = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        async with await anext(hotels.tasks()):
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                waiting.set()
                await asyncio.sleep(60)
        after.append("never")

    working = asyncio.create_task(work())
    async with asyncio.timeout(30):
        await started.wait()
        await ann.signals.cancel(f"task:{id}")
        await waiting.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not after
    await until(ann, lambda: ann.tasks.known[id].status == "cancelled")


async def test_a_steer_is_honoured_when_it_is_taken(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        signal = await ann.signals.steer(f"task:{id}", "with a view")
        async with asyncio.timeout(30):
            assert await task.steer.next() == "with a view"
            assert (await ann.signals.settled(signal)).status == "closed"
        await ann.signals.steer("agent:hotels", {"quiet": True})
        async for instruction in task.steer:
            assert instruction == {"quiet": True}
            break
        assert task.steer.next_nowait() is None
        await task.complete()


async def test_a_steer_that_was_taken_back_is_not_read(hotels: Agent, ann: Session) -> None:
    await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        first = await ann.signals.steer(f"task:{task.id}", "with a pool")
        second = await ann.signals.steer("agent:hotels", "near the sea")
        aside = await ann.signals.steer("agent:hotels", "not too dear", to="agents")
        await until(ann, lambda: all(signal.waiting["hotels"] for signal in ann.signals.open))
        await ann.signals.withdraw(first, reason="It rains.")
        assert (await ann.signals.settled(first)).status == "withdrawn"
        await until(hotels.session, lambda: hotels.session.live.state.signals.known[first].status == "withdrawn")
        assert [await task.steer.next(), await task.steer.next()] == ["near the sea", "not too dear"]
        assert not task.steer
        assert (await ann.signals.settled(second)).audience is None
        assert (await ann.signals.settled(aside)).audience == ("agents", "ann", "hotels")
        with pytest.raises(Conflict):
            await ann.signals.withdraw(second)
        await task.release()
    again = await anext(hotels.tasks())
    assert again.steers == ("near the sea",)


async def test_a_pause_holds_what_is_written_until_resume(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        async with hotels.say() as message:
            await message.write("Casa")
            pause = await ann.signals.pause(f"task:{id}")
            await until(hotels.session, lambda: hotels._signals.paused(task.targets))
            writing = asyncio.create_task(message.write(" Azul"))
            async with asyncio.timeout(30):
                assert (await ann.signals.settled(pause)).status == "closed"
            await until(ann, lambda: ann.present["hotels"].activity == "Paused by ann.")
            assert not writing.done()
            await ann.signals.resume(f"task:{id}")
            await writing
        await task.complete()
    completed = next(event.data for event in await events(ann) if isinstance(event.data, MessageCompleted))
    assert text_of(completed.parts) == "Casa Azul"


async def test_a_paused_agent_takes_nothing_new(hotels: Agent, ann: Session) -> None:
    pause = await ann.signals.pause("session")
    async with asyncio.timeout(30):
        await ann.signals.settled(pause)
        id = await ann.tasks.create("Find a hotel")
        claiming = asyncio.create_task(anext(hotels.tasks()))
        await hotels.session.live.reached(ann.live.version)
        assert ann.tasks.known[id].status == "open"
        await ann.signals.resume("session")
        async with await claiming as task:
            await task.complete()


async def test_a_task_that_is_taken_away_ends_the_block_and_fences_what_it_writes(
    hotels: Agent, ann: Session, people: Any
) -> None:
    id = await ann.tasks.create("Find a hotel")
    refused: list[Fenced] = []
    async with await anext(hotels.tasks()) as task:
        rerouting = asyncio.create_task(ann.tasks.reroute(id, to="rooms"))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            for _ in range(2):
                try:
                    await hotels.state.merge({"hotel": "mine"})
                except Fenced as error:
                    refused.append(error)
            raise
    assert task.outcome is not None
    assert task.outcome.kind == "lost"
    await rerouting
    assert len(refused) == 2
    assert "hotel" not in ann.state.value
    assert [event.type for event in await events(ann, "task.fenced")] == ["task.fenced"]
    async with (await people("rooms")).agent(session="trip") as rooms, await anext(rooms.tasks()) as again:
        await again.complete("theirs")
    assert await ann.tasks.result(id) == "theirs"


async def test_a_refusal_that_says_so_is_a_loss_not_an_error(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        hotels.session.live.ignore(hotels._signals._on_change)  # the news has not come yet
        await ann.tasks.cancel(id)
        await task.complete("too late")
    hotels.session.live.listen(hotels._signals._on_change)
    assert task.outcome is not None
    assert task.outcome.kind == "lost"


async def test_a_reroute_gives_the_task_back_with_its_new_input(hotels: Agent, ann: Session) -> None:
    async def change() -> None:
        await changing.wait()
        await ann.signals.reroute(f"task:{id}", input={"city": "Lisbon"})

    id = await ann.tasks.create("Find a hotel", {"city": "Porto"})
    changing, cities = asyncio.Event(), []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(change())
        async for task in hotels.tasks():
            async with task:
                cities.append(task.input["city"])
                if task.attempt == 1:
                    changing.set()
                    await asyncio.sleep(60)
                await task.complete()
            if task.outcome.kind == "completed":
                break
            assert task.outcome
            assert task.outcome.kind == "rerouted"
    assert cities == ["Porto", "Lisbon"]


async def test_an_approval_is_answered_on_another_device(hotels: Agent, ann: Session, people: Any) -> None:
    await ann.tasks.create("Book a hotel")
    phone = await people("ann", "user")
    async with phone.session("trip") as pocket, await anext(hotels.tasks()) as task:

        async def answer() -> str:
            question = await pocket.approvals.next()
            assert (question.question, question.task) == ("Book it for 140 €?", task.id)
            assert pocket.present["hotels"].status == "waiting-for-human"
            first = await pocket.approvals.answer(question.id, "yes")
            assert await ann.approvals.answer(question.id, "no") == "yes"
            return str(first)

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            answering = group.create_task(answer())
            assert await hotels.ask("Book it for 140 €?") == "yes"
        assert answering.result() == "yes"
        await task.complete()


async def test_several_questions_are_answered_at_once_also_in_words_of_ones_own(
    hotels: Agent, ann: Session, people: Any
) -> None:
    questions: list[Question | dict[str, Any]] = [
        Question(name="hotel", question="Which one?", options=("Casa Azul", "Memmo"), own_words=True),
        Question(name="extras", question="What else?", options=("breakfast", "parking"), several=True),
        {"name": "go", "question": "Book it?"},
    ]
    asking = asyncio.create_task(hotels.ask_all("The hotel", questions))
    phone = await people("ann", "user")
    async with phone.session("trip") as pocket:
        asked = await pocket.approvals.next()
        assert [each.name for each in asked.questions] == ["hotel", "extras", "go"]
        given: dict[str, Any] = {
            "hotel": Answer(words="The nearer one."),
            "extras": ["breakfast", "parking"],
            "go": "yes",
        }
        with pytest.raises(Invalid, match="go has no answer"):
            await pocket.approvals.answer_all(asked.id, {name: given[name] for name in ("hotel", "extras")})
        answers = await pocket.approvals.answer_all(asked.id, given)
        assert await ann.approvals.answer_all(asked.id, {**given, "go": "no"}) == answers
    assert await asking == answers
    assert (answers["hotel"].words, answers["extras"].options) == ("The nearer one.", ("breakfast", "parking"))


async def test_a_question_is_answered_in_words_of_ones_own(hotels: Agent, ann: Session) -> None:
    with pytest.raises(TypeError, match="ones_words"):
        await hotels.ask("Book it?", ones_words=True)  # type: ignore[call-arg]
    asking = asyncio.create_task(hotels.ask("Book it?", own_words=True, to="users"))
    asked = await ann.approvals.next()
    answer = await ann.approvals.answer_with(asked.id, words="Only with a view.")
    assert (answer.option, answer.words) == (None, "Only with a view.")
    assert await asking == "Only with a view."


async def test_a_task_that_is_blocked_goes_on_when_it_needs_another(hotels: Agent, ann: Session) -> None:
    first = await ann.tasks.create("Look")
    then = await ann.tasks.create("Book", needs=[first])
    await ann.tasks.cancel(first)
    with pytest.raises(NotDone, match="blocked"):
        await ann.tasks.result(then)
    other = await ann.tasks.create("Ask", metadata={"kind": "ask"})
    await ann.tasks.reroute(then, needs=[other])
    done = []
    async with asyncio.timeout(30):
        async for task in hotels.tasks():
            async with task:
                await task.progress(usage={"tokens": 1})
                await task.complete(task.id, usage={"tokens": 2}, metadata={"by": "hotels"})
            done.append(task.id)
            if len(done) == 2:
                break
    assert done == [other, then]


async def test_a_question_is_taken_back_when_nobody_waits_for_the_answer(hotels: Agent, ann: Session) -> None:
    asking = asyncio.create_task(hotels.ask("Really?"))
    question = await ann.approvals.next()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(ann, lambda: not ann.approvals.open)
    assert ann.live.state.approvals.known[question.id].status == "withdrawn"


async def test_a_question_of_a_task_that_ends_has_no_answer(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Book a hotel")

    async def ask() -> None:
        async with await anext(hotels.tasks(on_error="raise")):
            try:
                await hotels.ask("Really?")
            except asyncio.CancelledError:
                raise Unanswered("nobody did") from None

    asking = asyncio.create_task(ask())
    await ann.approvals.next()
    await ann.tasks.cancel(id)
    with pytest.raises(Unanswered):
        await asking


async def test_a_task_that_fails_has_no_result(hotels: Agent, ann: Session) -> None:
    failed, cancelled = await ann.tasks.create("Fly"), await ann.tasks.create("Swim")
    async with await anext(hotels.tasks()) as task:
        await task.fail("no wings")
    await ann.tasks.cancel(cancelled, reason="too far")
    with pytest.raises(NotDone, match="no wings"):
        await ann.tasks.result(failed)
    with pytest.raises(NotDone, match="too far"):
        await ann.tasks.result(cancelled)


async def test_who_waits_says_so_and_says_again_what_it_did(hotels: Agent, ann: Session) -> None:
    await hotels.status("thinking", "which one?")
    async with hotels.waiting_for_tool("the hotel answers", until=30):
        async with hotels.waiting_for_human("Ann chooses"):
            await until(ann, lambda: ann.present["hotels"].activity == "Ann chooses")
        await until(ann, lambda: ann.present["hotels"].until is not None)
        assert ann.present["hotels"].status == "waiting-for-tool"
    await until(ann, lambda: ann.present["hotels"].activity == "which one?")


async def test_an_agent_that_comes_back_begins_anew(ann: Session, people: Any) -> None:
    id = await ann.tasks.create("Find a hotel")
    before = (await people("hotels")).agent(session="trip")
    await before.__aenter__()
    task = await anext(before.tasks())
    async with (await people("hotels")).agent(session="trip") as again, await anext(again.tasks()) as taken:
        assert (taken.id, taken.attempt) == (id, 2)
        await taken.complete()
    assert task.outcome is not None
    assert task.outcome.kind == "lost"
    await before.__aexit__(None, None, None)


async def test_the_floor_decides_who_reaches_people(hotels: Agent, ann: Session) -> None:
    await ann.floor.give("planner")
    await hotels.session.live.reached(ann.live.version)
    async with hotels.say(to="users") as message:
        await message.write("for the team")
    said = [event.audience for event in await events(hotels.session, "message.completed")]
    assert said == [("agents",)]
    await ann.floor.open()
    await until(ann, lambda: ann.floor.speakers is None)


async def test_a_claim_that_nobody_waits_for_is_given_back(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    await hotels.session.live.reached(ann.live.version)
    claiming = asyncio.create_task(anext(hotels.tasks()))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await until(ann, lambda: ann.tasks.known[id].attempt == 1 and ann.tasks.known[id].status == "open")


async def test_a_fork_shares_the_past_and_lives_apart(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task:
        held = ann.tasks.known[id].since + 1
        async with await ann.fork(at=held, title="What if?") as other:
            assert (other.info.title, other.tasks.known[id].status) == ("What if?", "open")
            await other.tasks.cancel(id)
            await until(other, lambda: other.tasks.known[id].status == "cancelled")
        await task.complete("here")
    assert await ann.tasks.result(id) == "here"
    assert [event.version for event in await events(other)][:held] == list(range(1, held + 1))


async def test_a_cancel_during_a_long_tool_call_frees_the_user_at_once(hotels: Agent, ann: Session) -> None:
    """The tool cannot be interrupted; when the grace is over the work ends without it, and what it says is refused."""
    id = await ann.tasks.create("Find a hotel")
    ended = asyncio.Event()

    async def tool() -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    async def work() -> ClaimedTask:
        async with await anext(hotels.tasks()) as task, hotels.say(message="m1") as message:
            await message.write("Casa")
            await tool()
            await message.write(" Azul")
            await hotels.state.merge({"hotel": "Casa Azul"})
        return task

    working = asyncio.create_task(work())
    async with asyncio.timeout(40):
        async with ann.events(types=["message.delta"]) as deltas:
            await anext(deltas)
        signal = await ann.signals.cancel(f"task:{id}", grace=0.3)
        assert (await ann.signals.settled(signal)).status == "expired"
        assert ann.tasks.known[id].status == "cancelled"
        aborted = [event for event in await events(ann, "message.*") if isinstance(event.data, MessageAborted)]
        ended.set()
        task = await working
    assert task.outcome is not None
    assert task.outcome.kind == "cancelled"
    assert [
        event.type for event in await events(ann, "message.*", "state.*") if event.version > aborted[0].version
    ] == []


async def test_a_fence_is_lifted_by_honouring_late(hotels: Agent, ann: Session) -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        async with await anext(hotels.tasks()):
            while not stopped.is_set():
                try:
                    await stopped.wait()
                except asyncio.CancelledError:
                    continue

    await ann.tasks.create("Find a hotel")
    working = asyncio.create_task(work())
    await until(ann, lambda: ann.tasks.known and next(iter(ann.tasks.known.values())).owner)
    signal = await ann.signals.cancel("agent:hotels", grace=0.2)
    await ann.signals.settled(signal)
    with pytest.raises(Fenced):
        await hotels.session.post("I go on all the same.")
    stopped.set()
    await working
    await hotels.session.post("Now I have stopped.")


async def test_at_the_deadline_the_default_holds(hotels: Agent, ann: Session) -> None:
    await ann.approvals.configure(default_after=0.2)
    async with asyncio.timeout(40):
        assert await hotels.ask("Book it?", deadline=0.2, default="no") == "no"
        with pytest.raises(Unanswered, match="nobody answered"):
            await hotels.ask("Really?", deadline=0.2)


async def test_a_pause_that_was_lifted_before_it_held_can_be_raised_again(hotels: Agent, ann: Session) -> None:
    id = await ann.tasks.create("Find a hotel")
    async with await anext(hotels.tasks()) as task, asyncio.timeout(40):
        first = await ann.signals.pause(f"task:{id}")
        await ann.signals.resume(f"task:{id}")
        assert (await ann.signals.settled(first)).status == "closed"
        assert await ann.signals.pause(f"task:{id}") != first
        await until(hotels.session, lambda: hotels._signals.paused(task.targets))
        completing = asyncio.create_task(task.complete())
        await until(ann, lambda: ann.present["hotels"].activity == "Paused by ann.")
        await ann.signals.resume(f"task:{id}")
        await completing


async def test_a_loop_ends_when_the_agent_leaves_or_the_session_is_closed(ann: Session, people: Any) -> None:
    async def work(agent: Agent) -> str:
        async for _ in agent.tasks():
            pass
        return "ended"

    async with (await people("hotels")).agent(session="trip") as agent:
        looping = asyncio.create_task(work(agent))
        await agent.session.post("Here I am.")
    assert await looping == "ended"
    async with (await people("rooms")).agent(session="trip") as agent:
        looping = asyncio.create_task(work(agent))
        await ann.close()
        assert await looping == "ended"


@pytest.mark.thorough
async def test_work_that_has_nothing_to_say_is_not_stalled(hotels: Agent, ann: Session) -> None:
    await ann.tasks.create("Think", stall_after=3.0)
    async with await anext(hotels.tasks()) as task, asyncio.timeout(40):
        for _ in range(20):
            task.alive()
            await asyncio.sleep(0.2)
        assert not await events(ann, "presence.stalled")
        await until(ann, lambda: task.id in ann.present["hotels"].stalled)
        await task.progress("here I am")
        await until(ann, lambda: not ann.present["hotels"].stalled)
        await task.complete()


async def test_closing_the_session_ends_the_work_of_its_agents(hotels: Agent, ann: Session) -> None:
    await ann.tasks.create("Find a hotel")
    await ann.tasks.create("Find another")
    seen: list[ClaimedTask] = []
    async for task in hotels.tasks():
        seen.append(task)
        async with task:
            async with hotels.say(to="users") as message:
                await message.write("Casa ")
            closing = asyncio.create_task(ann.close("Enough."))
            await asyncio.Event().wait()
        await closing
    (only,) = seen
    assert only.outcome.kind == "cancelled"
    await until(ann, lambda: not ann.present)
    assert {task.status for task in ann.live.state.tasks.known.values()} == {"cancelled"}


async def test_an_agent_that_writes_while_the_session_is_closed_ends_its_block(hotels: Agent, ann: Session) -> None:
    await ann.tasks.create("Find a hotel")
    async for task in hotels.tasks():
        async with asyncio.TaskGroup() as group, task:
            group.create_task(ann.close("Enough."))
            while True:
                await task.progress("on it")
    assert task.outcome.kind == "cancelled"


async def test_an_agent_that_is_still_there_is_present_when_the_session_is_open_again(
    hotels: Agent, ann: Session
) -> None:
    await ann.tasks.create("Find a hotel")
    await ann.close("Enough.")
    await ann.reopen()
    await until(ann, lambda: "hotels" in ann.present)
    assert not [task async for task in _few(hotels)], "what was to be done was cancelled"


async def _few(agent: Agent) -> AsyncIterator[ClaimedTask]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            async for task in agent.tasks():
                yield task
