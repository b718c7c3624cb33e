"""Gateways, a team of three at work in a session, and pages that follow it by the clients of other protocols."""

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.browser import find_node, install_packages

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.client import Agent, Client

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "how-to" / "use-ag-ui.md"
Start = Callable[..., Awaitable[Gateway]]
THREAD = "trip"
HELD_AT = 6
"""Words that are said before a team that is held waits."""


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of these tests."""
    found = find_node()
    if found is None:
        pytest.skip("no Node: install it (Debian: nodejs npm)")
    install_packages(HERE)
    return found


@pytest.fixture
def resuming_fetch(tmp_path: Path) -> str:
    """The `fetch` of the guide, as a file."""
    (code,) = [each for each in GUIDE.read_text().split("```js\n")[1:] if "resumingFetch(" in each.partition("```")[0]]
    file = tmp_path / "resuming-fetch.mjs"
    file.write_text(code.partition("```")[0])
    return str(file)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a gateway in this process, with settings of choice."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            chosen = {"log": str(tmp_path / "log.db"), "port": 0, "drain": 0.1, "views": "none", **settings}
            return await stack.enter_async_context(running(Settings(**chosen)))

        yield start


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway with the defaults."""
    return await start()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


class Team:
    """Three agents: one that serves runs and has two others speak at the same time. `served` counts how often each run
    was worked on. In the midst of their sentences all wait for `go`, which is set unless they are to be `held`."""

    def __init__(self, url: str, held: bool = False, pace: float = 0.004) -> None:
        self.served: Counter[str] = Counter()
        self.go = asyncio.Event()
        if not held:
            self.go.set()
        self.words = 24
        self._url = url
        self._pace = pace

    async def lead(self) -> None:
        """Serve runs."""
        async with Client(self._url, participant="planner") as client, client.agent(session=THREAD) as agent:
            async for task in agent.tasks("run"):
                async with task:
                    self.served[task.input["run"]] += 1
                    await self._plan(agent, task)

    async def _plan(self, agent: Agent, task: Any) -> None:
        session = agent.session
        parts = [await session.tasks.create(name, parent=task.id, assignee=name) for name in ("hotels", "trams")]
        await session.state.merge({"plan": {"city": "Lisbon"}})
        async with agent.say(window=0.0) as message:
            async with session.tool("search", {"city": "Lisbon"}, message=message.id) as call:
                call.result = ["Casa Azul", "Hotel Lis"]
            await self._speak(message, "planner")
        await session.state.merge({"plan": {"nights": 3, "old": None}})
        await session.state.increment("/asked")
        for part in parts:
            await session.tasks.result(part)
        await task.complete({"planned": True})

    async def help(self, name: str) -> None:
        """Do the parts that are for this one."""
        async with Client(self._url, participant=name) as client, client.agent(session=THREAD) as agent:
            async for task in agent.tasks(lambda each: each.assignee == name):
                async with task:
                    async with agent.say(window=0.0) as message:
                        for word in ("Let ", "me ", "think. "):
                            await message.write(word, part="reasoning")
                            await asyncio.sleep(self._pace)
                        await self._speak(message, name)
                    await task.complete(name)

    async def _speak(self, message: Any, name: str) -> None:
        for number in range(self.words):
            if number == HELD_AT:
                await self.go.wait()
            await message.write(f"{name}-{number} ")
            await asyncio.sleep(self._pace)


@asynccontextmanager
async def at_work(url: str, held: bool = False) -> AsyncIterator[Team]:
    """A team at work, for the time of the block."""
    team = Team(url, held)
    async with Client(url, participant="clerk") as client, client.session(THREAD):
        works = [team.lead(), team.help("hotels"), team.help("trams")]
        tasks = [asyncio.create_task(work) for work in works]
        yield team
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@pytest.fixture
def over_a_restart(tmp_path: Path) -> Callable[..., Any]:
    """Has a team at work, and restarts its gateway when a page, which `opens` makes of the gateway's address, has come
    to something. For the time of the block everything is there again: the address, the team and the page."""

    @asynccontextmanager
    async def over_a_restart(
        opens: Callable[[str], Awaitable[Page]], comes: Callable[[dict[str, Any]], object]
    ) -> AsyncIterator[tuple[str, Team, Page]]:
        settings: dict[str, Any] = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none"}
        async with AsyncExitStack() as stack:
            async with running(Settings(port=0, **settings)) as gateway:
                url, working = gateway.url, at_work(gateway.url, held=True)
                team = await working.__aenter__()
                page = await opens(url)
                await page.until(comes)
            await stack.enter_async_context(running(Settings(port=int(url.rpartition(":")[2]), **settings)))
            team.go.set()
            yield url, team, page
            await working.__aexit__(None, None, None)

    return over_a_restart


@pytest.fixture
def team() -> Callable[..., Any]:
    """Has a team at work."""
    return at_work


class Page:
    """A process of Node that says what it sees, a line of JSON each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen: list[dict[str, Any]] = []

    async def until(self, wanted: Callable[[dict[str, Any]], object], within: float = 20.0) -> dict[str, Any]:
        """The next thing said that is wanted."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within):
            while line := await self._process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                self.seen.append(told)
                if wanted(told):
                    return told
        assert self._process.stderr is not None
        raise AssertionError(f"it ended: {(await self._process.stderr.read()).decode()[-3_000:]} {self.seen[-5:]}")

    async def end(self, within: float = 30.0) -> dict[str, Any]:
        """What it has in the end."""
        return await self.until(lambda told: "messages" in told, within)

    async def close(self) -> None:
        """Close it, as one closes a tab."""
        await _end(self._process)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it has said so far."""
        return [told["event"] for told in self.seen if "event" in told]


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_page(node: str) -> AsyncIterator[Open]:
    """Runs a script with a client of another protocol."""
    async with AsyncExitStack() as stack:

        async def open_page(script: str, **given: Any) -> Page:
            process = await asyncio.create_subprocess_exec(
                *(node, script, json.dumps(given)),
                cwd=HERE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=2**24,
                env={**os.environ, "DO_NOT_TRACK": "1"},
            )
            stack.push_async_callback(_end, process)
            return Page(process)

        yield open_page


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


class Heard:
    """What was said in a session, by the native reading."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def texts(self) -> dict[str, str]:
        """What each message says, by its id; what was thought for it under `{id}/reasoning`."""
        found: dict[str, str] = {}
        url, after = f"{self._url}/v1/sessions/{THREAD}/events", 0
        while True:
            async with self._http.get(url, params={"after": after, "limit": 1000, "reading": "folded"}) as answer:
                page = await answer.json()
            for event in page["events"]:
                for part in event["data"].get("parts", ()) if event["type"].startswith("message.") else ():
                    suffix = "" if part["kind"] == "text" else "/reasoning"
                    id = f"{event['data']['message']}{suffix}"
                    found[id] = found.get(id, "") + part["text"]
            if page["caught_up"]:
                return found
            after = page["to"]

    async def state(self) -> Any:
        """The shared state."""
        async with self._http.get(f"{self._url}/v1/sessions/{THREAD}") as answer:
            return (await answer.json())["state"]


@pytest.fixture
def heard(http: aiohttp.ClientSession) -> Callable[[str], Heard]:
    """Reads a session natively."""
    return lambda url: Heard(url, http)
