"""A worker serves every session of a kind: each task is done once, with a bound over all, and a bounded number of
sessions is joined."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from stenogram.client import Agent, ClaimedTask, Client, NotDone, Worker
from stenogram.client.transport.backoff import Backoff
from stenogram.client.worker import task_finder
from stenogram.domain.errors import Unauthenticated

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

Start = Callable[..., Awaitable["Gateway"]]
HOTEL = {"kind": "hotel"}
SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged but how attempts have ended, and that a session is not served."""
    yield
    said = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert not [
        each
        for each in said
        if ", attempt " not in each and "is not served" not in each and "refused a frame" not in each
    ]


@pytest.fixture(params=["", "none"], ids=["views", "no-views"])
async def gateway(start: Start, request: pytest.FixtureRequest) -> Gateway:
    """A gateway that keeps views, and one that does not."""
    return await start(views=request.param)


@pytest.fixture
async def one(start: Start) -> Gateway:
    """A gateway, where it does not matter whether it keeps views."""
    return await start()


@asynccontextmanager
async def person(url: str) -> AsyncIterator[Client]:
    """The user `ann`."""
    async with Client(url, participant="ann", kind="user") as client:
        yield client


async def put(client: Client, session: str, input: Any = HOTEL, **more: Any) -> str:
    """Open a session unless it exists, and put a task on its board."""
    async with client.session(session) as entered:
        return await entered.tasks.create("Find a hotel", input, **more)


async def result(client: Client, session: str, task: str) -> Any:
    """The result of a task in any session."""
    async with asyncio.timeout(30), client.session(session) as entered:
        return await entered.tasks.result(task)


