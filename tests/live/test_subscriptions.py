"""Subscriptions over a WebSocket: from any place, to one session, several or all, raw, filtered and replaced."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.wire import Follower, PageReader, SseReader, Wire

from stenogram.api.delivery import event_frames
from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.api.server import Gateway
from stenogram.domain.errors import LogFailed

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]


async def say(wire: Wire, count: int, session: str = "s", **data: Any) -> int:
    """Record custom events; the session's version afterwards."""
    answers = [
        await wire.command(session, "custom.record", {"type": "x.n", "data": {"n": n}, **data}) for n in range(count)
    ]
    return int(answers[-1]["versions"][0])


async def test_history_comes_first_then_caught_up_once_then_live_events(wire: Wire) -> None:
    head = await say(wire, 5)
    follower = await wire.subscribe(session="s")
    await wire.catch_up("s")
    assert (follower.at, follower.caught_up) == (
        head,
        {
            "frame": "caught_up",
            "sub": "s",
            "session": "s",
            "version": head,
            "position": head,
            "resume": f"{wire.welcome['epoch']}.v{head}",
        },
    )
    head = await say(wire, 5)
    await wire.reach("s", head)
    assert follower.places == list(range(1, head + 1))


async def test_a_session_may_be_followed_before_it_exists(connect: Open) -> None:
    wire = await connect()
    follower = await wire.subscribe(session="later")
    await wire.catch_up("later")
    await wire.command("later", "session.open", {})
    await wire.reach("later", 1)
    assert follower.places == [1]


@pytest.mark.parametrize("after", [0, 1, 3, 6])
async def test_a_subscription_goes_on_from_any_version(after: int, wire: Wire) -> None:
    head = await say(wire, 5)
    follower = await wire.subscribe(session="s", after=after)
    await wire.catch_up("s")
    assert follower.places == list(range(after + 1, head + 1))


async def test_end_means_live_events_only(wire: Wire) -> None:
    head = await say(wire, 5)
    wire.follow("s", {("s", "s"): Follower(head)})
    await wire.send({"frame": "subscribe", "session": "s", "after": "end"})
    follower = await wire.catch_up("s")
    await wire.reach("s", await say(wire, 1))
    assert follower.places == [head + 1]


async def test_the_whole_log_by_cursor(connect: Open) -> None:
    wire = await connect()
    for session in ("a", "b"):
        await wire.command(session, "session.open", {})
        await say(wire, 2, session)
    all = await wire.subscribe("log", all=True)
    part = await wire.subscribe("part", all=True, after=write_cursor(wire.welcome["epoch"], 4), at=4)
    await wire.catch_up("log")
    await wire.catch_up("part")
    await say(wire, 1, "a")
    await wire.reach("log", 7)
    await wire.reach("part", 7)
    assert [event["session"] for event in all.events] == ["a", "a", "a", "b", "b", "b", "a"]
    assert part.places == [5, 6, 7]


async def test_types_filter_and_to_moves_over_what_is_left_out(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_frames, "PROGRESS_EVERY_PLACES", 10)
    follower = await wire.subscribe(session="s", types=["message.*", "session.opened"], dense=False)
    await wire.catch_up("s")
    await say(wire, 25)
    await wire.reach("s", 20)
    await wire.command("s", "message.post", {"message": "m", "text": "x"})
    await wire.reach("s", 27)
    assert [event["type"] for event in follower.events] == ["session.opened", "message.posted"]
    again = await wire.subscribe(session="s", types=["x.other"], dense=False)
    await wire.catch_up("s")
    assert (again.at, again.events) == (27, [])


async def test_subscribing_again_replaces(wire: Wire) -> None:
    await say(wire, 3)
    await wire.subscribe("sub", session="s")
    await wire.catch_up("sub")
    second = await wire.subscribe("sub", session="s", after=2)
    await wire.catch_up("sub")
    await wire.reach("sub", await say(wire, 1))
    assert second.places == [3, 4, 5]


