"""One session on the pages of every protocol at once, and natively: each shows the same in the end, word for word, and
the agents' work is done once. So also over a restart, and when one of them stops the run.

Begun by each client in turn: STENOGRAM_FRONTENDS=all.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from support.browser import CLIENT, install_packages
from support.client_page import MID_SENTENCE, WAIT_S, ClientPage, OpenClientPage
from support.shown_texts import Messages, ag_ui_texts, ai_sdk_texts, plain_texts

from stenogram.client import Client

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

Given = dict[str, Any]
ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
STREAMS = Path(__file__).parents[1] / "support" / "durable_streams"
SETTINGS = {"views": "", "views_in": "gateway", "ag_ui_agents": ("planner",)}
WORDS = "Plan a trip to Lisbon."
SAYS = [["m-1", WORDS]]


class Kind(NamedTuple):
    """A client: its script; what that is given to `begin` a run, and to `join` one; what its messages say. Of what it
    has in the end, `state` names the shared state."""

    script: str
    begin: Given
    join: Given
    texts: Callable[[Messages], dict[str, str]]
    state: str | None = None
    ends: bool = True
    """Whether it ends with the run; the others follow on."""


def ag_ui(client: str) -> Kind:
    """AG-UI's own client."""
    given = {"client": client, "thread": "trip"}
    begin = {"url": "GATEWAY/v1/agui/agent/planner/run", "says": SAYS, "runs": [["r1"]], **given}
    join = {"url": "GATEWAY/v1/agui/agent/planner/connect", "runs": [["c1"]], **given}
    return Kind("ag_ui/run.mjs", begin, join, ag_ui_texts, "state")


def copilotkit() -> Kind:
    """CopilotKit's core, which stops what it is on when it is told."""
    given = {"url": "GATEWAY/v1/agui", "agent": "planner", "thread": "trip", "stops": True}
    return Kind("ag_ui/copilot.mjs", {"says": SAYS, **given}, {"connect": True, **given}, ag_ui_texts, "state")


def ai_sdk(ai: str, react: str) -> Kind:
    """The AI SDK's chat."""
    given = {"ai": ai, "react": react, "api": "GATEWAY/v1/ai/agent/planner/chat", "chat": "trip"}
    begin = {"steps": [["send", SAYS[0]], ["settle"]], **given}
    join = {"load": True, "steps": [["resume"], ["settle"]], **given}
    return Kind("ai_sdk/page.mjs", begin, join, ai_sdk_texts)


def tanstack_ai(socket: bool) -> Kind:
    """TanStack AI's client."""
    given = {"url": "GATEWAY/v1/tanstack_ai/agent/planner/threads/trip", "socket": socket, "thread": "trip"}
    begin, join = {"does": [["say", *SAYS[0]]], **given}, {"hydrates": True, "does": [], **given}
    return Kind("tanstack_ai/chat.mjs", begin, join, plain_texts, ends=False)


def langchain(react: bool) -> Kind:
    """LangChain's useStream, and the SDK's controller."""
    given = {"url": "GATEWAY/v1/langchain", "thread": "trip", "assistant": "planner", "react": react}
    begin, join = {"does": [["submit", SAYS]], **given}, {"does": [], **given}
    return Kind("langchain/use_stream.mjs", begin, join, plain_texts, "values", ends=False)


KINDS = {
    "AG-UI 1": ag_ui("@ag-ui/client"),
    "AG-UI 0": ag_ui("ag-ui-client-0"),
    "CopilotKit": copilotkit(),
    "AI SDK 7": ai_sdk("ai", "@ai-sdk/react"),
    "AI SDK 6": ai_sdk("ai-6", "ai-sdk-react-3"),
    "TanStack AI by SSE": tanstack_ai(socket=False),
    "TanStack AI by WebSocket": tanstack_ai(socket=True),
    "useStream": langchain(react=True),
    "LangGraph SDK": langchain(react=False),
}
NATIVE = Kind("native/session.mjs", {}, {"url": "GATEWAY", "thread": "trip"}, plain_texts, "state", ends=False)
FIRSTS = [name for name in KINDS if ALL or name in ("AG-UI 1", "AI SDK 7")]