class Book:
    """What a worker did: it notes each task, and how many it worked on at a time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.done: list[tuple[str, str]] = []
        self.now = 0
        self.most = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.others: list[Book] = []
        self._seconds = seconds

    async def work(self, agent: Agent, task: ClaimedTask) -> dict[str, str]:
        """Work for a while; the session is the result."""
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.set()
        try:
            for other in self.others:
                await other.begun.wait()
            await asyncio.sleep(self._seconds)
            self.done.append((agent.session.id, task.id))
            return {"in": agent.session.id}
        finally:
            self.now -= 1

    async def hold(self, agent: Agent, task: ClaimedTask) -> str:
        """Work until it is let go."""
        self.begun.set()
        await self.may_end.wait()
        return "done"


def together(*books: Book) -> list[Book]:
    """No work is done before there is some for each, however late a worker begins."""
    for book in books:
        book.others = [other for other in books if other is not book]
    return [*books]


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """The worker at work; it is cancelled at the end."""
    async with worker:
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            running.cancel()
            await asyncio.wait([running])
            assert running.cancelled() or running.exception() is None, running.exception()


def hotels(url: str, work: Any, name: str = "hotels", **options: Any) -> Worker:
    """A worker for hotels."""
    errors = {name: options.pop(name) for name in ("max_attempts", "on_error") if name in options}
    worker = Worker(url, name, **{"sessions": "trip-*", **options})
    worker.task("hotel", **errors)(work)
    return worker


async def eventually(test: Callable[[], object], within: float = 30.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not test():  # noqa: ASYNC110  (of what is looked at nothing says that it has changed)
            await asyncio.sleep(0.02)


async def test_it_finds_what_was_there_and_what_comes_up(gateway: Gateway) -> None:
    book = Book()
    async with person(gateway.url) as ann:
        before = await put(ann, "trip-1")
        ended = await put(ann, "trip-2")
        async with ann.session("trip-2") as session:
            await session.tasks.cancel(ended)
        async with working(hotels(gateway.url, book.work)):
            assert await result(ann, "trip-1", before) == {"in": "trip-1"}
            after = await put(ann, "trip-3")
            assert await result(ann, "trip-3", after) == {"in": "trip-3"}
            again = await put(ann, "trip-3")
            await result(ann, "trip-3", again)
    assert [task for _, task in book.done] == [before, after, again]


async def test_other_sessions_and_other_kinds_are_left_alone(gateway: Gateway) -> None:
    book = Book()
    async with person(gateway.url) as ann:
        for session, input in {"tour-1": HOTEL, "trip-1": {"kind": "flight"}, "trip-2": "hotel"}.items():
            await put(ann, session, input)
        await put(ann, "trip-3", HOTEL, assignee="ann")
        async with working(hotels(gateway.url, book.work)) as worker:
            await result(ann, "trip-9", await put(ann, "trip-9"))
            await put(ann, "tour-2")
            await put(ann, "trip-5", {"kind": "flight"})
            await result(ann, "trip-9", await put(ann, "trip-9"))
            assert worker.joined == ["trip-9"]


async def test_two_workers_race_and_each_task_is_done_once_within_the_bound(one: Gateway) -> None:
    books = together(Book(0.01), Book(0.01))
    async with person(one.url) as ann:
        tasks = [(f"trip-{number % 8}", await put(ann, f"trip-{number % 8}")) for number in range(40)]
        async with (
            working(hotels(one.url, books[0].work, concurrency=3)),
            working(hotels(one.url, books[1].work, "rooms", concurrency=3)),
        ):
            await eventually(lambda: sum(len(book.done) for book in books) >= len(tasks), 30)
            await asyncio.gather(*(result(ann, *task) for task in tasks))
    assert Counter(books[0].done + books[1].done) == Counter(tasks)
    assert all(0 < book.most <= 3 for book in books), [book.most for book in books]


async def test_a_long_board_does_not_keep_other_sessions_waiting(one: Gateway) -> None:
    book = Book(0.02)
    async with person(one.url) as ann:
        async with ann.session("trip-long") as session:
            await asyncio.gather(*(session.tasks.create("Find a hotel", HOTEL) for _ in range(100)))
        async with working(hotels(one.url, book.work)):
            await eventually(lambda: book.done)
            await result(ann, "trip-1", await put(ann, "trip-1"))
    assert len(book.done) < 60


async def test_two_workers_of_one_name_share_the_work(one: Gateway) -> None:
    books = together(Book(0.05), Book(0.05))
    async with person(one.url) as ann:
        tasks = [await put(ann, "trip-1") for _ in range(12)]
        async with working(hotels(one.url, books[0].work)), working(hotels(one.url, books[1].work)):
            await asyncio.gather(*(result(ann, "trip-1", task) for task in tasks))
    assert sorted(task for book in books for _, task in book.done) == sorted(tasks)
    assert all(book.done for book in books)


async def test_more_sessions_than_may_be_joined_are_served_and_idle_ones_left(start: Start) -> None:
    """The gateway allows three subscriptions: one for all that is not joined, and two sessions."""
    gateway = await start(views="", subscriptions=3)
    book, most = Book(), 0
    async with person(gateway.url) as ann, person(gateway.url) as other:
        tasks = [(f"trip-{number}", await put(ann, f"trip-{number}")) for number in range(12)]
        worker = hotels(gateway.url, book.work, concurrency=2, max_sessions=2, idle=0.3)
        async with working(worker):
            while len(book.done) < len(tasks):
                most = max(most, len(worker.joined))
                await asyncio.sleep(0.005)
            await eventually(lambda: not worker.joined)
            await result(other, "trip-3", await put(other, "trip-3"))
    assert most == 2
    assert Counter(book.done[:12]) == Counter(tasks)


async def test_an_exception_ends_the_attempt_and_not_the_worker(one: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next", lambda self, floor=0.0: 0.01)
    attempts: list[int] = []

    async def work(agent: Agent, task: ClaimedTask) -> str:
        attempts.append(task.attempt)
        if task.input.get("bad"):
            raise ValueError("no such city")
        return "done"

    async with person(one.url) as ann, working(hotels(one.url, work, max_attempts=2, idle=0.2)):
        bad = await put(ann, "trip-1", {**HOTEL, "bad": True})
        with pytest.raises(NotDone, match="Attempt 2 of 2 came to nothing: ValueError"):
            await result(ann, "trip-1", bad)
        assert attempts == [1, 2]
        assert await result(ann, "trip-1", await put(ann, "trip-1")) == "done"


async def test_what_a_task_needs_is_waited_for_without_staying(one: Gateway) -> None:
    book = Book()
    cities = Client(one.url, participant="cities")
    async with (
        person(one.url) as ann,
        ann.session("trip-1") as session,
        cities,
        cities.agent(session="trip-1") as agent,
        working(hotels(one.url, book.work, idle=0.1)) as worker,
    ):
        need = await session.tasks.create("Choose a city", {"kind": "city"})
        task = await session.tasks.create("Find a hotel", HOTEL, needs=[need])
        await eventually(lambda: worker.joined)
        await eventually(lambda: not worker.joined)
        async with await anext(agent.tasks(accepts="city")) as city:
            await city.complete()
        async with asyncio.timeout(30):
            assert await session.tasks.result(task) == {"in": "trip-1"}


async def test_a_cancel_reaches_the_work(one: Gateway) -> None:
    book = Book()
    async with person(one.url) as ann, working(hotels(one.url, book.hold)), ann.session("trip-1") as session:
        task = await session.tasks.create("Find a hotel", HOTEL)
        await asyncio.wait_for(book.begun.wait(), 30)
        signal = await session.signals.cancel(f"task:{task}")
        async with asyncio.timeout(30):
            assert (await session.signals.settled(signal)).status == "closed"
        assert session.tasks.known[task].status == "cancelled"
        book.may_end.set()
        again = await session.tasks.create("Find a hotel", HOTEL)
        async with asyncio.timeout(30):
            assert await session.tasks.result(again) == "done"


async def test_a_session_that_is_closed_is_left_and_served_again_when_reopened(one: Gateway) -> None:
    book = Book()
    async with person(one.url) as ann, working(hotels(one.url, book.work)) as worker:
        await result(ann, "trip-1", await put(ann, "trip-1"))
        async with ann.session("trip-1") as session:
            await session.close()
        await eventually(lambda: not worker.joined)
        async with ann.session("trip-1", reopen=True) as session:
            task = await session.tasks.create("Find a hotel", HOTEL)
            async with asyncio.timeout(30):
                assert await session.tasks.result(task) == {"in": "trip-1"}


async def test_cancelling_gives_back_what_is_held_and_leaves_nothing_running(one: Gateway) -> None:
    book = Book()
    async with person(one.url) as ann, ann.session("trip-1") as session:
        tasks = [await session.tasks.create("Find a hotel", HOTEL) for _ in range(2)]
        others = asyncio.all_tasks()
        async with hotels(one.url, book.hold, concurrency=2) as worker:
            running = asyncio.create_task(worker.run())
            async with asyncio.timeout(30):
                await session.live.until(lambda: all(session.tasks.known[each].status == "claimed" for each in tasks))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        async with asyncio.timeout(30):
            await session.live.until(lambda: "hotels" not in session.present)
        assert [session.tasks.known[each].status for each in tasks] == ["open", "open"]
        await eventually(lambda: not [each for each in asyncio.all_tasks() - others if "worker" in each.get_name()])


async def test_draining_finishes_what_is_at_hand_and_claims_nothing_more(one: Gateway) -> None:
    book = Book()
    async with person(one.url) as ann, ann.session("trip-1") as session:
        async with hotels(one.url, book.hold) as worker:
            first = await session.tasks.create("Find a hotel", HOTEL)
            running = asyncio.create_task(worker.run())
            await asyncio.wait_for(book.begun.wait(), 30)
            second = await session.tasks.create("Find a hotel", HOTEL)
            worker.drain()
            await asyncio.sleep(0.05)
            assert not running.done()
            book.may_end.set()
            await asyncio.wait_for(running, 30)
        assert await session.tasks.result(first) == "done"
        assert session.tasks.known[second].status == "open"


async def test_what_the_token_does_not_cover_is_not_seen_or_passed_over(start: Start) -> None:
    gateway = await start(views="", jwt_secret=SECRET)

    def token(who: str, *scopes: str) -> str:
        return jwt.encode({"exp": time.time() + 600, "sub": who, "scopes": list(scopes)}, SECRET, "HS256")

    book = Book()
    mine = token("hotels", "read:trip-*", "read:seen-*", "write:trip-*")
    async with Client(gateway.url, token=token("ann", "read:*", "write:*")) as ann:
        for session in ("tour-1", "seen-1"):
            await put(ann, session)
        task = await put(ann, "trip-1")
        worker = hotels(gateway.url, book.work, sessions="*", token=mine)
        async with working(worker):
            await result(ann, "trip-1", task)
            await put(ann, "tour-2")
            await result(ann, "trip-2", await put(ann, "trip-2"))
            await eventually(lambda: set(worker.joined) == {"trip-1", "trip-2"})
    assert {session for session, _ in book.done} == {"trip-1", "trip-2"}


async def test_a_token_that_is_none_ends_it(start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    with pytest.raises(Unauthenticated):
        async with hotels(gateway.url, Book().work, token="none"):
            pass


async def test_a_list_that_lags_behind_the_log_is_asked_for_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the log before the worker begins to follow, and not yet in the view that it lists."""
    gateway = await start(views="")
    monkeypatch.setattr(task_finder, "LIST_AGAIN_AFTER_S", (0.1,))
    listed = task_finder.TaskFinder._page
    late: list[Any] = [([], None), ([], None)]

    async def page(self: Any, status: str, after: str | None) -> Any:
        return late.pop() if late else await listed(self, status, after)

    monkeypatch.setattr(task_finder.TaskFinder, "_page", page)
    book = Book()
    async with person(gateway.url) as ann:
        task = await put(ann, "trip-1")
        async with working(hotels(gateway.url, book.work)):
            assert await result(ann, "trip-1", task) == {"in": "trip-1"}


def test_what_cannot_be_meant_is_refused() -> None:
    worker = Worker("http://127.0.0.1:1", "hotels")
    worker.task("hotel")(Book().hold)
    with pytest.raises(ValueError, match="already"):
        worker.task("hotel")(Book().hold)
    with pytest.raises(TypeError, match="async def"):
        worker.task("flight")(lambda agent, task: None)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="'release' or 'fail'"):
        worker.task("flight", on_error="raise")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_attempts"):
        worker.task("flight", max_attempts=0)
    with pytest.raises(ValueError, match="max_sessions"):
        Worker("http://127.0.0.1:1", "hotels", concurrency=60)


async def test_without_functions_it_does_not_run(one: Gateway) -> None:
    async with Worker(one.url, "hotels") as worker:
        with pytest.raises(ValueError, match=r"@worker\.task"):
            await worker.run()
