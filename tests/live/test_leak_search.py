"""Random sessions, searched over every surface of a gateway for words that a token is not to read.

Sessions that `support.random_play` makes up are put into the log, a tenant each; what falls due in them happens. Then
each participant, a bystander of each kind, and tokens that read or audit some of the sessions only, ask for
everything: events raw and folded, by pages forwards and backwards, as NDJSON, as server-sent events and over
WebSocket; the same by AG-UI, from a snapshot and from the start; each view, as it is, at a moment, listed, and as a
difference, and a window of the timeline; the session's page, now and then; search; causes; what they may export; and
the texts of errors, headers and metrics. No word may come that no session which they may read says to them.

More of it: STENOGRAM_TEST_LEAKS=1000.
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
from support.random_play import VIEWERS, WORD, Play, played, secrets
from support.wire import Wire

from stenogram.api.delivery.event_filter import matches_any
from stenogram.api.server import Gateway
from stenogram.api.tenants.tenant import Tenant
from stenogram.domain.audience import Viewer
from stenogram.domain.ids import Version
from stenogram.log.records import Append, Draft
from stenogram.projections.authoring.document import DocProjection
from stenogram.projections.views import BUILT_IN, timeline
from stenogram.testing.rehearsal import Rehearsal

pytestmark = pytest.mark.thorough

Start = Callable[..., Awaitable[Gateway]]

SECRET = "a secret of at least thirty-two bytes"
SCRIPTS = int(os.environ.get("STENOGRAM_TEST_LEAKS", "5"))
EVERYTHING = ("*",)
PLACE = re.compile(rb"id: (?:[^/\n]+/)?\w+\.v(\d+)\n")
SURFACES = ("AG-UI", "AI SDK", "LangChain", "TanStack")
NAMING_WHAT_IS_HIDDEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("task.claim", {"task": "t3"}),
    ("message.delta", {"message": "m2", "index": 0, "text": "?"}),
    ("signal.honour", {"signal": "s4"}),
    ("approval.answer", {"approval": "a5", "option": "yes"}),
    ("state.merge", {"patch": {"k": 1}, "if_version": 1}),
)
"""Commands of which most are refused, to many because they may not know why."""


class Reader(NamedTuple):
    """A token: who, and in which sessions it may read, and audit."""

    viewer: Viewer
    tenant: str
    read: tuple[str, ...] = EVERYTHING
    audit: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """What proves it."""
        scopes = [f"read:{each}" for each in self.read] + [f"audit:{each}" for each in self.audit]
        claims = {"sub": self.viewer.id, "kind": self.viewer.kind, "tenant": self.tenant, "scopes": scopes}
        return jwt.encode({"exp": time.time() + 600, **claims}, SECRET, "HS256")

    def hidden(self, play: Play) -> set[bytes]:
        """The words that it must not be given."""
        return set(play.known) - {word for session in play.sessions for word in self._open_in(play, session)}

    def _open_in(self, play: Play, session: Rehearsal) -> set[bytes]:
        if not matches_any(session.state.id, self.read):
            return set()
        words = {word for event in session.events for word in WORD.findall(event.data.json_bytes())}
        audits = all(matches_any(id, self.audit) for id in lineage(session))
        return words if audits else words - secrets(play, self.viewer)


def lineage(session: Rehearsal) -> list[str]:
    """The sessions in which a session's events were written."""
    origins = [event.data.origin for event in session.events if event.type == "session.forked"]  # type: ignore[attr-defined]
    return [*origins, session.state.id]


def readers_of_play(seed: int, play: Play) -> list[Reader]:
    """Everyone with the right to read all, and a few tokens for some of the sessions."""
    chance, tenant = random.Random(seed), f"p{seed}"
    ids = [session.state.id for session in play.sessions]
    some = [
        Reader(chance.choice(VIEWERS), tenant, (chance.choice(ids),), ()),
        Reader(chance.choice(VIEWERS), tenant, EVERYTHING, (chance.choice(ids),)),
        Reader(chance.choice(VIEWERS), tenant, (chance.choice(ids),), (chance.choice(ids),)),
    ]
    return [*(Reader(viewer, tenant) for viewer in VIEWERS), *some]


