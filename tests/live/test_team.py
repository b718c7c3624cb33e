"""What a team must be able to rely on: one owner whoever claims, zombies refused, the dead replaced, the stopped still.

Fewer claims, or more: STENOGRAM_CLAIMS=10000 pytest tests/live/test_team.py
"""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from support import environment
from support.wire import Frame, Wire

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
Serve = Callable[..., Awaitable[Any]]

CLAIMS = int(os.environ.get("STENOGRAM_CLAIMS", "1000"))
AT_ONCE = 50


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that lets those be silent who look on."""
    return await start(heartbeat=60)


async def agent(http: aiohttp.ClientSession, url: str, name: str, kind: str = "agent") -> Wire:
    """A connection of one participant."""
    return await Wire.open(http, url, participant=name, kind=kind)


async def do(wire: Wire, do: str, data: Any, **more: Any) -> Frame:
    """Carry out a command in session `s`, which must be accepted."""
    answer = await wire.command("s", do, data, **more)
    assert answer["frame"] == "ack", answer
    return answer


def frame(id: str, do: str, data: Any) -> Frame:
    """A command to session `s`."""
    return {"frame": "command", "id": id, "session": "s", "do": do, "data": data}


# -- one owner


async def claim_all(wire: Wire, me: str, tasks: list[str]) -> dict[str, Frame]:
    """Claim all of these, some at once; the answers by task."""
    for start in range(0, len(tasks), AT_ONCE):
        few = tasks[start : start + AT_ONCE]
        await wire.send(*[frame(f"{me}-{task}", "task.claim", {"task": task}) for task in few])
        await wire.until(lambda few=few: all(f"{me}-{task}" in wire.answers for task in few))  # type: ignore[misc]
    return {task: wire.answers[f"{me}-{task}"] for task in tasks}


async def contest(http: aiohttp.ClientSession, urls: tuple[str, str]) -> None:
    """Two agents claim each task at once, in opposite orders within each handful."""
    one, two = await agent(http, urls[0], "one"), await agent(http, urls[1], "two")
    await do(one, "session.open", {})
    tasks = [f"t-{number}" for number in range(CLAIMS)]
    for start in range(0, CLAIMS, 200):
        few = tasks[start : start + 200]
        await one.send(*[frame(f"new-{task}", "task.create", {"task": task, "title": "T"}) for task in few])
        await one.until(lambda few=few: all(f"new-{task}" in one.answers for task in few))  # type: ignore[misc]
    ones, twos = await asyncio.gather(claim_all(one, "one", tasks), claim_all(two, "two", tasks))
    await two.subscribe("s", session="s", types=["task.claimed"], dense=False)
    claimed = {event["data"]["task"]: event for event in (await two.catch_up("s")).events}
    assert len(claimed) == CLAIMS
    assert len((await two.catch_up("s")).events) == CLAIMS
    for task in tasks:
        answers = {"one": ones[task], "two": twos[task]}
        owner = claimed[task]["actor"]
        loser = "two" if owner == "one" else "one"
        assert answers[owner]["frame"] == "ack"
        assert answers[owner]["versions"] == [claimed[task]["version"]]
        error = answers[loser]["error"]
        assert (error["code"], error["owner"], error["attempt"]) == ("conflict", owner, 1)


async def test_of_two_who_claim_at_once_one_owns_and_the_other_is_told_who(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await contest(http, (gateway.url, gateway.url))


@pytest.mark.postgres
async def test_of_two_who_claim_at_once_over_two_gateways_one_owns(
    http: aiohttp.ClientSession, start: Start, fresh_log: Callable[[], str]
) -> None:
    where = fresh_log()
    first, second = await start(log=where), await start(log=where)
    await contest(http, (first.url, second.url))


# -- processes that are stopped and killed

AGENT = textwrap.dedent(
    """
    import asyncio, sys
    import aiohttp
    from support.wire import Wire

    UNDER = {"task": "t-1", "attempt": 1}

    async def main(url):
        async with aiohttp.ClientSession() as http:
            wire = await Wire.open(http, url, participant="hotels", kind="agent")

            async def do(do, data, **more):
                answer = await wire.command("s", do, data, **more)
                return answer.get("error", {}).get("code", "ack")

            await do("presence.join", {"lease": 4})
            await do("task.claim", {"task": "t-1"})
            await do("message.start", {"message": "m1"}, under=UNDER)
            said = "ack"
            index = 0
            while said == "ack":
                said = await do("message.delta", {"message": "m1", "index": index, "text": f"{index} "}, under=UNDER)
                index += 1
                await asyncio.sleep(0.1)
            tries = [said]
            tries.append(await do("state.merge", {"patch": {"hotel": "Zombie"}}, under=UNDER))
            tries.append(await do("message.post", {"message": "m2", "text": "Done!"}, under=UNDER))
            tries.append(await do("task.complete", {"task": "t-1", "attempt": 1}))
            print(",".join(tries), flush=True)

    asyncio.run(main(sys.argv[1]))
    """
)


@asynccontextmanager
async def working(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent in a process of its own: it claims t-1 and streams until it is refused, then tries everything else."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AGENT,
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.communicate()


class Watch:
    """Ada, who follows the session through one gateway."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, url: str) -> "Watch":
        """Open the session with its task, and follow it."""
        watch = cls(await agent(http, url, "ada", "user"))
        await do(watch.wire, "session.open", {})
        await do(watch.wire, "task.create", {"task": "t-1", "title": "Find a hotel"})
        await watch.wire.subscribe("s", session="s")
        return watch

    @property
    def events(self) -> list[Frame]:
        """What has happened."""
        return self.wire.followers["s", "s"].events

    def types(self) -> list[str]:
        """The same, by type."""
        return [event["type"] for event in self.events]

    async def streams(self) -> None:
        """Wait until some words have come."""
        await self.wire.until(lambda: self.types().count("message.delta") >= 3)

    async def happens(self, type: str) -> Frame:
        """Wait for the first event of a type."""
        await self.wire.until(lambda: type in self.types())
        return next(event for event in self.events if event["type"] == type)


