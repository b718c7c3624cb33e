"""Long reads: what a process beside the gateway answers is what the gateway would, to everyone; pages end by bytes."""

import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from support.wire import Wire

from stenogram.api.http import session_routes
from stenogram.api.server import Gateway
from stenogram.log.engine import PAGE_BYTES
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections import moment_fold

Start = Callable[..., Awaitable[Gateway]]
LARGE = 700_000
SECRET = "a secret of at least thirty-two bytes"
AGENT = {"participant": "hotels", "kind": "agent"}
PERSON = {"participant": "ada", "kind": "user"}
PATHS = (
    "sessions/s?at=9",
    "sessions/s?at=2999-01-01T00:00:00Z",
    "sessions/none?at=1",
    "views/state/s?at=4",
    "views/state/s?at=0",
    "views/agents/s?at=12",
    "views/transcript/s?at=99999",
    "views/transcript/s?at=14",
    "views/transcript/s?at=14&limit=2&order=-since",
    "views/transcript/s?at=14&where.entry=message:m2",
    "views/transcript/s?at=14&where.nothing=1",
    "views/transcript/s?at=14&after=x",
    "views/transcript/s/difference?from=3&to=14",
    "views/state/s/difference?from=3",
    "views/sessions/s?at=3&nonsense=1",
)


async def get(http: aiohttp.ClientSession, url: str, who: dict[str, str], **headers: str) -> tuple[int, bytes, Any]:
    async with http.get(url, params=who, headers=headers) as response:
        return response.status, await response.read(), response.headers


async def tell(http: aiohttp.ClientSession, url: str) -> None:
    """A session in which there is something that people are not to see."""
    wire = await Wire.open(http, url, participant="hotels", kind="agent")
    said: list[tuple[str, dict[str, Any]]] = [
        ("session.open", {"title": "Trip"}),
        ("state.merge", {"patch": {"hotel": "Tivoli"}}),
        ("message.post", {"message": "m1", "text": "Rooms."}),
        ("message.post", {"message": "m2", "text": "For the team: the budget is 900.", "audience": ["agents"]}),
        ("state.merge", {"patch": {"nights": 3}}),
        ("task.create", {"task": "t1", "title": "Book", "audience": ["agents"]}),
        ("task.claim", {"task": "t1"}),
        *[("message.post", {"message": f"m{n}", "text": "More."}) for n in range(3, 12)],
    ]
    for do, data in said:
        assert (await wire.command("s", do, data))["frame"] == "ack"
    await wire.ws.close()


async def test_both_ways_answer_the_same_to_everyone(http: aiohttp.ClientSession, start: Start, tmp_path: Path) -> None:
    answers: dict[str, dict[Any, Any]] = {}
    for place in ("gateway", "process"):
        gateway = await start(log=str(tmp_path / f"{place}.db"), views="", views_in=place)
        await tell(http, gateway.url)
        found = answers[place] = {}
        for path in PATHS:
            for who in (AGENT, PERSON):
                status, body, headers = await get(http, f"{gateway.url}/v1/{path}", who)
                assert (b"the budget is" in body) <= (who is AGENT), path
                found[path, who["kind"]] = (status, headers["Content-Type"], _without_times(body))
    assert answers["gateway"] == answers["process"]
    statuses = {path: status for (path, _), (status, *_) in answers["process"].items()}
    assert [path for path, status in statuses.items() if status == 200] == [
        path for n, path in enumerate(PATHS) if n not in (1, 2, 4, 6, 10, 11, 14)
    ]


def _without_times(body: bytes) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\dT[0-9:.]+Z|[0-9a-f]{8}-[0-9a-f-]{27}", b"-", body)


