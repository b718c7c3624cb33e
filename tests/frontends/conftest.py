"""Gateways, a team of three at work in a session, and pages that follow it by the clients of other protocols."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.browser import find_node, install_packages
from support.client_page import WAIT_S, ClientPage, OpenClientPage, client_pages
from support.shown_texts import plain_texts

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.client import Agent, Client

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "how-to" / "use-ag-ui.md"
Start = Callable[..., Awaitable[Gateway]]
THREAD = "trip"
ENDED = ("completed", "failed", "cancelled")
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
        try:
            yield team
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure


class Restartable:
    """A gateway that can be started again, on the same log and under the same address."""

    def __init__(self, **settings: Any) -> None:
        self.url = ""
        self._settings = settings
        self._running = AsyncExitStack()

    async def start(self, port: int = 0) -> None:
        """Start it."""
        gateway = await self._running.enter_async_context(running(Settings(port=port, **self._settings)))
        self.url = gateway.url

    async def restart(self) -> None:
        """Stop it, and start it again."""
        await self.stop()
        await self.start(int(self.url.rpartition(":")[2]))

    async def stop(self) -> None:
        """Stop it."""
        await self._running.aclose()


@pytest.fixture
def restartable(tmp_path: Path) -> Callable[..., Any]:
    """Has a gateway, with settings of choice, that can be restarted."""

    @asynccontextmanager
    async def restartable(**settings: Any) -> AsyncIterator[Restartable]:
        chosen = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none", **settings}
        gateway = Restartable(**chosen)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()

    return restartable


@pytest.fixture
def team() -> Callable[..., Any]:
    """Has a team at work."""
    return at_work


@pytest.fixture
async def open_page(node: str) -> AsyncIterator[OpenClientPage]:
    """Runs a script with a client of another protocol."""
    async with client_pages(node, HERE) as open_page:
        yield open_page


class Heard:
    """What was said and done in a session, by the native reading."""

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

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """What happened, of these types; without any, of all."""
        chosen = f"&types={','.join(types)}" if types else ""
        async with self._http.get(f"{self._url}/v1/sessions/{THREAD}/events?limit=1000{chosen}") as answer:
            page = await answer.json()
            assert page["caught_up"]
            found: list[dict[str, Any]] = page["events"]
            return found

    async def over(self) -> None:
        """Wait until a run has begun, and nobody works or speaks any more."""
        now: Any = None
        try:
            async with asyncio.timeout(WAIT_S):
                while not _is_over(now := await self._now()):  # noqa: ASYNC110 - others do it
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it is not over: {now}") from None

    async def _now(self) -> Any:
        async with self._http.get(f"{self._url}/v1/sessions/{THREAD}") as answer:
            return await answer.json()

    async def whole_on(self, page: ClientPage) -> dict[str, Any]:
        """Wait until a page shows all that was said in a run, and is no longer waiting; what it has in the end."""
        await self.over()
        said, state = await self.texts(), await self.state()
        await page.comes_to(
            lambda told: (
                (plain_texts(told["shown"]), told.get("values", state), told["loading"]) == (said, state, False)
            )
        )
        return await page.end()

    async def state(self) -> Any:
        """The shared state."""
        return (await self._now())["state"]


def _is_over(session: Any) -> bool:
    tasks = session.get("tasks")  # there is none before the session
    return bool(tasks) and all(each["status"] in ENDED for each in tasks) and not session["open_messages"]


@pytest.fixture
def heard(http: aiohttp.ClientSession) -> Callable[[str], Heard]:
    """Reads a session natively."""
    return lambda url: Heard(url, http)