async def put(tenant: Tenant, play: Play) -> None:
    """Have the sessions in the log as they were played, forks behind their origins."""
    for session in play.sessions:
        begins = [at for at, event in enumerate(session.events) if event.type == "session.forked"]
        start = begins[-1] if begins else 0
        drafts = [
            Draft(event.type, event.data.subject(), stored, n, None, event.data.also())
            for n, (event, stored) in enumerate(zip(session.events, session.stored, strict=True))
        ]
        await tenant.log.append(Append(session.state.id, tuple(drafts[start:]), first_version=Version(start + 1)))


def surfaces(play: Play) -> Iterator[str]:
    """The addresses of everything that can be read by one request."""
    yield from ("/v1/sessions", "/v1/search", "/v1/search?with=hotels", "/v1/views", "/metrics", "/openapi.json")
    for after in ("after=0", "last=50"):
        for reading in ("raw", "folded"):
            yield f"/v1/events?limit=1000&{after}&reading={reading}"
    yield from (f"/v1/views/{view.name}?limit=1000" for view in BUILT_IN)
    for session in play.sessions:
        id, head = session.state.id, len(session.events)
        middle = max(1, head * 2 // 3)
        yield from (f"/v1/stream/{id}", f"/v1/stream/{id}?offset=-1&live=sse")
        yield from (f"/v1/sessions/{id}", f"/v1/sessions/{id}?at={middle}", f"/v1/sessions/{id}?at=99999999")
        for reading in ("raw", "folded"):
            yield f"/v1/sessions/{id}/events?limit=1000&reading={reading}"
            yield f"/v1/sessions/{id}/events?before={head}&last=100&reading={reading}"
        for event in (f"e-{middle}", f"e-{head}"):
            yield from (f"/v1/sessions/{id}/events/{event}/causes", f"/v1/sessions/{id}/events/{event}/effects")
        for view in BUILT_IN:
            place = f"/v1/views/{view.name}/{id}"
            yield from (place, f"{place}?at={middle}", f"{place}?at={head}", f"{place}/difference?from=0&to={head}")
            if view is timeline:
                yield f"{place}/window?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&spans=4000"
            if not isinstance(view, DocProjection):
                yield f"{place}?limit=3&order=-{view.shape.key[-1]}"
                yield f"{place}?at={middle}&limit=3&order=-{view.shape.session_order}"


async def get(http: aiohttp.ClientSession, reader: Reader, url: str, accept: str = "*/*") -> bytes:
    """Everything that an answer says, its headers too; of a stream, what comes until it has caught up."""
    headers = {"Accept": accept, "Authorization": f"Bearer {reader.token}"}
    async with http.get(url, headers=headers) as response:
        told = str(dict(response.headers)).encode()
        assert response.status < 500, await response.text()
        if response.content_type != "text/event-stream":
            return told + await response.read()
        async with asyncio.timeout(40):
            while b"caught_up" not in told and b"upToDate" not in told and not response.content.at_eof():
                told += await response.content.readline()
        return told


async def until_its_end(response: aiohttp.ClientResponse, session: Rehearsal) -> bytes:
    """What a stream brings up to the session's end; all of what is no stream."""
    told = bytearray()
    while line := await response.content.readline():
        told += line
        if (at := PLACE.fullmatch(line)) and int(at[1]) >= len(session.events):
            told += await response.content.readline()
            break
    return bytes(told)


async def socket(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, id: str, reading: str) -> bytes:
    """What a subscription over WebSocket brings, and what commands are refused with that name what is hidden."""
    wire = await Wire.open(http, gateway.url, token=reader.token)
    await wire.subscribe("f", session=id, reading=reading, dense=False)
    events = (await wire.catch_up("f")).events
    refusals = [await wire.command(id, do, data) for do, data in NAMING_WHAT_IS_HIDDEN]
    return f"{events}{refusals}".encode()


async def record(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, id: str) -> bytes:
    """What somebody is told who records such commands, and a span, in the reader's name."""
    claims = {"sub": "recorder", "tenant": reader.tenant, "scopes": ["record:*"], "exp": time.time() + 600}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    who = {"actor": reader.viewer.id, "kind": reader.viewer.kind, "time": "2026-01-01T00:00:00Z"}
    commands = [
        {"id": f"{reader.viewer.id}-{number}", **who, "do": do, "data": data}
        for number, (do, data) in enumerate(NAMING_WHAT_IS_HIDDEN)
    ]
    told = b""
    said = {"session.id": id, "gen_ai.operation.name": "execute_tool", "gen_ai.agent.name": reader.viewer.id}
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in said.items()]
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "attributes": attributes}
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    for path, body in ((f"/v1/sessions/{id}/recorded", {"commands": commands}), ("/v1/traces", spans)):
        async with http.post(f"{gateway.url}{path}", json=body, headers=headers) as response:
            assert response.status == 200
            told += str(dict(response.headers)).encode() + await response.read()
    return told


