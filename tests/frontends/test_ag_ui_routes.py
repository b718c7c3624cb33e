"""AG-UI's routes, as a strict reader finds them: runs, questions, joining, resuming, and who may do what."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from support.ag_ui_reader import AgUiReader
from support.native import SECRET, agent, native_events, token

from stenogram.api.frontends.ag_ui.encoder import AgUiEncoder
from stenogram.api.frontends.turn_stream import TurnConnection
from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.ids import Version
from stenogram.domain.state import State
from stenogram.log.log import Log

RUN = "/v1/agui/agent/planner/run"
CONNECT = "/v1/agui/agent/planner/connect"


def asked(run: str = "r1", *said: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A RunAgentInput of a client of 1.0."""
    messages = [{"id": id, "role": "user", "content": text} for id, text in said]
    about = {"threadId": "trip", "runId": run, "protocolVersion": "1.0", "tools": [], "context": [], **more}
    return {"messages": messages, "state": {}, "forwardedProps": {}, **about}


class Stream:
    """A stream of events, and what a strict reader makes of it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.reader = AgUiReader()
        self.id = ""
        self.events: list[dict[str, Any]] = []
        self._response = response

    async def next(self) -> dict[str, Any] | None:
        """The next event; None at the stream's end."""
        id = None
        async with asyncio.timeout(20):
            while line := await self._response.content.readline():
                if line.startswith(b"id: "):
                    id = line[4:-1].decode()
                elif line.startswith(b"data: "):
                    await self._response.content.readline()
                    self.id = id or self.id
                    self.events.append(orjson.loads(line[6:]))
                    return self.events[-1]
        return None

    async def until(self, *types: str) -> dict[str, Any]:
        """Read on, up to an event of one of these types."""
        while (event := await self.next()) is not None:
            self.reader.read(event)
            if event["type"] in types:
                return event
        raise AssertionError(f"the stream ended behind {[each['type'] for each in self.events]}")

    async def end(self) -> AgUiReader:
        """Read it all."""
        while (event := await self.next()) is not None:
            self.reader.read(event)
        return self.reader


@asynccontextmanager
async def opened(http: aiohttp.ClientSession, method: str, url: str, **given: Any) -> AsyncIterator[Stream]:
    """A stream that was asked for."""
    async with http.request(method, url, **given) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


