"""Views over HTTP: as they are, as they were, in pages, and for whom."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
import pytest

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.client import Client
from stenogram.domain.errors import NoDocument
from stenogram.domain.json.patch import apply_patch

SECRET = "a secret that is long enough for HS256"
CUSTOM = "custom_views:all_of_them"


@pytest.fixture(autouse=True)
def every_event_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives in one millisecond shares its time, and so would be in a moment that is told by time."""
    monkeypatch.setattr("stenogram.log.clock.RESOLUTION_S", 0.0)


@pytest.fixture
async def gateway(start: Any, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A gateway that keeps the built-in views and those of an application."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    gateway: Gateway = await start(views="", projections=(CUSTOM,))
    return gateway


class Reader:
    """Reads views over HTTP, always as new as the last write."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str | None = None, position: int = 0) -> None:
        self._http = http
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.position = position

    async def ask(self, path: str, known: str | None = None, **query: Any) -> tuple[int, Any, Any]:
        """Status, body and headers of an answer."""
        named = {name.rstrip("_").replace("__", "."): str(value) for name, value in query.items()}
        headers = self._headers if known is None else {**self._headers, "If-None-Match": known}
        asked = self._http.get(f"{self._url}/v1/{path}", params=named, headers=headers)
        async with asked as response:
            body = await response.json(content_type=None) if response.status != 304 else None
            return response.status, body, response.headers

    async def view(self, path: str, **query: Any) -> Any:
        """The body of a view that is there."""
        if "at" not in query:
            query |= {"min_position": self.position, "wait": 10}
        status, body, _ = await self.ask(f"views/{path}", **query)
        assert status == 200, body
        return body


@pytest.fixture
def reader(http: aiohttp.ClientSession, gateway: Gateway) -> Reader:
    return Reader(http, gateway.url)


@pytest.fixture
async def trip(gateway: Gateway, reader: Reader) -> Any:
    """Who plays `hotels` in session `trip-7`, which has seen a few things."""
    opening: Any = {"title": "Three days in Lisbon", "labels": {"stage": "planning"}}
    async with Client(gateway.url, participant="hotels") as client, client.session("trip-7", **opening) as session:
        await session.status("working", "Looking for rooms")
        await session.post("Rooms for @ada and @bob ?", message="m1")
        await session.post("Hm, @carl .", message="m2", to=["agents"])
        ack = await session.do("state.merge", {"patch": {"hotel": {"nights": 2}}})
        reader.position = ack.positions[0]
        yield session


async def test_a_document_is_read_as_new_as_ones_own_writes(reader: Reader, trip: Any) -> None:
    for nights in range(3, 8):
        ack = await trip.do("state.merge", {"patch": {"hotel": {"nights": nights}}})
        reader.position = ack.positions[0]
        found = await reader.view("state/trip-7")
        assert found["position"] >= ack.positions[0]
        assert found["value"] == {"value": {"hotel": {"nights": nights}}, "version": ack.versions[0], "restricted": {}}


async def test_a_document_that_is_known_is_not_sent_again(reader: Reader, trip: Any) -> None:
    await reader.view("agents/trip-7")
    _, _, headers = await reader.ask("views/agents/trip-7")
    for known in (headers["ETag"], f'"other", {headers["ETag"]}', "*"):
        status, _, again = await reader.ask("views/agents/trip-7", known)
        assert (status, again["ETag"]) == (304, headers["ETag"])
    reader.position = (await trip.do("presence.status", {"status": "blocked"})).positions[0]
    await reader.view("agents/trip-7")
    status, found, _ = await reader.ask("views/agents/trip-7", headers["ETag"])
    assert (status, found["value"]["agents"]["hotels"]["status"]) == (200, "blocked")


async def test_any_moment_of_the_past_by_version_and_by_time(reader: Reader, trip: Any) -> None:
    now = await reader.view("agents/trip-7")
    hotels = now["value"]["agents"]["hotels"]
    then = await reader.view("agents/trip-7", at=2)
    assert (then["version"], then["value"]["agents"]["hotels"]["status"]) == (2, "idle")
    by_time = await reader.view("agents/trip-7", at=hotels["evidence"]["time"])
    assert (by_time["version"], by_time["value"]["agents"]["hotels"]["status"]) == (3, "working")
    rows = (await reader.view("transcript/trip-7", at=4))["rows"]
    assert [row["entry"] for row in rows] == ["message:m1"]
    live = (await reader.view("timeline/trip-7"))["rows"]
    assert (await reader.view("timeline/trip-7", at=6))["rows"] == live


async def test_the_difference_between_two_moments(reader: Reader, trip: Any) -> None:
    before, after = [(await reader.view("agents/trip-7", at=version))["value"] for version in (2, 6)]
    status, found, _ = await reader.ask("views/agents/trip-7/difference", from_=2, to=6)
    assert (status, found["from"], found["to"]) == (200, 2, 6)
    assert apply_patch(before, found["patch"]).value == after
    _, whole, _ = await reader.ask("views/agents/trip-7/difference", from_=0)
    assert apply_patch(None, whole["patch"]).value == (await reader.view("agents/trip-7"))["value"]


@pytest.mark.parametrize("more", [{}, {"at": 6}])
async def test_rows_come_in_pages(reader: Reader, trip: Any, more: dict[str, int]) -> None:
    whole = (await reader.view("timeline/trip-7", **more))["rows"]
    assert [row["since"] for row in whole] == sorted(row["since"] for row in whole)
    backwards = (await reader.view("timeline/trip-7", order="-began", **more))["rows"]
    assert backwards == whole[::-1]
    pages: list[Any] = []
    after: dict[str, Any] = {}
    while len(pages) <= len(whole):
        page = await reader.view("timeline/trip-7", limit=1, **after, **more)
        pages += page["rows"]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert pages == whole
    (only,) = (await reader.view("timeline/trip-7", where__span="message:m1", **more))["rows"]
    assert only["span"] == "message:m1"


async def test_views_of_an_application_are_served_like_any_other(reader: Reader, trip: Any) -> None:
    _, listed, _ = await reader.ask("views")
    described = {each["view"]: (each["keeps"], each["by_session"]) for each in listed["views"]}
    assert described["words"] == ("documents", False)
    assert {each["health"] for each in listed["views"] if "health" in each} <= {"healthy"}
    assert described["mentions"] == ("rows", True)
    assert (await reader.view("words/hotels"))["value"] == {"words": 6}
    assert (await reader.view("words", where__words=6))["documents"] == [{"key": "hotels", "value": {"words": 6}}]
    assert {row["name"] for row in (await reader.view("mentions"))["rows"]} == {"ada", "bob"}
    as_agent = await reader.view("mentions", participant="flights", kind="agent")
    assert {row["name"] for row in as_agent["rows"]} == {"ada", "bob", "carl"}
    (ada,) = (await reader.view("mentions/trip-7", where__name="ada"))["rows"]
    assert ada == {"session": "trip-7", "name": "ada", "times": 1, "actor": "hotels", "audience": None}


async def test_people_are_shown_what_is_for_them(reader: Reader, trip: Any) -> None:
    def entries(page: Any) -> list[str]:
        return [row["entry"] for row in page["rows"]]

    agent = {"participant": "flights", "kind": "agent"}
    assert entries(await reader.view("transcript/trip-7")) == ["message:m1"]
    assert entries(await reader.view("transcript/trip-7", **agent)) == ["message:m1", "message:m2"]
    assert entries(await reader.view("transcript/trip-7", at=6)) == ["message:m1"]
    assert entries(await reader.view("transcript/trip-7", at=6, **agent)) == ["message:m1", "message:m2"]
    page = await reader.view("transcript/trip-7", limit=1)
    assert "next" not in page or not (await reader.view("transcript/trip-7", after=page["next"]))["rows"]


async def test_sessions_are_found_by_what_is_known_of_them(gateway: Gateway, reader: Reader) -> None:
    async with Client(gateway.url, participant="desk", kind="user") as desk:
        for number in range(6):
            labels = {"stage": "even" if number % 2 == 0 else "odd"}
            async with desk.session(f"s-{number}", title=f"Trip {number} to Lisbon", labels=labels) as session:
                if number == 4:
                    await session.close()
        await asyncio.sleep(0.01)  # the gateway's clock is read once a millisecond, and equal times are ordered by key
        ack = await desk.do("s-1", "session.describe", {"title": "To PORTO"})
        reader.position = ack.positions[0]
    await reader.view("facets")
    await reader.view("sessions")

    async def found(**query: Any) -> list[str]:
        status, body, _ = await reader.ask("search", **query)
        assert status == 200, body
        assert "next" not in body or len(body["documents"]) == query["limit"]
        return [each["key"] for each in body["documents"]]

    assert await found() == ["s-1", "s-5", "s-4", "s-3", "s-2", "s-0"]
    assert await found(order="key", limit=2) == ["s-0", "s-1"]
    assert await found(title="porto") == ["s-1"]
    assert await found(label__stage="even") == ["s-4", "s-2", "s-0"]
    assert await found(label__stage="even", status="open", order="opened") == ["s-0", "s-2"]
    assert await found(with_="desk", status="closed") == ["s-4"]
    assert await found(with_="nobody") == []
    _, page, _ = await reader.ask("search", label__stage="odd", limit=1)
    assert await found(label__stage="odd", limit=1, after=page["next"]) == ["s-5"]
    _, page, _ = await reader.ask("search", limit=4)
    assert await found(limit=4, after=page["next"]) == ["s-2", "s-0"]
    changed = page["documents"][2]["value"]["changed"]
    assert await found(since=changed) == ["s-1", "s-5", "s-4"]
    assert await found(until=changed) == ["s-4", "s-3", "s-2", "s-0"]


async def test_a_session_is_found_by_a_label_that_no_column_keeps_as_it_is(gateway: Gateway, reader: Reader) -> None:
    async with Client(gateway.url, participant="desk", kind="user") as desk:
        for name, stage in (("s-0", "a\0b"), ("s-1", "ab")):
            ack = await desk.do(name, "session.open", {"labels": {"stage": stage}})
            reader.position = ack.positions[0]
    await reader.view("facets")
    await reader.view("sessions")
    for stage, keys in (("a\0b", ["s-0"]), ("ab", ["s-1"]), ("\0", [])):
        status, body, _ = await reader.ask("search", label__stage=stage)
        assert (status, [each["key"] for each in body["documents"]]) == (200, keys)


async def test_a_view_that_holds_nothing_of_a_session_says_so(gateway: Gateway, reader: Reader) -> None:
    """And not that there is no such session."""
    async with Client(gateway.url, participant="ada", kind="user") as client:
        reader.position = (await client.do("bare", "session.open", {})).positions[0]
        await reader.view("sessions/bare")
        for _ in range(400):  # each view is there in its own time
            if (await reader.ask("views/state/bare"))[0] != 503:
                break
            await asyncio.sleep(0.05)
        for path in ("views/state/bare", "views/state/bare?at=1"):
            status, problem, _ = await reader.ask(path)
            assert (status, problem["code"]) == (404, "no_document")
        status, problem, _ = await reader.ask("views/state/nowhere")
        assert (status, problem["code"]) == (404, "not_found")
        assert (await reader.view("transcript/bare"))["rows"] == []
        with pytest.raises(NoDocument):
            await client.session("bare").view("state").get()
    # Nobody was refused anything by that: an operator need not look into it.
    assert (gateway.telemetry.refusals["no_document"], gateway.telemetry.refusals["not_found"]) == (0, 1)


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("views/nothing", {}, 404, "There is no view 'nothing'; there are sessions, "),
    ("views/state/nowhere", {}, 404, "There is no session 'nowhere'"),
    ("sessions", {"after": "a\0b"}, 400, "after"),
    ("views/state/nowhere", {"at": 1}, 404, "There is no session 'nowhere'"),
    ("views/state/trip-7", {"at": 99}, 404, "there is no version 99 yet"),
    ("views/state/trip-7", {"at": "soon"}, 400, "should be a version of the session, or a time"),
    ("views/state/trip-7", {"min_position": 10**9}, 404, "there is no position 1000000000 yet"),
    ("views/state/-odd", {}, 400, "A session's id"),
    ("views/state/trip-7", {"att": 1}, 400, "att"),
    ("views/state/trip-7", {"where__key": "x"}, 400, "where.key"),
    ("views/words/hotels", {"at": 1}, 400, "not kept by session"),
    ("views/transcript", {"at": 1}, 400, "name the session in the path"),
    ("views/transcript/trip-7", {"where__text": "x"}, 400, "no field 'text'"),
    ("views/transcript/trip-7", {"where__status": "open"}, 400, "cannot be searched by 'status'"),
    ("views/transcript/trip-7", {"where__since": "x"}, 400, "should be: integer"),
    ("views/transcript/trip-7", {"order": "status"}, 400, "cannot be searched by 'status'"),
    ("views/transcript/trip-7", {"order": "status", "at": 3}, 400, "cannot be searched by 'status'"),
    ("views/transcript/trip-7", {"after": "x"}, 404, "not given by this gateway"),
    ("views/transcript/trip-7", {"after": "WyIiXQ"}, 404, "is of another list"),
    ("views/transcript/trip-7/difference", {}, 400, "from"),
    ("views/state/trip-7/difference", {}, 400, "from"),
    ("views/state/trip-7/difference", {"from": 1, "to": 77}, 404, "no version 77"),
    ("search", {"labels": "x"}, 400, "label.<name>=<value>"),
    ("search", {"order": "title"}, 400, "order"),
    ("search", {"after": "WyJrZXkiLDFd"}, 404, "is of another list"),
]


async def test_what_cannot_be_answered_is_refused(reader: Reader, trip: Any) -> None:
    await reader.view("facets")
    await reader.view("sessions")
    for path, query, status, said in REFUSED:
        found, problem, _ = await reader.ask(path, **query)
        assert (found, problem["status"]) == (status, status), (path, query, problem)
        assert said in problem["detail"], (path, query)


async def test_a_view_that_has_not_come_far_enough_says_when_to_ask_again(reader: Reader, trip: Any) -> None:
    await reader.view("state/trip-7")
    async with asyncio.timeout(30):
        while True:
            ack = await trip.do("state.increment", {"path": "/count"})
            status, body, headers = await reader.ask("views/state/trip-7", min_position=ack.positions[0])
            if status == 503:
                break
    assert (body["code"], headers["Retry-After"]) == ("not_ready", "1")


async def test_whoever_may_read_some_sessions_reads_their_views_alone(start: Any, http: aiohttp.ClientSession) -> None:
    gateway = await start(views="", jwt_secret=SECRET, projections=())

    def reader(participant: str, *scopes: str, **claims: Any) -> tuple[Reader, str]:
        token = jwt.encode({"sub": participant, "exp": 4e9, "scopes": scopes, **claims}, SECRET, "HS256")
        return Reader(http, gateway.url, token), token

    everything, token = reader("hotels", "read:*", "write:*", kind="agent")
    async with Client(gateway.url, token=token) as client:
        for name in ("a-1", "b-1"):
            async with client.session(name) as session:
                ack = await session.do("message.post", {"message": "m", "text": "Hm.", "audience": ["agents"]})
                everything.position = ack.positions[0]
    some, _ = reader("ada", "read:a-*")
    auditor, _ = reader("eve", "read:*", "audit:b-*")
    for each in (some, auditor):
        each.position = everything.position
    assert [row["session"] for row in (await everything.view("transcript"))["rows"]] == ["a-1", "b-1"]
    assert (await some.view("transcript"))["rows"] == []
    assert [row["session"] for row in (await auditor.view("transcript"))["rows"]] == ["b-1"]
    assert [each["key"] for each in (await some.view("sessions"))["documents"]] == ["a-1"]
    status, body, _ = await some.ask("search")
    assert [each["key"] for each in body["documents"]] == ["a-1"]
    for path in ("sessions/b-1", "transcript/b-1", "sessions/b-1/difference?from=1"):
        status, body, _ = await some.ask(f"views/{path}")
        assert (status, body["code"]) == (403, "forbidden")
    status, body, _ = await Reader(http, gateway.url).ask("views/sessions")
    assert status == 401
    other, token = reader("zoe", "read:*", "write:*", tenant="acme")
    assert (await other.view("sessions"))["documents"] == []


async def test_a_view_over_sessions_takes_the_right_to_all_of_them(
    start: Any, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    gateway = await start(views="", jwt_secret=SECRET, projections=(CUSTOM,))
    token = jwt.encode({"sub": "ada", "exp": 4e9, "scopes": ["read:a-*"]}, SECRET, "HS256")
    for path in ("views/words", f"views/words/{quote('a/b c', safe='')}"):
        status, body, _ = await Reader(http, gateway.url, token).ask(path)
        assert (status, body["code"]) == (403, "forbidden")


async def test_views_are_kept_beside_the_log_and_outlive_the_gateway(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    settings = Settings(log=str(tmp_path / "log.db"), port=0, drain=0.5)
    async with running(settings) as first, Client(first.url, participant="hotels") as client:
        ack = await client.do("trip-7", "session.open", {})
        await Reader(http, first.url, position=ack.positions[0]).view("sessions/trip-7")
    assert (tmp_path / "log.views.db").exists()
    async with running(settings) as second:
        found = await Reader(http, second.url).view("sessions/trip-7")
        assert found["position"] == ack.positions[0]


@pytest.mark.postgres
async def test_views_of_a_log_in_postgres_are_kept_beside_it(
    start: Any, http: aiohttp.ClientSession, fresh_log: Callable[[], str]
) -> None:
    database = fresh_log()
    first, second = [await start(log=database, views="") for _ in range(2)]
    async with Client(first.url, participant="hotels") as client, client.session("trip-7", title="Lisbon") as session:
        await session.post("Rooms?", message="m1")
        ack = await session.post("Hm.", message="m2", to=["agents"])
        await session.do("state.merge", {"patch": {"a": 1}})
    for gateway in (first, second):
        reader = Reader(http, gateway.url, position=ack.position)
        assert (await reader.view("sessions/trip-7"))["value"]["title"] == "Lisbon"
        rows = (await reader.view("transcript/trip-7", participant="flights", kind="agent"))["rows"]
        assert [row["entry"] for row in rows] == ["message:m1", "message:m2"]
        assert (await reader.view("transcript/trip-7", at=2))["rows"] == []
        live = (await reader.view("timeline/trip-7", order="-began", limit=2))["rows"]
        assert live[0]["label"] == "left"
        await reader.view("facets")
        _, found, _ = await reader.ask("search", title="lis", until="2100-01-01T00:00:00Z")
        assert [each["key"] for each in found["documents"]] == ["trip-7"]


async def test_a_gateway_without_views_says_so(start: Any, http: aiohttp.ClientSession) -> None:
    gateway = await start(views="none")
    reader = Reader(http, gateway.url)
    assert (await reader.ask("views"))[1] == {"views": []}
    for path in ("search", "views/sessions"):
        status, body, _ = await reader.ask(path)
        assert (status, body["code"]) == (404, "not_found")
        assert "this gateway keeps no views" in body["detail"]