async def subscription(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, play: Play) -> bytes:
    """What a subscription to everything tells, that is made, added to, claimed and deleted; it names no session that
    the reader may not read."""
    claims = jwt.decode(reader.token, SECRET, ["HS256"])
    own = [f"{right}:{place}*" for right in ("session", "speak") for place in ("stream-subscription:", "wakes-")]
    claims["scopes"] += [*own, "read:wakes-*"]
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}", "Content-Type": "application/json"}
    wakes, ids = f"wakes-{reader.viewer.id}", [session.state.id for session in play.sessions]
    one = "__ds/subscriptions/all"
    body = {"type": "pull-wake", "pattern": "**", "wake_stream": wakes}
    requests: list[tuple[str, str, Any]] = [("PUT", wakes, []), ("PUT", one, body)]
    requests += [("POST", f"{one}/streams", {"streams": [id]}) for id in ids]
    requests += [("PUT", one, body), ("POST", f"{one}/claim", {"worker": "w"}), ("GET", one, None)]
    requests += [("GET", wakes, None), ("DELETE", one, None), ("DELETE", wakes, None)]
    told, named, unreadable = b"", set[str](), {id for id in ids if not matches_any(id, reader.read)}
    for method, path, sent in requests:
        async with http.request(method, f"{gateway.url}/v1/stream/{path}", json=sent, headers=headers) as response:
            assert response.status < 500, await response.text()
            told += str(dict(response.headers)).encode() + await response.read()
            if response.status < 300 and response.content_type == "application/json" and await response.read():
                shown = await response.json()
                streams = shown["streams"] if isinstance(shown, dict) else shown
                named.update(each.get("path") or each["stream"] for each in streams)
    assert set(ids) - unreadable <= named
    assert not unreadable & named
    return told


async def said(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, play: Play) -> "list[tuple[str, bytes]]":
    """Everything that a reader is told, by surface."""
    found = [(surface, await get(http, reader, f"{gateway.url}{surface}")) for surface in surfaces(play)]
    found.append(("subscription", await subscription(http, gateway, reader, play)))
    for session in play.sessions:
        found.append((f"AG-UI {session.state.id}", await ag_ui(http, gateway, reader, session)))
        found.append((f"recording {session.state.id}", await record(http, gateway, reader, session.state.id)))
        found.append((f"AI SDK {session.state.id}", await ai_sdk(http, gateway, reader, session)))
        found.append((f"LangChain {session.state.id}", await langchain(http, gateway, reader, session)))
        found.append((f"TanStack {session.state.id}", await tanstack(http, gateway, reader, session)))
        events = f"/v1/sessions/{session.state.id}/events"
        for reading in ("raw", "folded"):
            for accept in ("text/event-stream", "application/x-ndjson"):
                url = f"{gateway.url}{events}?limit=1000&reading={reading}"
                found.append((f"{accept} {events} {reading}", await get(http, reader, url, accept)))
            if matches_any(session.state.id, reader.read):
                frames = await socket(http, gateway, reader, session.state.id, reading)
                found.append((f"WebSocket {session.state.id} {reading}", frames))
    return found