async def test_a_document_that_is_known_is_not_sent_again(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(views="", views_in="process")
    await tell(http, gateway.url)
    url = f"{gateway.url}/v1/views/state/s?at=5"
    _, body, headers = await get(http, url, AGENT)
    status, again, _ = await get(http, url, AGENT, **{"If-None-Match": headers["ETag"]})
    assert (status, again) == (304, b"")
    assert b"Tivoli" in body


async def fill(log: str, results: int, size: int) -> None:
    """A session with large results of tools."""
    drafts = []
    for number in range(results):
        called = b'{"call":"t%d","tool":"search","arguments":{}}' % number
        returned = b'{"call":"t%d","result":"%s"}' % (number, b"x" * size)
        for n, (type, data) in enumerate((("tool.called", called), ("tool.returned", returned))):
            stored = b'{"id":"e-%d-%d","type":"%s","time":"2026-01-31T09:30:00.000000Z","actor":"hotels","data":%b}' % (
                number,
                n,
                type.encode(),
                data,
            )
            drafts.append(Draft(type, f"tool:t{number}", stored, 2 * number + n))
    opened = b'{"id":"e","type":"session.opened","time":"2026-01-31T09:30:00.000000Z","actor":"hotels","data":{}}'
    async with Log(Storage(log).engine(), max_waiting_bytes=2**28) as writer:
        await writer.append(Append("s", (Draft("session.opened", "session", opened, 0), *drafts)))


@pytest.mark.parametrize("place", ["gateway", "process"])
@pytest.mark.thorough
async def test_pages_end_by_bytes_and_go_on(
    place: str, http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    log, results = str(tmp_path / "log.db"), 2 * PAGE_BYTES // LARGE
    await fill(log, results, LARGE)
    gateway = await start(log=log, views="", views_in=place)
    head = 2 * results + 1
    wait = {"min_position": str(head), "wait": "30"}
    assert (await get(http, f"{gateway.url}/v1/views/transcript/s", {**AGENT, **wait, "limit": "1"}))[0] == 200
    for asked in ({"at": str(head)}, {}):
        for path in ("views/transcript/s", *(() if asked else ("views/transcript",))):
            calls = await _all_rows(http, f"{gateway.url}/v1/{path}", asked)
            assert sorted(calls) == sorted(f"tool:t{number}" for number in range(results))
    events = await _all_events(http, f"{gateway.url}/v1/sessions/s/events")
    assert events == [*range(1, head + 1)]


async def test_rows_of_the_past_need_no_fold_of_all_that_came_before(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment_fold, "MAX_MOMENT_BYTES", 5 * LARGE)
    log, results = str(tmp_path / "log.db"), 10
    await fill(log, results, LARGE)
    gateway = await start(log=log, views="", views_in="gateway")
    wait = {"min_position": str(2 * results + 1), "wait": "30"}
    assert (await get(http, f"{gateway.url}/v1/views/transcript/s", {**AGENT, **wait, "limit": "1"}))[0] == 200
    url = f"{gateway.url}/v1/views/transcript/s?at={2 * results}&limit=3"
    status, body, _ = await get(http, f"{url}&order=-since", AGENT)
    assert status == 200, body
    assert [(row["entry"], row["status"]) for row in orjson.loads(body)["rows"]] == [
        (f"tool:t{results - 1}", "open"),
        (f"tool:t{results - 2}", "returned"),
        (f"tool:t{results - 3}", "returned"),
    ]
    status, body, _ = await get(http, f"{url}&order=entry", AGENT)
    assert (status, orjson.loads(body)["code"]) == (413, "too_large"), "in another order they are folded"


async def _all_rows(http: aiohttp.ClientSession, url: str, asked: dict[str, str]) -> list[str]:
    found: list[str] = []
    pages = 0
    after: dict[str, str] = {}
    while True:
        async with http.get(url, params={**AGENT, **asked, **after, "limit": "1000"}) as response:
            body = await response.read()
            assert response.status == 200, body
        assert len(body) < PAGE_BYTES + 2**16
        page = await response.json()
        found += [row["entry"] for row in page["rows"]]
        pages += 1
        if "next" not in page:
            assert pages > 1
            return found
        after = {"after": page["next"]}


async def _all_events(http: aiohttp.ClientSession, url: str) -> list[int]:
    found, after = list[int](), 0
    while True:
        async with http.get(url, params={**AGENT, "after": str(after), "limit": "1000"}) as response:
            body = await response.read()
        assert len(body) < PAGE_BYTES + LARGE + 2**16
        page = await response.json()
        found += [event["version"] for event in page["events"]]
        if page["caught_up"]:
            return found
        after = page["to"]


async def test_a_list_of_sessions_ends_by_bytes(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_routes, "PAGE_BYTES", 1_000)
    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    for number in range(9):
        await wire.command(f"s{number}", "session.open", {"title": "x" * 250})
    found, after = list[str](), ""
    for _ in range(9):
        _, body, _ = await get(http, f"{gateway.url}/v1/sessions?limit=9&after={after}", AGENT)
        page = orjson.loads(body)
        found += [each["session"] for each in page["sessions"]]
        assert len(body) < 1_200
        if "next" not in page:
            break
        after = page["next"]
    assert found == [f"s{number}" for number in range(9)]


async def _parsed(body: bytes) -> Any:
    import orjson

    return orjson.loads(body)


@pytest.mark.postgres
async def test_long_reads_of_a_log_in_postgres_and_of_its_tenants(
    http: aiohttp.ClientSession, start: Start, fresh_log: Callable[[], str]
) -> None:
    gateway = await start(log=fresh_log(), views="", views_in="process", jwt_secret=SECRET)
    for tenant in ("", "acme"):
        claims = {"sub": "hotels", "kind": "agent", "tenant": tenant, "exp": time.time() + 600}
        token = jwt.encode(claims, SECRET, "HS256")
        wire = await Wire.open(http, gateway.url, token=token)
        await wire.command("s", "session.open", {"title": f"of {tenant}"})
        await wire.command("s", "state.merge", {"patch": {"tenant": tenant}})
        for path, value in (("sessions/s?at=1", f"of {tenant}"), ("views/state/s?at=2", f'"tenant":"{tenant}"')):
            async with http.get(f"{gateway.url}/v1/{path}", headers={"Authorization": f"Bearer {token}"}) as response:
                assert (response.status, value in await response.text()) == (200, True)
