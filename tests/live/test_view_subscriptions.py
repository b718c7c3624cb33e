"""Following documents: first the document, then patches of it; over WebSocket and server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from support.wire import Frame, Wire

from stenogram.api.server import Gateway
from stenogram.domain.errors import ViewsFailed
from stenogram.domain.json.patch import apply_patch
from stenogram.projections.store import Found

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def gateway(start: Start, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A gateway that keeps views."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return await start(views="", projections=("custom_views:all_of_them",))


class Follower:
    """What a client makes of the frames about one document."""

    def __init__(self, value: Any = None, etag: str = "") -> None:
        self.value = value
        self.etag = etag
        self.kinds: list[str] = []

    def receive(self, frame: Frame) -> None:
        """Take one frame over."""
        self.etag = frame["etag"]
        if "value" in frame:
            self.value = frame["value"]
        elif "patch" in frame:
            self.value = apply_patch(self.value, frame["patch"]).value
        self.kinds.append("value" if "value" in frame else "patch" if "patch" in frame else "same")


async def follow(wire: Wire, follower: Follower, done: Callable[[Any], bool], sub: str = "views") -> None:
    """Take frames of a subscription over until its document is as wanted."""
    async with asyncio.timeout(40):
        while True:
            for frame in [each for each in wire.frames if each["frame"] == "view" and each["sub"] == sub]:
                wire.frames.remove(frame)
                follower.receive(frame)
                if done(follower.value):
                    return
            await wire.step()


async def test_a_document_and_then_its_changes(wire: Wire, connect: Open) -> None:
    for number in range(20):
        assert (await wire.command("s", "state.merge", {"patch": {f"k{number}": number}}))["frame"] == "ack"
    watcher, follower = await connect("ada", "user"), Follower()
    await watcher.send({"frame": "subscribe", "views": [{"view": "state", "key": "s"}]})
    await follow(watcher, follower, lambda value: value is not None and value["version"] >= 21)
    for number in range(5):
        ack = await wire.command("s", "state.merge", {"patch": {"count": number}})
        await follow(watcher, follower, lambda value: value["version"] == ack["versions"][0])  # noqa: B023
        assert follower.value["value"]["count"] == number
    assert follower.kinds[0] == "value"
    assert set(follower.kinds[-5:]) == {"patch"}


async def test_a_follower_who_returns_is_told_only_what_is_new(wire: Wire, connect: Open) -> None:
    await wire.command("s", "state.merge", {"patch": {"a": 1}})
    first, follower = await connect("ada", "user"), Follower()
    await first.send({"frame": "subscribe", "sub": "mine", "views": [{"view": "state", "key": "s"}]})
    await follow(first, follower, lambda value: value is not None and value["value"] == {"a": 1}, "mine")
    await first.close()
    known = {"view": "state", "key": "s", "known": follower.etag}

    second = await connect("ada", "user")
    await second.send({"frame": "subscribe", "sub": "mine", "views": [known]})
    await follow(second, follower, lambda value: True, "mine")
    assert follower.kinds[-1] == "same"
    await wire.command("s", "state.merge", {"patch": {"b": 2}})
    await follow(second, follower, lambda value: value["value"] == {"a": 1, "b": 2}, "mine")

    await second.close()
    await wire.command("s", "state.merge", {"patch": {"c": 3}})
    third = await connect("ada", "user")
    await third.send({"frame": "subscribe", "sub": "mine", "views": [{**known, "known": follower.etag}]})
    await follow(third, follower, lambda value: value["value"] == {"a": 1, "b": 2, "c": 3}, "mine")


async def test_a_document_that_is_not_there_yet_is_told_of_when_it_is(wire: Wire, connect: Open) -> None:
    watcher, follower = await connect("ada", "user"), Follower()
    await watcher.send({"frame": "subscribe", "views": [{"view": "state", "key": "later"}]})
    await follow(watcher, follower, lambda value: True)
    assert (follower.etag, follower.value) == ("", None)
    await wire.command("later", "session.open", {})
    await wire.command("later", "state.merge", {"patch": {"a": 1}})
    await follow(watcher, follower, lambda value: value is not None)
    assert follower.value["value"] == {"a": 1}


async def test_several_documents_under_one_name_and_views_over_sessions(wire: Wire, connect: Open) -> None:
    watcher = await connect("ada", "user")
    views = [{"view": "agents", "key": "s"}, {"view": "words", "key": "hotels"}, {"view": "state", "key": "s"}]
    await watcher.send({"frame": "subscribe", "sub": "three", "views": views})
    await watcher.until(lambda: len(watcher.frames) >= 3)
    watcher.frames.clear()
    await wire.command("s", "message.post", {"message": "m1", "text": "One two three"})
    await watcher.until(lambda: any(frame["view"] == "words" for frame in watcher.frames))
    (words,) = [frame for frame in watcher.frames if frame["view"] == "words"]
    assert words["value"] == {"words": 3}
    await watcher.send({"frame": "unsubscribe", "sub": "three"}, {"frame": "heartbeat"})
    await watcher.until(lambda: any(frame["frame"] == "heartbeat" for frame in watcher.frames))
    watcher.frames.clear()
    await wire.command("s", "message.post", {"message": "m2", "text": "Four"})
    await asyncio.sleep(0.2)
    await watcher.send({"frame": "heartbeat"})
    await watcher.until(lambda: bool(watcher.frames))
    assert [frame["frame"] for frame in watcher.frames] == ["heartbeat"]


async def test_each_follower_sees_what_is_for_them(wire: Wire, connect: Open) -> None:
    person, agent = await connect("ada", "user"), await connect("flights", "agent")
    seen = {"person": Follower(), "agent": Follower()}
    for each in (person, agent):
        await each.send({"frame": "subscribe", "views": [{"view": "usage", "key": "s"}]})
    for number, audience in enumerate((["agents"], ["users"], ["everyone"])):
        await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hm.", "audience": audience})

    def audiences(value: Any) -> set[Any]:
        return {
            None if each["audience"] is None else each["audience"][0] for each in (value or {"spoken": []})["spoken"]
        }

    await follow(person, seen["person"], lambda value: audiences(value) == {"users", None})
    await follow(agent, seen["agent"], lambda value: audiences(value) == {"agents", None})
    assert b'"agents"' not in orjson.dumps(seen["person"].value)


async def test_what_cannot_be_followed_is_refused(wire: Wire) -> None:
    for views, code in (
        ([{"view": "nothing", "key": "s"}], "not_found"),
        ([{"view": "state"}], "invalid"),
        ([{"view": "state", "key": "a\0b"}], "invalid"),
        ([], "invalid"),
        ([{"view": "state", "key": "s"}] * 17, "invalid"),
    ):
        await wire.send({"frame": "subscribe", "sub": "x", "views": views})
        assert (await wire.refusal())["error"]["code"] == code, views
    await wire.send({"frame": "subscribe", "session": "s", "views": [{"view": "state", "key": "s"}]})
    assert (await wire.refusal())["error"]["code"] == "invalid"


async def test_a_follower_who_does_not_read_is_told_the_document_whole(
    start: Start, http: aiohttp.ClientSession
) -> None:
    gateway = await start(views="", slow_after=30.0)
    writer = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    slow = await Wire.open(http, gateway.url, participant="ada", kind="user")
    await writer.command("s", "session.open", {})
    follower = Follower()
    await slow.send({"frame": "subscribe", "views": [{"view": "state", "key": "s"}]})
    await follow(slow, follower, lambda value: True)
    for number in range(40):
        patch = {f"large{number % 3}": f"{number}" * 100_000}
        assert (await writer.command("s", "state.merge", {"patch": patch}))["frame"] == "ack"
    ack = await writer.command("s", "state.merge", {"patch": {"last": True}})
    await follow(slow, follower, lambda value: value is not None and value["version"] == ack["versions"][0])
    assert follower.value["value"]["large0"] == "39" * 100_000


async def test_a_change_that_could_not_be_read_is_told_when_it_can(
    gateway: Gateway, wire: Wire, connect: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No event comes after it, which would have it read again."""
    watcher, follower = await connect("ada", "user"), Follower()
    await watcher.send({"frame": "subscribe", "views": [{"view": "state", "key": "s"}]})
    await follow(watcher, follower, lambda value: True)
    store = gateway.tenants.open[""].views.store
    get, failed = store.get, asyncio.Event()

    async def fails_once(*asked: Any) -> Found:
        if failed.is_set():
            return await get(*asked)
        failed.set()
        raise ViewsFailed("The database of the views is away.")

    monkeypatch.setattr(store, "get", fails_once)
    await wire.command("s", "state.merge", {"patch": {"a": 1}})
    await follow(watcher, follower, lambda value: value is not None and value["value"] == {"a": 1})
    assert failed.is_set()
    assert ["state cannot be read" in each.message for each in caplog.records] == [True]
    caplog.clear()