class Everyone:
    """Pages of all kinds on one session, one of which has begun a run in it, and what readers of its events have."""

    def __init__(self, url: str, open_page: OpenClientPage, fetch: str) -> None:
        self.pages: dict[str, ClientPage] = {}
        self._streams: list[ClientPage] = []
        self._read = asyncio.Queue[Given]()
        self._url = url
        self._open_page = open_page
        self._fetch = fetch

    async def come(self, first: str) -> None:
        """Have the first one begin the run, and all others join when the team is in mid-sentence."""
        await self._open(first, KINDS[first], KINDS[first].begin)
        await self.pages[first].shows(*MID_SENTENCE)
        for name, kind in {**KINDS, "native": NATIVE}.items():
            if name != first:
                await self._open(name, kind, kind.join)
        for live in ("sse", "long-poll"):
            url = f"{self._url}/v1/stream/trip"
            self._streams.append(await self._open_page(str(STREAMS / "follow.js"), url=url, live=live))
        await asyncio.gather(*(page.shows(*MID_SENTENCE) for page in (*self.pages.values(), *self._streams)))

    async def _open(self, name: str, kind: Kind, given: Given) -> None:
        placed = {key: value.replace("GATEWAY", self._url) for key, value in given.items() if isinstance(value, str)}
        # LangChain's and TanStack's clients connect again by themselves.
        more = {"fetch": self._fetch} if kind.ends else {}
        self.pages[name] = await self._open_page(kind.script, **{**given, **placed, **more})

    async def read(self) -> None:
        """Read the session's events by the Python client, for as long as it is not cancelled."""
        async with Client(self._url, participant="reader", kind="user") as client:
            async for event in client.session("trip").events():
                data = orjson.loads(event.data.json_bytes())
                told = {"version": event.version, "id": event.id, "type": event.type, "actor": event.actor}
                self._read.put_nowait({**told, "data": data})

    async def end_alike(self, native: Any) -> dict[str, Given]:
        """See that the run ends the same for all, and that they have what the session has; what each has."""
        await native.over()
        kinds = {**KINDS, "native": NATIVE}
        found = await asyncio.gather(
            *(page.end() if kinds[name].ends else native.whole_on(page) for name, page in self.pages.items())
        )
        ends, said, state = dict(zip(self.pages, found, strict=True)), await native.texts(), await native.state()
        assert {name: kinds[name].texts(end["messages"]) for name, end in ends.items()} == dict.fromkeys(ends, said)
        for name, end in ends.items():
            assert (name, end.get("error"), end.get("failures", [])) == (name, None, [])
            assert (name, len({each["id"] for each in end["messages"]})) == (name, len(end["messages"]))
            if (place := kinds[name].state) is not None:
                assert (name, end[place]) == (name, state)
        await self._have_the_same_events(await native.events())
        return ends

    async def _have_the_same_events(self, events: list[Given]) -> None:
        head = events[-1]["version"]
        for page in self._streams:
            if page.events[-1]["version"] < head:
                await page.until(lambda told: told["event"]["version"] == head)
            assert page.events[: len(events)] == events
        async with asyncio.timeout(WAIT_S):
            read = [await self._read.get() for _ in events]
        assert read == [{key: each[key] for key in ("version", "id", "type", "actor", "data")} for each in events]


@pytest.fixture
async def everyone(node: str, open_page: OpenClientPage, resuming_fetch: str) -> Callable[..., Any]:
    """Has all on one session."""
    install_packages(CLIENT)
    install_packages(STREAMS)

    @asynccontextmanager
    async def everyone(url: str, first: str) -> AsyncIterator[Everyone]:
        all = Everyone(url, open_page, resuming_fetch)
        reading = asyncio.create_task(all.read())
        try:
            await all.come(first)
            yield all
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    return everyone


@pytest.mark.parametrize("first", FIRSTS)
async def test_all_show_the_same_whoever_has_begun(
    first: str, restartable: Any, team: Any, everyone: Any, heard: Callable[[str], Any]
) -> None:
    async with restartable(**SETTINGS) as gateway, team(gateway.url, held=True) as working:
        async with everyone(gateway.url, first) as all:
            working.go.set()
            await all.end_alike(heard(gateway.url))
        texts = await heard(gateway.url).texts()
    assert list(working.served.values()) == [1]
    assert [sum(f"{who}-23 " in text for text in texts.values()) for who in ("planner", "hotels", "trams")] == [1, 1, 1]


async def test_all_go_on_over_a_restart(
    restartable: Any, team: Any, everyone: Any, heard: Callable[[str], Any]
) -> None:
    async with (
        restartable(**SETTINGS) as gateway,
        team(gateway.url, held=True) as working,
        everyone(gateway.url, "TanStack AI by WebSocket") as all,
    ):
        await gateway.restart()
        working.go.set()
        await all.end_alike(heard(gateway.url))
    assert list(working.served.values()) == [1]


async def test_one_of_them_stops_the_run_of_all(
    restartable: Any, team: Any, everyone: Any, heard: Callable[[str], Any]
) -> None:
    async with restartable(**SETTINGS) as gateway, team(gateway.url, held=True) as working:
        async with everyone(gateway.url, "useStream") as all:
            all.pages["CopilotKit"].tell()
            await all.end_alike(heard(gateway.url))
        (signal,) = await heard(gateway.url).events("signal.raised")
        texts = await heard(gateway.url).texts()
    assert list(working.served.values()) == [1]
    assert signal["data"]["kind"] == "cancel"
    assert not any("-6 " in text for text in texts.values())
    told = {name for name, page in all.pages.items() if any(page.said(word) for word in ("cancelled", "aborted"))}
    # LangChain's clients know that a run is no longer loading, and not why.
    assert told == {*KINDS, "native"} - {"useStream", "LangGraph SDK"}
