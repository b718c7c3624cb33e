"""What the eventsourcing library's interfaces over a log add to the library's own: one log for all, and clean ends."""

import asyncio
import gc
import threading
from _thread import start_new_thread
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import orjson
import pytest
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
    WaitInterruptedError,
)
from eventsourcing.utils import Environment

from stenogram.domain.commands import parse_command
from stenogram.domain.model import Actor, Command
from stenogram.log.eventsourcing import LogFactory, lend, open_logs
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.sqlite import SqliteEngine

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every test ends with the threads that it began with."""
    before = set(threading.enumerate())
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before


@pytest.fixture(params=["memory:", "sqlite"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogFactory]:
    """A factory with a log of its own."""
    factory = make(request.param if request.param == "memory:" else str(tmp_path / "log.db"))
    yield factory
    factory.close()


def make(where: str, **settings: str) -> LogFactory:
    return LogFactory({"STENOGRAM_LOG": where, "ORIGINATOR_ID_TYPE": "text", **settings})


def event(version: int = 1, id: str = "order-1", topic: str = "shop:Ordered", state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(id, version, topic, state)


# -- Inserting and selecting -------------------------------------------------------------------------------------------


def test_what_one_call_inserts_is_written_together_or_not_at_all(factory: LogFactory) -> None:
    recorder = factory.process_recorder()
    assert recorder.insert_events([event(1), event(1, "order-2"), event(2), event(5, "order-2")]) == [1, 2, 3, 4]
    for clash in ([event(3), event(1, "order-2")], [event(3), event(3)], [event(7, "order-2"), event(2)]):
        with pytest.raises(IntegrityError):
            recorder.insert_events(clash, tracking=Tracking("upstream", 1))
    assert recorder.max_tracking_id("upstream") is None
    assert recorder.insert_events([event(3), event(2, "order-2")], tracking=Tracking("upstream", 1)) == [5, 6]
    assert [each.originator_version for each in recorder.select_events("order-2")] == [1, 2, 5]
    assert recorder.max_tracking_id("upstream") == 1
    assert recorder.max_notification_id() == 6


def test_one_of_those_who_race_for_a_version_wins(factory: LogFactory) -> None:
    recorder = factory.application_recorder()
    won: list[int] = []

    def race(number: int) -> None:
        for version in range(1, 21):
            try:
                recorder.insert_events([event(version), event(version, f"order-{number}")])
            except IntegrityError:
                continue
            won.append(version)

    threads = [Thread(target=race, args=(number,)) for number in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [*range(1, 21)]
    assert [each.originator_version for each in recorder.select_events("order-1")] == [*range(1, 21)]


@pytest.mark.parametrize("desc", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 7, 40])
def test_events_are_selected_by_all_filters_together(factory: LogFactory, desc: bool, limit: int | None) -> None:
    recorder = factory.application_recorder()
    versions = [0, 1, 2, 3, 5, 8, *range(500, 540), 9_000]
    for version in versions:
        recorder.insert_events([event(version)])
    for gt, lte in ((None, None), (0, None), (3, 505), (None, 8), (8, 8), (600, 8_999), (8, 3), (-5, 99_999)):
        wanted = [each for each in versions if (gt is None or each > gt) and (lte is None or each <= lte)]
        found = recorder.select_events("order-1", gt=gt, lte=lte, desc=desc, limit=limit)
        assert [each.originator_version for each in found] == (wanted[::-1] if desc else wanted)[:limit]


def test_rare_topics_are_found_in_a_long_log(factory: LogFactory) -> None:
    recorder = factory.application_recorder()
    for page in range(3):
        recorder.insert_events([event(1_000 * page + version) for version in range(1_000)])
        recorder.insert_events([event(page, "rare", "shop:Rare")])
    found = recorder.select_notifications(None, 10, topics=["shop:Rare"])
    assert [each.id for each in found] == [1001, 2002, 3003]
    assert [each.id for each in recorder.select_notifications(1002, 1, topics=["shop:Rare"])] == [2002]
    assert recorder.select_notifications(2, 10, stop=1000, topics=["shop:Rare"]) == []


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\x00\xff",
        b'{"a":1}',
        b'{"a":\n1}',
        b'{"a":NaN}',
        b"[1]",
        b'{"base64":"e30="}',
        b'{"id":"e-1"}',
        b'{"id":"e-1","type":"shop:Ordered","time":"never","actor":"a","data":{}}',
        b' {"a":1}',
        '{"ä":"","data":{}}'.encode(),
    ],
)
def test_any_state_comes_back_as_it_was_and_can_be_served(factory: LogFactory, state: bytes) -> None:
    recorder = factory.application_recorder()
    recorder.insert_events([event(state=state)])
    assert recorder.select_events("order-1") == [event(state=state)]
    (notification,) = recorder.select_notifications(None, 10)
    assert (notification.id, notification.state) == (1, state)
    (record,) = recorder.log.call(lambda log: log.engine.read_log(0, 10))
    wire = orjson.loads(record.wire())
    assert (wire["session"], wire["version"], wire["type"], wire["actor"]) == (
        "order-1",
        1,
        "app.stored",
        "eventsourcing",
    )
    assert wire["data"]["topic"] == "shop:Ordered"
    assert b"\n" not in record.wire()


def test_what_cannot_be_stored_is_refused(factory: LogFactory) -> None:
    recorder = factory.application_recorder()
    for impossible in (event(id='or"der'), event(id=""), event(id="x" * 129), event(topic="message.posted")):
        with pytest.raises(DataError):
            recorder.insert_events([event(7), impossible])
    assert recorder.max_notification_id() is None


def test_ids_are_uuids_unless_text_is_asked_for() -> None:
    factory = LogFactory({"STENOGRAM_LOG": "memory:"})
    recorder, id = factory.application_recorder(), uuid4()
    recorder.insert_events([StoredEvent(id, 1, "shop:Ordered", b"{}"), event()])
    assert [each.originator_id for each in recorder.select_notifications(1, 2)] == [id, "order-1"]
    factory.close()


def test_snapshots_are_no_notifications(factory: LogFactory) -> None:
    recorder, snapshots = factory.application_recorder(), factory.aggregate_recorder(purpose="snapshots")
    recorder.insert_events([event(1), event(2)])
    snapshots.insert_events([event(2)])
    assert recorder.max_notification_id() == 2
    assert snapshots.select_events("order-1", desc=True, limit=1) == [event(2)]


@pytest.mark.parametrize(("setting", "value"), [("STENOGRAM_LOG", ""), ("ORIGINATOR_ID_TYPE", "number")])
def test_a_setting_without_meaning_is_an_error(setting: str, value: str) -> None:
    with pytest.raises(OSError, match=setting):
        LogFactory({"STENOGRAM_LOG": "memory:", setting: value})


# -- Subscriptions and waiting -----------------------------------------------------------------------------------------


def test_a_subscription_takes_no_thread(factory: LogFactory) -> None:
    recorder = factory.application_recorder()
    recorder.insert_events([event()])
    threads = threading.active_count()
    subscriptions = [recorder.subscribe() for _ in range(50)]
    assert [next(each).id for each in subscriptions] == [1] * 50
    assert threading.active_count() <= threads + 2  # readers of the engine's own
    for each in subscriptions:
        each.stop()


def test_subscribers_get_each_notification_once_while_writers_race(factory: LogFactory) -> None:
    recorder = factory.application_recorder()
    seen: dict[str, list[int]] = {"all": [], "even": []}

    def follow(name: str, *topics: str) -> None:
        with recorder.subscribe(topics=topics) as subscription:
            for notification in subscription:
                seen[name].append(notification.id)
                if notification.topic == "shop:Last":
                    break

    def write(number: int) -> None:
        for version in range(100):
            recorder.insert_events([event(version, f"order-{number}", "shop:Even" if version % 2 == 0 else "shop:Odd")])

    followers = [Thread(target=follow, args=args) for args in (("all",), ("even", "shop:Even", "shop:Last"))]
    writers = [Thread(target=write, args=(number,)) for number in range(4)]
    for thread in (*followers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    recorder.insert_events([event(1, "last", "shop:Last")])
    for thread in followers:
        thread.join()
    everything = recorder.select_notifications(None, 1_000)
    assert seen["all"] == [each.id for each in everything] == [*range(1, 402)]
    assert seen["even"] == [each.id for each in everything if each.topic != "shop:Odd"]


def test_a_subscription_that_waits_is_stopped_by_another_thread(factory: LogFactory) -> None:
    subscription = factory.application_recorder().subscribe()
    ended = Event()

    def follow() -> None:
        assert list(subscription) == []
        ended.set()

    follower = Thread(target=follow)
    follower.start()
    while subscription._pending is None:
        ended.wait(0.001)
    subscription.stop()
    assert ended.wait(30)
    follower.join()


def test_a_subscription_is_told_that_its_log_was_closed(factory: LogFactory) -> None:
    subscription = factory.application_recorder().subscribe()
    errors: list[Exception] = []

    def follow() -> None:
        try:
            next(subscription)
        except (OperationalError, InterfaceError) as error:
            errors.append(error)

    follower = Thread(target=follow)
    follower.start()
    while subscription._pending is None:
        follower.join(0.001)
    factory.close()
    follower.join(30)
    assert len(errors) == 1


def test_who_waits_for_a_tracking_is_woken_or_interrupted(factory: LogFactory) -> None:
    recorder = factory.process_recorder()
    interrupt, waits = Event(), Event()

    def interrupted() -> None:
        with pytest.raises(WaitInterruptedError):
            recorder.wait("upstream", 99, timeout=30, interrupt=interrupt)
        waits.set()

    waiter = Thread(target=interrupted)
    waiter.start()
    threads = [Thread(target=recorder.wait, args=("upstream", number), kwargs={"timeout": 30}) for number in (1, 2)]
    for thread in threads:
        thread.start()
    recorder.insert_tracking(Tracking("upstream", 1))
    threads[0].join()
    recorder.insert_events([event()], tracking=Tracking("upstream", 3))
    threads[1].join()
    interrupt.set()
    assert waits.wait(30)
    waiter.join()


def test_projections_of_one_application_are_tracked_apart() -> None:
    """The environment's name is the projection's."""
    settings = {"STENOGRAM_LOG": "memory:projections"}
    mails, counts = (LogFactory(Environment(name, settings)) for name in ("Mails", "Counts"))
    first, second = mails.tracking_recorder(), counts.process_recorder()
    first.insert_tracking(Tracking("Shop", 5))
    assert (first.max_tracking_id("Shop"), second.max_tracking_id("Shop")) == (5, None)
    second.insert_tracking(Tracking("Shop", 3))
    assert (first.max_tracking_id("Shop"), second.max_tracking_id("Shop")) == (5, 3)
    with pytest.raises(IntegrityError):
        LogFactory(Environment("MAILS", settings)).tracking_recorder().insert_tracking(Tracking("Shop", 5))
    mails.close()
    counts.close()


# -- One log for all ---------------------------------------------------------------------------------------------------


def test_factories_of_one_process_share_a_log(tmp_path: Path) -> None:
    """SQLite has one writer: a second factory for the same file joins the first."""
    factories = [make(where) for where in (str(tmp_path / "log.db"), f"sqlite:///{tmp_path}/./log.db")]
    recorders = [factory.application_recorder() for factory in factories]
    assert recorders[0].insert_events([event(1)]) == [1]
    with pytest.raises(IntegrityError):
        recorders[1].insert_events([event(1)])
    with recorders[1].subscribe(gt=1) as subscription:
        recorders[0].insert_events([event(2)])
        assert next(subscription).originator_version == 2
    factories[0].close()
    with pytest.raises(InterfaceError):
        recorders[0].insert_events([event(3)])
    assert recorders[1].insert_events([event(3)]) == [3]
    factories[1].close()


def test_a_log_is_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    for version in range(1, 5):
        factory = make(str(tmp_path / "log.db"))
        assert factory.application_recorder().insert_events([event(version)]) == [version]
        factory.close()
        factory.close()


def test_a_log_that_is_forgotten_is_closed(tmp_path: Path) -> None:
    """A projection runner never closes its view's factory; whoever holds its recorder keeps the log."""
    recorder = make(str(tmp_path / "log.db")).application_recorder()
    recorder.insert_events([event(1)])
    del recorder
    gc.collect()
    again = make(str(tmp_path / "log.db"))
    assert again.application_recorder().insert_events([event(2)]) == [2]
    again.close()