async def test_a_document_over_server_sent_events(gateway: Gateway, wire: Wire, http: aiohttp.ClientSession) -> None:
    await wire.command("s", "state.merge", {"patch": {"a": 1}})
    url, follower, last = f"{gateway.url}/v1/views/state/s", Follower(), ""
    for number in range(3):
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        async with http.get(url, headers=headers) as response, asyncio.timeout(40):
            assert response.content_type == "text/event-stream"
            await wire.command("s", "state.merge", {"patch": {"b": number}})
            while (follower.value or {"value": {}})["value"] != {"a": 1, "b": number}:
                block = (await response.content.readuntil(b"\n\n")).decode()
                fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
                if fields.get("event") == "view":
                    follower.receive(orjson.loads(fields["data"]))
                    last = fields["id"]
                    assert last == follower.etag


async def test_a_gateway_that_ends_says_what_each_follower_has(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(views="", drain=0.5)
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {})
    await wire.command("s", "state.merge", {"patch": {"a": 1}})
    follower = Follower()
    await wire.send({"frame": "subscribe", "sub": "mine", "views": [{"view": "state", "key": "s"}]})
    await follow(wire, follower, lambda value: value is not None, "mine")
    drained = asyncio.create_task(gateway.drain())
    closed = await wire.closed()
    await drained
    assert closed.bye is not None
    assert closed.bye["resume"] == {"mine": [{"view": "state", "key": "s", "known": follower.etag}]}