async def test_a_zombie_is_refused_whatever_it_tries(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    watch = await Watch.open(http, gateway.url)
    async with working(gateway.url) as zombie:
        await watch.streams()
        zombie.send_signal(signal.SIGSTOP)
        await watch.happens("presence.lost")
        owner = await agent(http, gateway.url, "suites")
        await do(owner, "task.claim", {"task": "t-1"})
        under = {"task": "t-1", "attempt": 2}
        await do(owner, "message.start", {"message": "m9"}, under=under)
        zombie.send_signal(signal.SIGCONT)
        said, _ = await zombie.communicate()
        assert said.decode().strip() == "fenced,fenced,fenced,fenced"
        await do(owner, "message.delta", {"message": "m9", "index": 0, "text": "Mine."}, under=under)
        done = await do(owner, "task.complete", {"task": "t-1", "attempt": 2, "output": "Tivoli"})
        await watch.wire.reach("s", done["versions"][-1])
    fenced = [event for event in watch.events if event["type"] == "task.fenced"]
    assert [(event["actor"], event["data"]["attempt"]) for event in fenced] == [("hotels", 1)]
    after = watch.types().index("presence.lost")
    theirs = [event["type"] for event in watch.events[after:] if event["actor"] == "hotels"]
    assert theirs == ["task.fenced"]


async def replaced(http: aiohttp.ClientSession, watch: Watch, url: str, killed: float) -> None:
    """The agent that was killed is lost, its words are kept, and another takes its task over."""
    loop = asyncio.get_running_loop()
    await watch.happens("presence.lost")
    aborted = await watch.happens("message.aborted")
    texts = [event["data"]["text"] for event in watch.events if event["type"] == "message.delta"]
    assert aborted["data"]["parts"] == [{"kind": "text", "text": "".join(texts)}]
    await do(await agent(http, url, "suites"), "task.claim", {"task": "t-1"})
    print(f"replaced {loop.time() - killed:.2f} s after it was killed, with a lease of 4 s")


async def test_an_agent_that_is_killed_is_replaced(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    watch = await Watch.open(http, gateway.url)
    async with working(gateway.url) as process:
        await watch.streams()
        process.kill()
        await replaced(http, watch, gateway.url, asyncio.get_running_loop().time())


@pytest.mark.thorough
@pytest.mark.postgres
async def test_an_agent_that_is_killed_with_its_gateway_is_replaced(
    http: aiohttp.ClientSession, start: Start, serve: Serve, fresh_log: Callable[[], str]
) -> None:
    where = fresh_log()
    survivor, dying = await start(log=where, heartbeat=60), await serve(log=where)
    watch = await Watch.open(http, survivor.url)
    async with working(dying.url) as process:
        await watch.streams()
        process.kill()
        await dying.kill()
        await replaced(http, watch, survivor.url, asyncio.get_running_loop().time())


# -- stopping


async def test_a_cancel_during_a_long_tool_call_frees_the_user_at_once(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    """The agent hears nothing while its tool runs. The grace runs out, and nothing of what it says then is shown."""
    watch = await Watch.open(http, gateway.url)
    hotels = await agent(http, gateway.url, "hotels")
    await do(hotels, "presence.join", {"lease": 600})
    await do(hotels, "task.claim", {"task": "t-1"})
    under = {"task": "t-1", "attempt": 1}
    await do(hotels, "message.start", {"message": "m1"}, under=under)
    await do(hotels, "tool.call", {"call": "c1", "tool": "search"}, under=under)
    await do(watch.wire, "signal.raise", {"signal": "s1", "kind": "cancel", "target": "agent:hotels", "grace": 1})
    await do(watch.wire, "message.post", {"message": "m2", "text": "Make it Lisbon."})
    await watch.happens("signal.expired")
    await watch.happens("tool.abandoned")
    for command, data in (
        ("tool.return", {"call": "c1", "result": ["late"]}),
        ("message.delta", {"message": "m1", "index": 0, "text": "late"}),
        ("message.post", {"message": "m3", "text": "late"}),
        ("state.merge", {"patch": {"late": True}}),
    ):
        answer = await hotels.command("s", command, data)
        assert (answer["frame"], answer["error"]["code"], answer["error"]["signal"]) == ("refused", "fenced", "s1")
    await do(hotels, "signal.honour", {"signal": "s1"})
    last = await do(hotels, "message.post", {"message": "m4", "text": "Stopped."})
    await watch.wire.reach("s", last["versions"][0])
    assert "late" not in str(watch.events)


async def test_a_cancel_is_honoured_by_who_attaches_later(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    watch = await Watch.open(http, gateway.url)
    await do(watch.wire, "signal.raise", {"signal": "s1", "kind": "cancel", "target": "agent:late"})
    watch.wire.cut()
    late = await agent(http, gateway.url, "late")
    await late.subscribe("s", session="s")
    found = [each for each in (await late.catch_up("s")).events if each["type"] == "signal.raised"]
    assert found[0]["data"]["addressees"] == ["late"]
    await do(late, "signal.deliver", {"signal": "s1"})
    await do(late, "signal.honour", {"signal": "s1"})
    async with http.get(f"{gateway.url}/v1/sessions/s") as response:
        assert (await response.json())["open_signals"] == []