async def test_a_run_is_a_task_that_is_begun_once(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, body = (
        f"{gateway.url}{RUN}?participant=ada",
        asked("r1", ("m1", "Hello!"), ("m2", "Anybody?"), tools=[{"name": "pick"}]),
    )
    async with opened(http, "POST", url, json=body) as one, opened(http, "POST", url, json=body) as other:
        for stream in (one, other):
            assert (await stream.until("RUN_STARTED"))["runId"] == "r1"
            await stream.until("STATE_SNAPSHOT")
            assert stream.reader.texts == {"m1": "Hello!", "m2": "Anybody?"}
        async with agent(gateway) as planner:
            async for task in planner.tasks("run"):
                async with task:
                    await task.complete(task.input)
                break
        ends = [await stream.end() for stream in (one, other)]
    said = await native_events(http, gateway, "message.posted", "task.created")
    assert [(each["type"], each["actor"]) for each in said] == [("message.posted", "ada")] * 2 + [
        ("task.created", "ada")
    ]
    assert (said[2]["data"]["assignee"], said[2]["data"]["title"]) == ("planner", "Anybody?")
    wanted = {"kind": "run", "run": "r1", "messages": ["m1", "m2"], "tools": [{"name": "pick"}]}
    assert [end.runs[0]["result"] for end in ends] == [wanted, wanted]
    async with opened(http, "POST", url, json=body) as again:
        assert (await again.end()).runs[0]["result"] == wanted
    assert len(await native_events(http, gateway, "message.posted", "task.created")) == 3


async def test_a_run_for_any_agent(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/agui/agent/default/run?participant=ada"
    async with opened(http, "POST", url, json=asked()) as stream:
        await stream.until("STATE_SNAPSHOT")
        (created,) = await native_events(http, gateway, "task.created")
        assert "assignee" not in created["data"]
        assert created["data"]["title"] == "Go on"


async def test_a_run_ends_also_where_its_session_is_not_at_hand(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=asked())
    async with agent(gateway) as planner, run as stream:
        await stream.until("STATE_SNAPSHOT")
        monkeypatch.setattr(Log, "cached_state", lambda log, session: None)
        async for task in planner.tasks("run"):
            async with task:
                await task.complete(7)
            break
        assert (await stream.end()).runs[0]["result"] == 7


async def test_another_gateway_shows_the_run_and_one_that_only_reads_begins_none(
    http: aiohttp.ClientSession, gateway: Gateway, start: Any
) -> None:
    body = asked("r1", ("m1", "Hello!"))
    run = opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=body)
    async with agent(gateway) as planner, run as stream:
        await stream.until("STATE_SNAPSHOT")
        reading = await start(read_only=True)
        async with opened(http, "GET", f"{reading.url}/v1/agui/threads/trip/runs/r1") as other:
            await other.until("STATE_SNAPSHOT")
            async for task in planner.tasks("run"):
                async with task, planner.say() as message:
                    await message.write("Hello, too.")
                    await task.complete(7)
                break
            ends = [await each.end() for each in (stream, other)]
        async with http.post(f"{reading.url}{RUN}?participant=ada", json=asked("r2")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "log_read_only")
        async with opened(http, "POST", f"{reading.url}{RUN}?participant=ada", json=body) as known:
            ends.append(await known.end())
    assert [(end.runs[0]["result"], sorted(end.texts.values())) for end in ends] == [(7, ["Hello!", "Hello, too."])] * 3


async def test_a_question_that_another_device_answers_ends_nothing(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    """The run waits for whoever is in mid-sentence, and meanwhile somebody answers: so it goes on."""
    async with agent(gateway) as planner, agent(gateway, "rooms") as rooms:

        async def work() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    await task.complete(await planner.session.approvals.ask("Book it?", approval="a1"))

        working = asyncio.create_task(work())
        bob = Client(gateway.url, participant="bob", kind="user")
        async with bob, bob.session("trip") as other, rooms.say() as message:
            await message.write("Wait ")
            async with opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=asked()) as stream:
                await stream.until("TEXT_MESSAGE_CONTENT")
                while "approval/a1" not in stream.reader.activities:
                    await stream.until("ACTIVITY_SNAPSHOT")
                await other.approvals.answer("a1", "yes")
                while stream.reader.activities["approval/a1"]["status"] == "open":
                    await stream.until("ACTIVITY_DELTA")
                await message.write("for it.")
                await message.abort()
                end = (await stream.end()).runs
        working.cancel()
    assert [(each["type"], each.get("result")) for each in end] == [("RUN_FINISHED", "yes")]


async def test_a_stream_ends_that_is_behind_what_ended_its_run(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is woken by the run's end, it has only brought the answer: nothing wakes it again."""
    looked, answered, behind, state_here = asyncio.Event(), asyncio.Event(), list[int](), TurnConnection._state_here

    async def a_little_behind(self: TurnConnection, session: str, state: State) -> State:
        here = await state_here(self, session, state)
        looked.set()
        if here.tasks.known["run.r1"].unfinished or behind:
            return here
        behind.append(here.version)
        return await self._followed.log.state_at(session, Version(here.version - 1))

    monkeypatch.setattr(TurnConnection, "_state_here", a_little_behind)
    async with agent(gateway) as planner, agent(gateway, "rooms") as rooms:

        async def work() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    answer = await planner.session.approvals.ask("Book it?", approval="a1")
                    await answered.wait()
                    await task.complete(answer)

        working = asyncio.create_task(work())
        bob = Client(gateway.url, participant="bob", kind="user")
        async with bob, bob.session("trip") as other, rooms.say() as message:
            await message.write("Wait.")
            async with opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=asked()) as stream:
                await looked.wait()  # the question has been found to end it
                await other.approvals.answer("a1", "yes")
                await message.abort()
                answered.set()
                end = (await stream.end()).runs
        working.cancel()
    assert [(each["type"], each.get("result")) for each in end] == [("RUN_FINISHED", "yes")]
    assert behind


@pytest.mark.parametrize("seed", range(4))
async def test_of_a_body_that_is_refused_nothing_is_written(
    seed: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    chance, odd = random.Random(seed), [None, 7, -1, "", "x" * 2_000, [], {}, [7], {"a": None}, True, "\ud800", 1e308]
    for number in range(30):
        body = asked(f"r{number}", (f"m{number}", "Hello"), resume=[{"interruptId": "a", "status": "resolved"}])
        target = chance.choice([body, body["messages"][0], body["resume"][0]])
        target[chance.choice([*target])] = chance.choice(odd)
        before = len(await native_events(http, gateway))
        text = json.dumps(body)
        async with http.post(f"{gateway.url}{RUN}", data=text) as answer:
            assert answer.status in (200, 400, 404, 409), text
        if answer.status != 200:
            assert len(await native_events(http, gateway)) == before, text


async def test_what_an_agent_fails_at_is_an_error(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=asked()) as stream:
        await stream.until("STATE_SNAPSHOT")
        async with agent(gateway) as planner:
            async for task in planner.tasks("run"):
                async with task:
                    await task.fail("No hotel has rooms.")
                break
            end = await stream.end()
    assert end.runs == [{"type": "RUN_ERROR", "message": "No hotel has rooms.", "code": "failed"}]


@pytest.mark.parametrize(
    ("resume", "answer", "outcome"),
    [
        ({"status": "resolved", "payload": "yes"}, {"option": "yes"}, "success"),
        ({"status": "resolved", "payload": False}, {"option": "no"}, "success"),
        ({"status": "resolved", "payload": {"approved": True}}, {"option": "yes"}, "success"),
        ({"status": "cancelled"}, {"option": "no"}, "success"),
    ],
)
async def test_a_question_is_an_interrupt_and_the_next_run_answers_it(
    resume: dict[str, Any], answer: dict[str, Any], outcome: str, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url = f"{gateway.url}{RUN}?participant=ada"
    async with agent(gateway) as planner:

        async def work() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    await task.complete(await planner.session.approvals.ask("Book it?"))

        working = asyncio.create_task(work())
        async with opened(http, "POST", url, json=asked("r1", ("m1", "Book."))) as stream:
            end = (await stream.end()).runs[0]
        (interrupt,) = end["outcome"]["interrupts"]
        assert (end["outcome"]["type"], interrupt["message"]) == ("interrupt", "Book it?")
        assert interrupt["responseSchema"] == {
            "anyOf": [{"type": "string", "enum": ["yes", "no"]}, {"type": "boolean"}]
        }
        given = asked("r2", resume=[{"interruptId": interrupt["id"], **resume}])
        for _ in range(2):  # the same run again: nothing is answered twice
            async with opened(http, "POST", url, json=given) as stream:
                end = (await stream.end()).runs[0]
            assert (end["runId"], end["result"]) == ("r2", answer["option"])
        async with opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip/runs/r2") as stream:
            assert (await stream.end()).runs[0]["result"] == answer["option"]
        working.cancel()
    (given_answer,) = await native_events(http, gateway, "approval.answered")
    assert given_answer["data"] == {"approval": interrupt["id"], **answer}
    assert len(await native_events(http, gateway, "task.created")) == 1


async def test_whoever_does_not_answer_a_question_without_a_no_stops_the_run(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url = f"{gateway.url}{RUN}?participant=ada"
    async with agent(gateway) as planner:

        async def work() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    await planner.session.approvals.ask("Which one?", options=["red", "blue"])

        working = asyncio.create_task(work())
        async with opened(http, "POST", url, json=asked()) as stream:
            (interrupt,) = (await stream.end()).runs[0]["outcome"]["interrupts"]
        given = asked("r2", resume=[{"interruptId": interrupt["id"], "status": "cancelled"}])
        async with opened(http, "POST", url, json=given) as stream:
            assert (await stream.end()).runs[0]["outcome"] == {"type": "cancelled"}
        working.cancel()


async def test_ids_and_attachments_of_a_page_come_back_as_they_were(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    image = {"type": "image", "source": {"type": "url", "value": "https://example.com/a.png"}}
    message = {"id": "a message/1", "role": "user", "content": [{"type": "text", "text": "Look!"}, image]}
    body = {**asked(), "messages": [message, {"id": "m2", "role": "assistant", "content": "Before."}]}
    async with opened(http, "POST", f"{gateway.url}{RUN}?participant=ada", json=body) as stream:
        shown = (await stream.until("MESSAGES_SNAPSHOT"))["messages"]
    assert [(each["id"], each["content"]) for each in shown if each["role"] == "user"] == [
        ("a message/1", [{"type": "text", "text": "Look!"}, image])
    ]
    assert [each["role"] for each in shown if each["role"] != "activity"] == ["user"]


async def test_a_tool_of_the_page_is_called_and_the_next_run_has_its_result(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url = f"{gateway.url}{RUN}?participant=ada"
    async with agent(gateway) as planner:

        async def work() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    if task.input["run"] == "r1":
                        call = {"call": "c1", "tool": "pick", "arguments": {"of": [1, 2]}}
                        await planner.session.do("tool.call", call)
                    await task.complete(task.input.get("tool_results"))

        working = asyncio.create_task(work())
        said = ("m1", "Which?")
        async with opened(http, "POST", url, json=asked("r1", said, tools=[{"name": "pick"}])) as stream:
            first = await stream.end()
        calls = [call["id"] for each in first.messages.values() for call in each.get("toolCalls", ())]
        assert (calls, [each for each in first.messages.values() if each["role"] == "tool"]) == (["c1"], [])
        second = asked("r2", said)
        second["messages"] += [
            {"id": "c1", "role": "assistant", "toolCalls": []},
            {"id": 't "1"', "role": "tool", "toolCallId": "c1", "content": "2"},
        ]
        for _ in range(2):
            async with opened(http, "POST", url, json=second) as stream:
                await stream.until("STATE_SNAPSHOT")
                tools = [(id, each["content"]) for id, each in stream.reader.messages.items() if each["role"] == "tool"]
                assert tools == [('t "1"', "2")]
                assert (await stream.end()).runs[0]["result"] == [{"call": "c1", "content": "2"}]
        working.cancel()
    assert len(await native_events(http, gateway, "x.ag_ui.tool_call_result")) == 1


async def test_a_thread_is_followed_from_run_to_run_until_it_is_closed(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with agent(gateway) as planner, opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip") as stream:
        await stream.until("STATE_SNAPSHOT")
        async with planner.say() as message:
            await message.write("Hello")
            await stream.until("TEXT_MESSAGE_CONTENT")
        await stream.until("TEXT_MESSAGE_END")
        await planner.session.close()
        end = await stream.end()
    assert list(end.texts.values()) == ["Hello"]
    assert end.runs[0]["type"] == "RUN_FINISHED"


async def test_a_thread_that_is_not_there_is_empty_and_stays_so(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with opened(http, "POST", f"{gateway.url}{CONNECT}?participant=ada", json=asked("c1")) as stream:
        end = await stream.end()
    assert (end.texts, end.state, len(end.runs)) == ({}, {}, 1)
    assert await native_events(http, gateway) == []


@asynccontextmanager
async def opened_at_once(planner: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Two messages that are being streamed, of which each piece goes at once."""
    async with planner.say(window=0.0) as message, planner.say(window=0.0) as other:
        yield message, other


async def test_each_id_goes_on_behind_its_event(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/agui/threads/trip"
    async with agent(gateway) as planner, opened_at_once(planner) as (message, other):
        await message.write("Let me think.", part="reasoning")
        await message.write("Here: ")
        await other.write("I, too.")
        whole = list[tuple[dict[str, Any], str]]()
        async with opened(http, "GET", url) as stream:
            await stream.until("STATE_SNAPSHOT")
            for _ in range(8):  # a thought with its end, and two texts
                whole.append(((await stream.next() or {}), stream.id))
            await message.write("a thought", part="reasoning")
            await message.write("and words")
            await planner.session.state.merge({"a": 1})
            while whole[-1][0]["type"] != "STATE_DELTA":
                whole.append(((await stream.next() or {}), stream.id))
        for number, (_, id) in enumerate(whole[:-1]):
            async with opened(http, "GET", url, headers={"Last-Event-ID": id}) as stream:
                rest = [await stream.next() for _ in whole[number + 1 :]]
            assert rest == [event for event, _ in whole[number + 1 :]], f"behind {id}"


async def test_what_many_are_told_is_encoded_once(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[int]()

    def counting(encoder: Any, sub: str, session: str, to: int, *rest: Any) -> bytes:
        made.append(to)
        encoded: bytes = encode(encoder, sub, session, to, *rest)
        return encoded

    encode = AgUiEncoder.events
    monkeypatch.setattr(AgUiEncoder, "events", counting)
    url = f"{gateway.url}/v1/agui/threads/trip?participant="
    async with agent(gateway) as planner, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(opened(http, "GET", f"{url}p{n}")) for n in range(20)]
        for stream in streams:
            await stream.until("STATE_SNAPSHOT")
        made.clear()
        for number in range(5):
            await planner.session.post(f"Message {number}")
            for stream in streams:
                await stream.until("TEXT_MESSAGE_END")
        assert len(made) == len(set(made)) <= 10
        await planner.session.post("For some.", to=["p1", "p2"])
        for stream in streams[1:3]:
            await stream.until("TEXT_MESSAGE_END")
        assert max(made.count(version) for version in made) <= 2  # one for each who may see it, and one for the others


async def test_over_a_websocket_it_is_the_same(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/agui/threads/trip"
    async with agent(gateway) as planner:
        async with http.ws_connect(url, protocols=("ag-ui",)) as ws:
            assert ws.protocol == "ag-ui"
            reader, ids = AgUiReader(), list[str | None]()
            await ws.ping()
            await planner.session.post("Hello")
            await planner.session.close()
            async for message in ws:
                told = orjson.loads(message.data)
                reader.read(told["chunk"])
                ids.append(told["id"])
            assert (ws.close_code, reader.texts and len(reader.runs)) == (1000, 1)
        async with http.ws_connect(f"{url}?after={ids[3]}", protocols=("ag-ui",)) as ws:
            assert [orjson.loads(message.data)["id"] async for message in ws] == ids[4:]
    async with http.get(url, headers={"Upgrade": "websocket", "Connection": "Upgrade"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "invalid")


async def test_rights_and_audiences_are_those_of_the_native_routes(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(jwt_secret=SECRET)
    run, stop = f"{gateway.url}{RUN}", f"{gateway.url}/v1/agui/agent/planner/stop/trip"
    for scopes in ([], ["read:*"], ["read:*", "speak:*"], ["read:other", "write:*"]):
        async with http.post(run, json=asked("r1", ("m1", "Hello!")), headers=token("eve", *scopes)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")
    async with http.post(run, json=asked()) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    everything = token("ada", "read:*", "write:*")
    async with opened(http, "POST", run, json=asked("r1", ("m1", "Hello!")), headers=everything) as stream:
        await stream.until("STATE_SNAPSHOT")
        command = {"id": "c1", "do": "message.post", "data": {"message": "secret", "text": "psst", "audience": ["ada"]}}
        async with http.post(f"{gateway.url}/v1/sessions/trip/commands", json=command, headers=everything) as answer:
            assert answer.status == 200
        await stream.until("TEXT_MESSAGE_END")
        assert stream.reader.texts == {"m1": "Hello!", "secret": "psst"}
        other = token("eve", "read:*")
        async with opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip", headers=other) as hidden:
            await hidden.until("STATE_SNAPSHOT")
            assert hidden.reader.texts == {"m1": "Hello!"}
        async with http.post(stop, headers=other) as answer:
            assert answer.status == 403
        async with http.post(stop, headers=everything) as answer:
            assert await answer.json() == {"success": True, "stopped": ["r1"]}
        assert (await stream.end()).runs[0]["outcome"] == {"type": "cancelled"}


@pytest.mark.thorough
async def test_a_token_that_expires_ends_the_stream(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(jwt_secret=SECRET)
    short = token("ada", "read:*", exp=time.time() + 6)
    async with opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip", headers=short) as stream:
        assert not (await stream.end()).runs
        assert stream._response.content.at_eof()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUN, b"{"),
        (RUN, b"[]"),
        (RUN, b"{}"),
        (RUN, orjson.dumps({**asked(), "runId": ""})),
        (RUN, orjson.dumps({**asked(), "runId": "r" * 125})),
        (RUN, orjson.dumps({**asked(), "threadId": "a thread"})),
        (RUN, orjson.dumps({**asked(), "messages": [{"id": "m1"}]})),
        (RUN, orjson.dumps({**asked(), "messages": [{"id": "m1", "role": "user", "content": 7}]})),
        (RUN, orjson.dumps({**asked(), "resume": [{"interruptId": "a1", "status": "maybe"}]})),
        (RUN, orjson.dumps({**asked(), "resume": [{"interruptId": "a1", "status": "resolved"}]})),
        (RUN, b'{"threadId":"trip","runId":"r","messages":[],"state":' + b"[" * 80 + b"]" * 80 + b"}"),
        (CONNECT, b"null"),
        ("/v1/agui/agent/a%20b/run", orjson.dumps(asked())),
        ("/v1/agui/agent/planner/stop/a%20thread", b""),
        ("/v1/agui/agent/planner/stop/trip", b"7"),
        ("/v1/agui/agent/planner/stop/trip", b'{"runId":"nobody"}'),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_written(
    path: str, body: bytes, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with http.post(f"{gateway.url}{path}", data=body) as answer:
        assert answer.status in (400, 404), await answer.text()
        assert answer.content_type == "application/problem+json"
    assert await native_events(http, gateway) == []


@pytest.mark.parametrize("place", ["x", "e.v1", "-1", "999", "0_", "0~x", "99~3", "end_1_1"])
async def test_a_place_that_is_none_is_refused(place: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with agent(gateway):
        url = f"{gateway.url}/v1/agui/threads/trip"
        async with http.get(url, headers={"Last-Event-ID": place}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "bad_cursor")
        async with http.get(url, params={"behind": place}) as answer:
            assert answer.status == 400


async def test_an_unknown_run_is_not_found(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.get(f"{gateway.url}/v1/agui/threads/trip/runs/r9") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_it_can_be_switched_off(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(ag_ui=False)
    for path in ("/v1/agui/info", "/v1/agui/threads/trip"):
        async with http.get(f"{gateway.url}{path}") as answer:
            assert answer.status == 404
    async with http.post(f"{gateway.url}{RUN}", json=asked()) as answer:
        assert answer.status == 404


async def test_pages_of_other_origins_and_metrics(http: aiohttp.ClientSession, start: Any) -> None:
    page = "https://app.example.com"
    gateway = await start(origins=(page,))
    preflight = {"Origin": page, "Access-Control-Request-Method": "POST"}
    async with http.options(f"{gateway.url}{RUN}", headers=preflight) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == page
        assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]
    async with http.get(f"{gateway.url}/v1/agui/info", headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    async with opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip", headers={"Origin": page}) as stream:
        await stream.until("STATE_SNAPSHOT")
        assert stream._response.headers["Access-Control-Allow-Origin"] == page
        async with http.get(f"{gateway.url}/metrics") as answer:
            told = await answer.text()
            assert 'stenogram_connections{kind="ag_ui"} 1.0' in told
            assert 'stenogram_connections{kind="stream"} 0.0' in told


async def test_a_snapshot_is_bounded_and_says_what_it_leaves_out(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.frontends.ag_ui.snapshot.MOST_BYTES", 2_000)
    async with agent(gateway) as planner:
        for number in range(20):
            await planner.session.post(f"Message {number}")
        async with opened(http, "GET", f"{gateway.url}/v1/agui/threads/trip") as stream:
            shown = await stream.until("MESSAGES_SNAPSHOT")
    texts = [each["content"] for each in shown["messages"] if each["role"] == "assistant"]
    assert 2 < len(texts) < 12
    assert texts == [f"Message {number}" for number in range(20 - len(texts), 20)]
    assert shown["metadata"]["stenogram"]["omitted"] == 20 - len(texts)