async def test_the_old_subscription_says_nothing_once_the_new_one_has_begun(
    connect: Open, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.delivery.pump.SLICE_S", 0.0)
    monkeypatch.setattr("stenogram.api.delivery.event_frames.MAX_FRAME_BYTES", 100)
    wire = await connect()
    for session in ("old", "new"):
        await wire.command(session, "session.open", {})
        await say(wire, 100, session)
    for _ in range(20):
        await wire.send({"frame": "subscribe", "sub": "x", "session": "old"})
        await wire.send({"frame": "subscribe", "sub": "x", "session": "new"})
        seen: list[str] = []
        while not seen or seen[-1] != "caught_up new":
            frame = await wire.ws.receive_json(timeout=30)
            seen.append(f"{frame['frame']} {frame['session']}")
        assert not any(each.endswith("old") for each in seen[seen.index("events new") :])
        await wire.send({"frame": "unsubscribe", "sub": "x"})


async def test_nothing_comes_after_unsubscribe(wire: Wire) -> None:
    await wire.subscribe(session="s")
    await wire.catch_up("s")
    await wire.send({"frame": "unsubscribe", "sub": "s"}, {"frame": "heartbeat"})
    await wire.until(lambda: bool(wire.frames))
    wire.followers.clear()
    await say(wire, 3)


async def test_an_epoch_is_checked_where_it_is_given(wire: Wire) -> None:
    await wire.send({"frame": "subscribe", "session": "s", "after": 1, "epoch": "another"})
    assert (await wire.refusal())["error"]["code"] == "bad_cursor"
    follower = await wire.subscribe(session="s", after=1, epoch=wire.welcome["epoch"])
    await wire.catch_up("s")
    assert follower.at == 1


@pytest.mark.parametrize(
    "subscribe",
    [
        {"session": "s", "after": 99},
        {"session": "s", "after": -1},
        {"session": "s", "after": "x"},
        {"session": "s", "after": "1.5"},
        {"session": "s", "after": "9" * 30},
        {"session": "none", "after": 1},
        {"all": True, "after": 5},
        {"all": True, "after": "5"},
        {"all": True, "after": "feed.1"},
        {"all": True, "after": "{epoch}.99"},
        {"all": True, "after": "{epoch}."},
        {"all": True, "after": "{epoch}.-1"},
    ],
)
async def test_a_place_that_does_not_exist_is_refused(subscribe: dict[str, Any], wire: Wire) -> None:
    if isinstance(subscribe.get("after"), str):
        subscribe = {**subscribe, "after": subscribe["after"].replace("{epoch}", wire.welcome["epoch"])}
    await wire.send({"frame": "subscribe", "sub": "x", **subscribe})
    refused = await wire.refusal()
    assert (refused["sub"], refused["error"]["code"]) == ("x", "bad_cursor")


@pytest.mark.parametrize(
    "subscribe",
    [
        {},
        {"session": "s", "all": True},
        {"session": "a b"},
        {"sessions": {"s": 0}},
        {"all": False},
        {"session": "s", "after": True},
        {"session": "s", "after": 1.5},
        {"session": "s", "after": None},
        {"session": "s", "types": "x"},
        {"session": "s", "types": ["*"]},
        {"session": "s", "types": ["X"]},
        {"session": "s", "reading": "cooked"},
        {"session": "s", "more": 1},
        {"session": "s", "sub": ""},
        {"session": "s", "sub": "x" * 129},
        {"session": "s", "sub": 7},
    ],
)
async def test_a_malformed_subscription_is_refused(subscribe: dict[str, Any], wire: Wire) -> None:
    await wire.send({"frame": "subscribe", **subscribe})
    assert (await wire.refusal())["error"]["code"] == "invalid"
    assert (await wire.command("s", "message.post", {"message": "m", "text": "x"}))["frame"] == "ack"


async def test_a_connection_has_so_many_subscriptions(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(subscriptions=3)
    wire = await Wire.open(http, gateway.url, participant="a")
    for number in range(3):
        await wire.subscribe(f"sub{number}", session="s")
    await wire.send({"frame": "subscribe", "sub": "sub3", "session": "s"})
    assert (await wire.refusal())["error"]["code"] == "busy"
    await wire.subscribe("sub2", session="other")
    await wire.send({"frame": "unsubscribe", "sub": "sub0"})
    await wire.subscribe("sub3", session="s")
    await wire.catch_up("sub3")


# -- what retention has removed


async def test_a_gap_is_told_before_any_events_on_every_face(
    tmp_path: Path, http: aiohttp.ClientSession, start: Start
) -> None:
    gateway = await start(log=str(tmp_path / "gap.db"))
    wire = await Wire.open(http, gateway.url, participant="a")
    await wire.command("s", "session.open", {})
    head = await say(wire, 29)
    with sqlite3.connect(tmp_path / "gap.db") as database:
        database.execute("DELETE FROM event WHERE version <= 9 OR version BETWEEN 15 AND 17 OR version > 28")
    database.close()
    gaps, kept = [(1, 9), (15, 17), (29, 30)], [*range(10, 15), *range(18, 29)]
    follower = await wire.subscribe(session="s")
    await wire.catch_up("s")
    assert (follower.gaps, follower.places) == (gaps, kept)
    whole = await wire.subscribe(all=True)
    await wire.catch_up("*")
    assert (whole.gaps, whole.places) == (gaps, kept)
    url = f"{gateway.url}/v1/sessions/s/events"
    async with SseReader.open(http, url, Follower()) as stream:
        await stream.reach(head)
        assert (stream.follower.gaps, stream.follower.places) == (gaps, kept)
    pages = PageReader(http, url, Follower())
    while not pages.caught_up:
        await pages.next(limit=8)
    assert (pages.follower.gaps, pages.follower.places) == (gaps, kept)
    async with http.get(url, headers={"Accept": "application/x-ndjson"}) as response:
        assert response.headers["Stenogram-Gap"] == "1-9"
        assert response.headers["Stenogram-To"] == "14"
        assert response.headers["Stenogram-Caught-Up"] == "false"


# -- faults


async def test_a_fault_while_delivering_ends_those_connections_and_nothing_else(
    connect: Open, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = await connect("follower")
    await follower.subscribe(session="s")
    await follower.catch_up("s")

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(event_frames, "encode_frame", broken)
        head = await say(wire, 1)
        closed = await follower.closed()
    assert closed.code == 4000
    assert closed.bye is not None
    assert closed.bye.items() >= {"code": "server_error", "resume": {"s": f"{wire.welcome['epoch']}.v1"}}.items()
    again = await connect("follower")
    resumed = await again.subscribe(session="s", after=1)
    await again.catch_up("s")
    await again.reach("s", await say(wire, 1))
    assert resumed.places == [head, head + 1]
    assert any("broken" in (record.exc_text or str(record.exc_info)) for record in caplog.records)
    caplog.clear()


async def test_a_page_that_cannot_be_read_ends_the_connection(
    connect: Open, wire: Wire, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LogFailed("The disk is gone.")

    await say(wire, 3)
    follower = await connect("follower")
    monkeypatch.setattr(gateway.tenants.open[""].log.engine, "read_wires", fails)
    await follower.subscribe(session="s")
    closed = await follower.closed()
    assert closed.code == 4000
    assert closed.bye is not None
    assert closed.bye["reason"] == "The disk is gone."


async def test_a_head_that_cannot_be_read_leaves_no_topic_behind(
    wire: Wire, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LogFailed("The disk is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(gateway.tenants.open[""].log.engine, "read_heads", fails)
        await wire.send({"frame": "subscribe", "session": "never-read"})
        assert (await wire.refusal())["error"]["code"] == "log_failed"
    assert gateway.tenants.open[""].feed._topics == {}


async def test_nothing_is_left_of_those_who_went(connect: Open, gateway: Gateway, wire: Wire) -> None:
    feed = gateway.tenants.open[""].feed
    for turn in range(10):
        other = await connect(f"p{turn}")
        await other.subscribe(session="s")
        await other.subscribe(all=True)
        await other.subscribe("two", session="t")
        if turn % 2:
            await other.catch_up("two")
            await other.close()
        else:
            other.cut()
    for _ in range(500):
        if not feed._topics and len(gateway.websocket_server) == 1:
            break
        await asyncio.sleep(0.01)
    assert not feed._topics
    assert not feed.pages._kept._values
    assert not feed._replays._kept._values


async def test_what_is_committed_and_not_yet_told_of_is_no_gap(connect: Open, wire: Wire, gateway: Gateway) -> None:
    """The head is read from the storage, which may be ahead of what the ring holds."""
    hub = gateway.tenants.open[""].log.hub
    head = await say(wire, 3)
    untold: list[Any] = []
    publish, hub._listeners[0] = hub._listeners[0], untold.append
    await say(wire, 2)
    first, second = await connect("first"), await connect("second")
    ahead = await first.subscribe(session="s", after=head + 2)
    await first.catch_up("s")
    publish(untold.pop(0))
    behind = await second.subscribe(session="s", after=head)
    await second.reach("s", head + 2)
    publish(untold.pop(0))
    hub._listeners[0] = publish
    await say(wire, 1)
    await first.reach("s", head + 3)
    await second.reach("s", head + 3)
    assert (ahead.gaps, ahead.places) == ([], [head + 3])
    assert (behind.gaps, behind.places) == ([], [head + 1, head + 2, head + 3])