def test_a_thread_that_is_being_started_does_not_wait_for_a_log(tmp_path: Path) -> None:
    """The collector may let go of a log there, while whoever starts the thread holds a lock that closing needs."""
    factory = make(str(tmp_path / "log.db"))
    recorder = factory.application_recorder()
    recorder.insert_events([event(1)])
    gate, gone = Event(), Event()
    recorder.log.start(lambda log: asyncio.to_thread(gate.wait))

    def let_go() -> None:
        factory.close()
        threading._active.pop(threading.get_ident())  # type: ignore[attr-defined]  # as its entry would replace it
        gone.set()

    start_new_thread(let_go, ())  # as a thread is before it is entered among the others
    assert gone.wait(30)
    gate.set()


def test_no_lock_is_held_while_a_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    start, held = Thread.start, []

    def watched(thread: Thread) -> None:
        held.append(open_logs._lock._is_owned())  # type: ignore[attr-defined]
        start(thread)

    monkeypatch.setattr(Thread, "start", watched)
    factory = make("memory:")
    factory.application_recorder()
    factory.close()
    assert held
    assert not any(held)


def test_a_log_whose_thread_does_not_start_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    factory = make("memory:threads")
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            factory.application_recorder()
    assert factory.application_recorder().insert_events([event()]) == [1]
    factory.close()