async def test_the_rows_of_a_session_and_then_how_they_change(wire: Wire, connect: Open) -> None:
    await wire.command("s", "task.create", {"task": "t-1", "title": "Find a room"})
    await wire.command("other", "session.open", {})
    await wire.command("other", "task.create", {"task": "t-9", "title": "Elsewhere"})
    watcher, follower = await connect("ada", "user"), Follower()
    await watcher.send({"frame": "subscribe", "views": [{"view": "tasks", "key": "s"}]})
    await follow(watcher, follower, lambda value: "t-1" in value)
    await wire.command("s", "task.create", {"task": "t-2", "title": "Find a flight"})
    await follow(watcher, follower, lambda value: "t-2" in value)
    await wire.command("s", "task.claim", {"task": "t-1"})
    await follow(watcher, follower, lambda value: value["t-1"]["status"] == "claimed")
    assert set(follower.value) == {"t-1", "t-2"}
    assert (follower.kinds[0], follower.kinds[-1]) == ("value", "patch")
    known = {"view": "tasks", "key": "s", "known": follower.etag}
    await watcher.send({"frame": "subscribe", "sub": "again", "views": [known]})
    await follow(watcher, follower, lambda value: True, "again")
    assert follower.kinds[-1] == "same"


async def test_rows_are_followed_as_far_as_each_may_see_them(wire: Wire, connect: Open) -> None:
    ada, hotels = await connect("ada", "user"), await connect("flights")
    seen = {}
    for watcher in (ada, hotels):
        seen[watcher] = Follower()
        await watcher.send({"frame": "subscribe", "views": [{"view": "transcript", "key": "s"}]})
        await follow(watcher, seen[watcher], lambda value: value == {})
    await wire.command("s", "message.post", {"message": "m1", "text": "Hm.", "audience": ["agents"]})
    await wire.command("s", "message.post", {"message": "m2", "text": "Rooms?"})
    for watcher, number in ((ada, 1), (hotels, 2)):
        await follow(watcher, seen[watcher], lambda value: len(value) == number)  # noqa: B023
    assert "Hm." not in str(seen[ada].value)


async def test_rows_are_followed_over_server_sent_events(
    wire: Wire, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await wire.command("s", "task.create", {"task": "t-1", "title": "Find a room"})
    url = f"{gateway.url}/v1/views/tasks/s"
    async with http.get(url, headers={"Accept": "text/event-stream"}) as response, asyncio.timeout(40):
        async for line in response.content:
            if line.startswith(b"data: ") and (value := orjson.loads(line[6:]).get("value")):
                assert value["t-1"]["title"] == "Find a room"
                return


async def test_what_changed_in_rows_between_two_moments(
    wire: Wire, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    first = await wire.command("s", "task.create", {"task": "t-1", "title": "Find a room"})
    await wire.command("s", "task.create", {"task": "t-2", "title": "Find a flight"})
    last = await wire.command("s", "task.claim", {"task": "t-1"})
    url = f"{gateway.url}/v1/views/tasks/s/difference"
    places = {"from": str(first["versions"][0]), "to": str(last["versions"][0])}
    async with http.get(url, params=places) as response:
        patch = (await response.json())["patch"]
    assert [(each["op"], each["path"]) for each in patch] == [("replace", "/t-1"), ("add", "/t-2")]
    async with http.get(url, params={**places, "from": "0"}) as response:
        assert apply_patch({}, (await response.json())["patch"]).value["t-1"]["status"] == "claimed"