async def ag_ui(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, session: Rehearsal) -> bytes:
    """What AG-UI's streams bring up to the session's end: from a snapshot, from the start, one that ends by itself, and
    over a WebSocket."""
    id, told = session.state.id, b""
    base, headers = f"{gateway.url}/v1/agui", {"Authorization": f"Bearer {reader.token}"}
    for after in ("", "?after=0"):
        async with http.get(f"{base}/threads/{id}{after}", headers=headers) as response, asyncio.timeout(40):
            told += str(dict(response.headers)).encode()
            told += await until_its_end(response, session)
    given = {"threadId": id, "runId": "watches", "messages": []}
    async with http.post(f"{base}/agent/default/connect", json=given, headers=headers) as response:
        told += await response.read()
    if response.status == 200:
        async with http.ws_connect(f"{base}/threads/{id}", headers=headers, protocols=("ag-ui",)) as ws:
            async for message in ws:
                told += message.data.encode()
                if b"STATE_SNAPSHOT" in message.data.encode():
                    break
    for run in ("t3", "watches"):
        async with http.get(f"{base}/threads/{id}/runs/{run}", headers=headers) as response:
            told += await response.read()
    return told


@contextmanager
def tasks_as_runs(*modules: str) -> Iterator[None]:
    """Take each task for a run, also in these modules of front-ends."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("turn", "turn_requests", *modules):
            patch.setattr(f"stenogram.api.frontends.{module}.RUN", "t")
        yield


async def ai_sdk(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, session: Rehearsal) -> bytes:
    """What the AI SDK's routes bring, each task being taken for a run: the messages of the chat, the run under way from
    its start, the first runs from the session's, an answer, a message under an id that is taken, and stops that stop
    nothing."""
    id, told = session.state.id, b""
    chats, headers = f"{gateway.url}/v1/ai/agent/default/chat", {"Authorization": f"Bearer {reader.token}"}
    base, requests = f"{chats}/{id}", list[tuple[str, str, Any]]()
    approval = {"type": "tool-ask", "state": "approval-responded", "approval": {"id": "a5", "approved": True}}
    for message in ({"role": "assistant", "parts": [approval]}, {"role": "user", "parts": [{"type": "file"}]}):
        body = {"id": id, "messages": [{"id": "m2", **message}], "messageId": "m2"}
        requests.append(("POST", chats, body))
    runs = sorted(session.state.tasks.known)[:3]
    with tasks_as_runs("ai_sdk.routes", "ai_sdk.history"):
        for path in ("messages", "stream", *(f"stream?after={run}/0" for run in runs)):
            requests.append(("GET", f"{base}/{path}", None))
        for method, url, sent in requests:
            async with http.request(method, url, headers=headers, json=sent) as response, asyncio.timeout(40):
                told += str(dict(response.headers)).encode()
                told += await until_its_end(response, session)
        for run in ("none", *runs):
            async with http.post(f"{base}/stop", headers=headers, json={"activeStreamId": run}) as response:
                told += str(dict(response.headers)).encode() + await response.read()
    return told


async def tanstack(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, session: Rehearsal) -> bytes:
    """What TanStack AI's address of a thread brings, each task being taken for a run: the thread, the first runs from a
    snapshot and from the session's start, and what is refused."""
    id, told = session.state.id, bytearray()
    url = f"{gateway.url}/v1/tanstack_ai/agent/default/threads/{id}"
    headers = {"Authorization": f"Bearer {reader.token}"}
    runs = [task.removeprefix("t") for task in sorted(session.state.tasks.known)[:3]]
    queries = (f"threadId={id}", *(f"runId={run}&offset={offset}" for run in runs for offset in ("0", "-1")))
    resume = {"threadId": id, "runId": "watches", "resume": [{"interruptId": "a5", "status": "resolved", "payload": 1}]}
    with tasks_as_runs("tanstack_ai.hydration"):
        for query in queries:
            async with http.get(f"{url}?{query}", headers=headers) as response, asyncio.timeout(40):
                told += await until_its_end(response, session)
        for path, body in (("", resume), ("/runs/3/stop", {})):
            async with http.post(f"{url}{path}", json=body, headers=headers) as response:
                told += await response.read()
        if matches_any(id, reader.read):
            async with http.ws_connect(url, headers=headers) as ws:
                await ws.send_json(resume)
                told += (await ws.receive()).data.encode()
    return bytes(told)


