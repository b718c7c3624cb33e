"""What LangGraph, Google's ADK and Agno tell by AG-UI, each by its own package, is written into a session as it was."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from ag_ui.encoder import EventEncoder
from support.ag_ui_programs import PROGRAMS, THREAD, How, Program, Told, run_input
from support.ag_ui_reader import AgUiReader
from support.native import native_events
from support.taps import Recorded, read

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.client.publishing import Published
from stenogram.domain.errors import Refused

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(240),  # their imports take seconds
    pytest.mark.filterwarnings("ignore:.*EXPERIMENTAL:UserWarning", "ignore:.*(get_config_jsonschema|`plugins`)"),
]
FAILS_AT = 3
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-ag-ui.md"
LINES = re.compile(r"^```py\n(.*?)^```", re.DOTALL | re.MULTILINE)
POST = f"/v1/agui/threads/{THREAD}/events?participant=hotels&kind=agent"
each_program = pytest.mark.parametrize("makes", PROGRAMS, ids=lambda each: each.name)


@pytest.fixture(autouse=True)
def quiet_frameworks(caplog: pytest.LogCaptureFixture) -> None:
    """They log that models fail, and Agno on handlers of its own."""
    for name in ("google_adk", "ag_ui_adk", "ag_ui_langgraph", "agno", "agno-team"):
        caplog.set_level(logging.CRITICAL + 1, name)


async def publish(gateway: Gateway, events: Any) -> Published:
    """What comes of publishing it from Python."""
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        return await session.publish_agui("hotels", events)


async def post(http: aiohttp.ClientSession, gateway: Gateway, events: Any) -> dict[str, Any]:
    """The answer to what a framework's own endpoint would send, sent as it comes."""

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(events):
            async for event in events:
                yield EventEncoder().encode(event).encode()

    headers = {"Content-Type": "text/event-stream"}
    async with http.post(f"{gateway.url}{POST}", data=body(), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def read_back(http: aiohttp.ClientSession, gateway: Gateway) -> AgUiReader:
    """What a reader of AG-UI has of the thread when it is closed."""
    command = {"id": "end", "do": "session.close", "data": {}}
    async with http.post(f"{gateway.url}/v1/sessions/{THREAD}/commands", json=command) as answer:
        assert answer.status == 200
    reader = AgUiReader()
    async with http.get(f"{gateway.url}/v1/agui/threads/{THREAD}") as stream:
        async for line in stream.content:
            if line.startswith(b"data: "):
                reader.read(orjson.loads(line[6:]))
    return reader


def parsed(value: Any) -> Any:
    """As it is recorded: JSON, or else the text itself."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value


def check_transcript(found: Recorded, told: Told, program: Program) -> None:
    """The session says what the framework says, and nothing more."""
    said = [each for each in found.messages.values() if each.text]
    words = [each.text for each in said]
    assert ("".join(words) if program.merges else words) == ("".join(told.words) if program.merges else told.words)
    assert [each.thought for each in found.messages.values() if each.thought] == told.thoughts
    calls = {id: (each.tool, each.arguments, each.result) for id, each in found.calls.items()}
    assert calls == {id: (tool, args, parsed(result)) for id, (tool, args, result) in told.calls.items()}
    assert found.open == []
    assert {each.status for each in found.messages.values()} == {"completed"}


def check_page(reader: AgUiReader, told: Told, program: Program) -> None:
    """A page has it, too."""
    messages = reader.messages.values()
    words = [each["content"] for each in messages if each["role"] == "assistant" and each["content"]]
    assert ("".join(words) if program.merges else words) == ("".join(told.words) if program.merges else told.words)
    assert [each["content"] for each in messages if each["role"] == "reasoning"] == told.thoughts
    calls = {call["id"]: call["function"] for each in messages for call in each.get("toolCalls", ())}
    assert {id: (each["name"], orjson.loads(each["arguments"])) for id, each in calls.items()} == {
        id: (tool, args) for id, (tool, args, _) in told.calls.items()
    }
    results = {each["toolCallId"]: parsed(each["content"]) for each in messages if each["role"] == "tool"}
    assert results == {id: parsed(result) for id, (_, _, result) in told.calls.items()}
    assert {name: reader.state.get(name) for name in told.state} == told.state
    assert "messages" not in reader.state


@pytest.mark.parametrize("way", ["python", "post"])
@each_program
async def test_a_program_is_published_as_its_framework_tells_of_it(
    makes: type[Program], way: str, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    program, again = makes(How()), list[Any]()

    async def tell() -> AsyncIterator[Any]:
        async for event in program.run(run_input()):
            again.append(event)
            yield event

    if way == "python":
        published = await publish(gateway, tell())
        assert (published.error, published.interrupts) == (None, ())
    else:
        assert (await post(http, gateway, tell()))["error"] is None
    found, told = await read(gateway.url, THREAD), await program.told()
    assert told.words
    assert told.calls
    assert told.state["hotel"] == "Casa Azul"
    check_transcript(found, told, program)
    assert (await publish(gateway, again)).error is None
    repeated = await read(gateway.url, THREAD)
    assert [each for each in repeated.events if not each.type.startswith("presence.")] == [
        each for each in found.events if not each.type.startswith("presence.")
    ]
    check_page(await read_back(http, gateway), told, program)


@each_program
async def test_the_lines_of_the_guide_publish_it(makes: type[Program], gateway: Gateway) -> None:
    program = makes(How())
    (name,) = program.made
    page = GUIDE.read_text()
    (lines,) = [each for each in LINES.findall(page) if re.search(rf"\b{name}\b", each) and "import" in each]
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        names = {**program.made, "session": session, "run_input": run_input()}
        await eval(compile(lines, str(GUIDE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        assert names["published"].error is None
        assert names["published"].messages == tuple((await read(gateway.url, THREAD)).messages)
    package = {"google-adk": "ag-ui-adk", "langgraph": "ag-ui-langgraph"}.get(makes.name, makes.name)
    assert f"`{package}` {version(package)}" in page.splitlines()[-1]


@each_program
async def test_a_call_is_seen_while_the_tool_works(
    makes: type[Program], http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await publish(gateway, makes(How()).run(run_input()))
    types = [each["type"] for each in await native_events(http, gateway, "message.*", "tool.*")]
    assert types.index("tool.called") < types.index("tool.returned")
    if makes.name == "agno":  # the leader's call comes before what the member says for it
        assert types.index("tool.called") < [n for n, each in enumerate(types) if each == "message.started"][1]


@each_program
async def test_a_model_that_fails_midway_ends_what_is_open(makes: type[Program], gateway: Gateway) -> None:
    published = await publish(gateway, makes(How(fails_at=FAILS_AT)).run(run_input()))
    assert published.error is not None
    assert "hung up" in published.error
    found = await read(gateway.url, THREAD)
    assert found.open == []
    *_, last = found.messages.values()
    assert last.text.endswith("That is " if makes.name == "agno" else "Dear Maya, Casa ")
    # Agno ends the message by itself before it says that the run has failed.
    assert last.status == ("completed" if makes.name == "agno" else "aborted")


@each_program
async def test_a_tool_that_fails_fails_its_call(makes: type[Program], gateway: Gateway) -> None:
    published = await publish(gateway, makes(How(about="Nowhere")).run(run_input()))
    assert (published.error is not None) == makes.raises
    found = await read(gateway.url, THREAD)
    assert found.open == []
    *_, call = [each for each in found.calls.values() if "no such city" in str((each.error, each.result))]
    assert (call.error if makes.raises else call.result) == "no such city"


class Telling:
    """What a program tells without end; `going` when the last speaker speaks, and `closed` when it is over. It is held:
    so nobody but who reads it closes it."""

    def __init__(self, program: Program, cut: bool = False) -> None:
        self.going = asyncio.Event()
        self.closed = asyncio.Event()
        self.events = self._tell(program, cut)

    async def _tell(self, program: Program, cut: bool) -> AsyncIterator[Any]:
        try:
            async with aclosing(program.run(run_input())) as events:
                async for event in events:
                    yield event
                    if "and " in getattr(event, "delta", ""):
                        self.going.set()
                        if cut:
                            raise ConnectionError("cut")
        finally:
            self.closed.set()


@each_program
async def test_events_that_raise_abort_what_is_open(makes: type[Program], gateway: Gateway) -> None:
    telling = Telling(makes(How(endless=True)), cut=True)
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        with pytest.raises(ConnectionError, match="cut"):
            await session.publish_agui("hotels", telling.events)
        found = await read(gateway.url, THREAD)
        assert found.open == []
        *_, last = found.messages.values()
        assert (last.status, last.reason) == ("aborted", "cut")


@each_program
async def test_what_is_refused_ends_the_run_of_the_program(makes: type[Program], gateway: Gateway) -> None:
    telling = Telling(makes(How(endless=True)))
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        publishing = asyncio.create_task(session.publish_agui("hotels", telling.events))
        await asyncio.wait_for(telling.going.wait(), 30)
        await session.close()
        with pytest.raises(Refused):
            await asyncio.wait_for(publishing, 30)
        await asyncio.wait_for(telling.closed.wait(), 30)


@pytest.mark.parametrize("by", ["a person", "the program"])
@each_program
async def test_a_run_that_is_stopped_ends_with_what_makes_its_events(
    makes: type[Program], by: str, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    telling = Telling(makes(How(endless=True)))
    async with Client(gateway.url, participant="hotels") as client, client.agent(session=THREAD) as agent:
        task = await agent.session.tasks.create("Find a hotel")

        async def work() -> str:
            async for claimed in agent.tasks():
                async with claimed:
                    await agent.session.publish_agui("hotels", telling.events)
                break
            return str(claimed.outcome.kind)

        working = asyncio.create_task(work())
        await asyncio.wait_for(telling.going.wait(), 30)
        if by == "a person":
            data = {"signal": "s1", "kind": "cancel", "target": f"task:{task}"}
            command = {"id": "c", "do": "signal.raise", "data": data}
            async with http.post(f"{gateway.url}/v1/sessions/{THREAD}/commands", json=command) as answer:
                assert answer.status == 200
            assert await asyncio.wait_for(working, 30) == "cancelled"
        else:
            working.cancel()
            await asyncio.wait([working], timeout=30)
            assert working.cancelled()
        await asyncio.wait_for(telling.closed.wait(), 30)
    found = await read(gateway.url, THREAD)
    assert found.open == []
    *_, last = found.messages.values()
    assert last.status == "aborted"
    assert "on and" in last.text