def test_a_log_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    nowhere = make(str(tmp_path / "nowhere" / "log.db"))
    for _ in range(2):
        with pytest.raises(OperationalError, match="does not exist"):
            nowhere.application_recorder()
    nowhere.close()


async def test_an_open_log_can_be_lent(tmp_path: Path) -> None:
    """A gateway and an application in one process write one log, by one committer."""
    where = str(tmp_path / "log.db")
    async with Log(SqliteEngine(where)) as log:
        with lend(log, where):
            factory = make(where)
            with pytest.raises(ProgrammingError, match="event loop"):
                factory.application_recorder().insert_events([event(1)])
            recorder = factory.application_recorder()
            opening = Command("c", "trip", Actor("a", "agent"), datetime.now(UTC), parse_command("session.open", {}))
            answers = asyncio.gather(
                log.submit(opening), *[asyncio.to_thread(recorder.insert_events, [event(n)]) for n in range(1, 9)]
            )
            await answers
            found = await asyncio.to_thread(recorder.select_notifications, None, 100)
            assert sorted(each.originator_version for each in found) == [1, *range(1, 9)]
            factory.close()
        assert log.working
        assert log.position == 9


async def test_a_log_can_be_lent_that_was_used_before(tmp_path: Path) -> None:
    where = str(tmp_path / "log.db")
    factory = make(where)
    recorder = await asyncio.to_thread(factory.application_recorder)
    await asyncio.to_thread(recorder.insert_events, [event(1)])
    async with Log(MemoryEngine()) as other:
        with pytest.raises(InterfaceError, match="open in this process"), lend(other, where):
            pass
    await asyncio.to_thread(factory.close)
    async with Log(SqliteEngine(where)) as log:
        with lend(log, where):
            again = make(where)
            assert await asyncio.to_thread(again.application_recorder().insert_events, [event(2)]) == [2]
            again.close()