async def langchain(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, session: Rehearsal) -> bytes:
    """What LangChain's routes bring, each task being taken for a part of a run, and for a run."""
    told = await of_thread(http, gateway, reader, session)
    with tasks_as_runs("langchain.routes", "langchain.translation"):
        return told + await of_thread(http, gateway, reader, session)


async def of_thread(http: aiohttp.ClientSession, gateway: Gateway, reader: Reader, session: Rehearsal) -> bytes:
    """What LangChain's streams bring up to the session's end, from a snapshot and from the start; a thread's state."""
    thread, told = f"{gateway.url}/v1/langchain/threads/{session.state.id}", b""
    headers = {"Authorization": f"Bearer {reader.token}"}
    channels = ["values", "messages", "tools", "lifecycle", "input", "custom"]
    for more in ({}, {"since": 0}):
        body = {"channels": channels, **more}
        url = f"{thread}/stream/events"
        async with http.post(url, json=body, headers=headers) as response, asyncio.timeout(40):
            told += await until_its_end(response, session)
    async with http.get(f"{thread}/state", headers=headers) as response:
        told += await response.read()
    commands = (
        ("input.respond", {"interrupt_id": "a5", "response": "?"}),
        ("input.inject", {"namespace": [], "message": {"content": "?"}}),
    )
    for method, params in commands:
        body = {"id": 1, "method": method, "params": params}
        async with http.post(f"{thread}/commands", json=body, headers=headers) as response:
            told += await response.read()
    async with http.post(f"{thread}/runs/t3/cancel", headers=headers) as response:
        return told + await response.read()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns that are over wait for nobody."""
    monkeypatch.setattr("stenogram.api.frontends.turn_stream.LINGER_S", 0.0)


@pytest.fixture
def runs_in_transcripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transcripts take each task for a run all the time: those that are kept were read for other surfaces first."""
    monkeypatch.setattr("stenogram.api.frontends.transcript._RUNS", "task:t")


@pytest.fixture
async def gateway(start: Start, runs_in_transcripts: None) -> Gateway:
    """A gateway that wants tokens, keeps views, and forgets."""
    return await start(jwt_secret=SECRET, views="", log="memory:")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(10_000, 10_000 + SCRIPTS))
async def test_no_token_is_told_what_it_is_not_to_read(
    seed: int, http: aiohttp.ClientSession, gateway: Gateway, impatient: None
) -> None:
    play = played(seed)
    tenant = await gateway.tenants.of(f"p{seed}")
    await put(tenant, play)
    for view in BUILT_IN:
        await tenant.views.progress.reach(view.name, tenant.log.position, 30)
    for reader in readers_of_play(seed, play):
        hidden = reader.hidden(play)
        for surface, text in await said(http, gateway, reader, play):
            told = hidden.intersection(WORD.findall(text))
            assert not told, f"{reader.viewer} with {reader.read} and {reader.audit} is told {told} by {surface}"


@pytest.mark.slow
async def test_the_search_finds_what_may_be_read(
    http: aiohttp.ClientSession, gateway: Gateway, impatient: None
) -> None:
    """Lest it finds nothing because nothing is shown: who may see a word is told it."""
    play = played(10_000)
    tenant = await gateway.tenants.of("p10000")
    await put(tenant, play)
    for view in BUILT_IN:
        await tenant.views.progress.reach(view.name, tenant.log.position, 30)
    parts: dict[str, list[float]] = {protocol: [] for protocol in SURFACES}
    for reader in readers_of_play(10_000, play)[: len(VIEWERS)]:
        texts = await said(http, gateway, reader, play)
        told = {word for _, text in texts for word in WORD.findall(text)}
        for protocol in SURFACES:
            by_it = {word for place, text in texts if place.startswith(protocol) for word in WORD.findall(text)}
            parts[protocol].append(len(by_it) / len(told))
        assert len(told) > len(play.known) / 4
        assert told <= set(play.known) - reader.hidden(play)
    assert min(parts["AG-UI"] + parts["LangChain"]) > 3 / 4
    assert max(parts["AI SDK"]) > 1 / 5  # of its runs
    assert max(parts["TanStack"]) > 3 / 4  # who sees a run sees all that happens during it