async def test_a_log_that_is_not_lent_any_more_is_closed_to_threads() -> None:
    async with Log(MemoryEngine()) as log:
        with lend(log, "memory:gateway"):
            factory = make("memory:gateway")
            recorder = factory.application_recorder()
            await asyncio.to_thread(recorder.insert_events, [event()])
        with pytest.raises(InterfaceError):
            await asyncio.to_thread(recorder.max_notification_id)
        factory.close()


async def test_a_projection_can_follow_a_log_that_another_writes(tmp_path: Path) -> None:
    where = str(tmp_path / "log.db")
    async with Log(SqliteEngine(where)) as log:
        opening = Command("c", "trip", Actor("a", "agent"), datetime.now(UTC), parse_command("session.open", {}))
        await log.submit(opening)
        factory = make(where, STENOGRAM_READ_ONLY="yes")
        recorder = await asyncio.to_thread(factory.application_recorder)
        subscription = recorder.subscribe(topics=["session.closed"])
        waiting = asyncio.create_task(asyncio.to_thread(next, subscription))
        closing = Command("d", "trip", Actor("a", "agent"), datetime.now(UTC), parse_command("session.close", {}))
        await log.submit(closing)
        assert (await waiting).id == 2
        with pytest.raises(NotSupportedError):
            await asyncio.to_thread(recorder.insert_events, [event()])
        await asyncio.to_thread(factory.close)
