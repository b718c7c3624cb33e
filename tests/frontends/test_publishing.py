"""What speaks AG-UI already writes into a session: from Python, and by POST from anywhere."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from ag_ui.core import RunAgentInput, UserMessage
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.ui.ag_ui import AGUIAdapter
from support.ag_ui_reader import AgUiReader
from support.native import native_events

from stenogram.api.server import Gateway
from stenogram.client import Client, ClientError
from stenogram.domain.errors import Invalid
from stenogram.domain.foreign import AgUiWriter

RUN: list[dict[str, Any]] = [
    {"type": "RUN_STARTED", "threadId": "x", "runId": "r1"},
    {"type": "STEP_STARTED", "stepName": "search"},
    {"type": "REASONING_START", "messageId": "th"},
    {"type": "REASONING_MESSAGE_START", "messageId": "th", "role": "reasoning"},
    {"type": "REASONING_MESSAGE_CONTENT", "messageId": "th", "delta": "Which "},
    {"type": "REASONING_MESSAGE_CONTENT", "messageId": "th", "delta": "hotel?"},
    {"type": "REASONING_MESSAGE_END", "messageId": "th"},
    {"type": "REASONING_END", "messageId": "th"},
    {"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Casa "},
    {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "book", "parentMessageId": "m1"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": '{"night'},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": 's":3}'},
    {"type": "TOOL_CALL_END", "toolCallId": "c1"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Azul."},
    {"type": "TEXT_MESSAGE_END", "messageId": "m1", "metadata": {"finish": "stop"}},
    {"type": "TOOL_CALL_RESULT", "messageId": "c1r", "toolCallId": "c1", "content": '{"ok":true}', "role": "tool"},
    {"type": "STATE_SNAPSHOT", "snapshot": {"hotel": {"name": "Casa Azul"}}},
    {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/hotel/nights", "value": 3}]},
    {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m2", "role": "assistant", "delta": "Anything "},
    {"type": "TEXT_MESSAGE_CHUNK", "delta": "else?"},
    {"type": "TOOL_CALL_CHUNK", "toolCallId": "c2", "toolCallName": "ask", "delta": "not json"},
    {"type": "CUSTOM", "name": "theirs", "value": [1, {"a": None}]},
    {"type": "ACTIVITY_SNAPSHOT", "messageId": "a1", "activityType": "plan", "content": {"steps": []}, "replace": True},
    {"type": "ACTIVITY_DELTA", "messageId": "a1", "activityType": "plan", "patch": [
        {"op": "add", "path": "/steps/-", "value": "book"}
    ]},
    {"type": "TEXT_MESSAGE_START", "messageId": "u1", "role": "user"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "u1", "delta": "What the person says they say themselves."},
    {"type": "TEXT_MESSAGE_END", "messageId": "u1"},
    {"type": "STEP_FINISHED", "stepName": "search"},
    {"type": "RUN_FINISHED", "threadId": "x", "runId": "r1", "result": {"booked": True}},
]  # fmt: skip
POST = "/v1/agui/threads/trip/events?participant=hotels&kind=agent"


async def read_back(http: aiohttp.ClientSession, gateway: Gateway, after: str = "") -> tuple[AgUiReader, list[Any]]:
    """What a reader of the thread has when it is closed, and the events that it got."""
    reader, told = AgUiReader(), list[Any]()
    async with http.get(f"{gateway.url}/v1/agui/threads/trip{after}") as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                told.append(orjson.loads(line[6:]))
                if not after:
                    reader.read(told[-1])
    return reader, told


async def check(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """The run is in the session, once, and comes back by AG-UI as it was."""
    said = await native_events(http, gateway, "message.*", "tool.*")
    (started, *_), (first, second) = said, [each for each in said if each["type"] == "message.completed"]
    assert [(part["kind"], part["text"]) for part in first["data"]["parts"]] == [
        ("reasoning", "Which hotel?"), ("text", "Casa Azul.")
    ]  # fmt: skip
    assert first["data"]["metadata"] == {"finish": "stop"}
    assert second["data"]["parts"][0]["text"] == "Anything else?"
    calls = {each["data"]["call"]: each["data"] for each in said if each["type"] == "tool.called"}
    assert calls["c1"] == {"call": "c1", "tool": "book", "arguments": {"nights": 3}, **_same(calls["c1"])}
    assert calls["c1"]["message"] == started["data"]["message"]
    assert calls["c2"]["arguments"] == "not json"
    assert [each["data"]["result"] for each in said if each["type"] == "tool.returned"] == [{"ok": True}]
    async with http.post(
        f"{gateway.url}/v1/sessions/trip/commands", json={"id": "end", "do": "session.close", "data": {}}
    ):
        reader, _ = await read_back(http, gateway)
        _, told = await read_back(http, gateway, "?after=0")
    assert sorted(reader.texts.values()) == ["Anything else?", "Casa Azul.", "Which hotel?"]
    assert reader.state == {"hotel": {"name": "Casa Azul", "nights": 3}}
    kept = [{name: each[name] for name in given} for each in told for given in RUN if _is_kept(each, given)]
    assert kept == [each for each in RUN if each["type"] in ("CUSTOM", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA")]


def _same(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("message", "run") if name in data}


def _is_kept(told: dict[str, Any], given: dict[str, Any]) -> bool:
    kinds = ("CUSTOM", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA")
    key = "name" if given["type"] == "CUSTOM" else "messageId"
    return given["type"] in kinds and told["type"] == given["type"] and told[key] == given[key]


@pytest.mark.parametrize("form", ["mappings", "texts"])
async def test_a_run_is_published_from_python(form: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    given: list[Any] = RUN if form == "mappings" else [f"data: {orjson.dumps(each).decode()}\n\n" for each in RUN]
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        for _ in range(2):  # the same again: nothing is written twice
            published = await session.publish_agui("hotels", given)
            assert (published.result, published.error) == ({"booked": True}, None)
            assert len(published.messages) == 2
        with pytest.raises(ClientError, match="a client of its own"):
            await session.publish_agui("rooms", given)
    await check(http, gateway)


@pytest.mark.parametrize("form", ["array", "lines", "stream"])
async def test_a_run_is_published_by_post(form: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    texts = [orjson.dumps(each) for each in RUN]
    bodies = {
        "array": (b"[%s]" % b",".join(texts), "application/json"),
        "lines": (b"\n".join(texts), "application/x-ndjson"),
        "stream": (b"".join([b"id: 7\nevent: message\ndata: %s\n\n" % text for text in texts]), "text/event-stream"),
    }
    body, type = bodies[form]
    for _ in range(2):
        async with http.post(f"{gateway.url}{POST}", data=body, headers={"Content-Type": type}) as answer:
            told = await answer.json()
            assert (answer.status, told["events"], told["result"]) == (200, len(RUN), {"booked": True})
    joined = await native_events(http, gateway, "presence.joined", "presence.left")
    assert [each["type"] for each in joined] == ["presence.joined", "presence.left"] * 2
    await check(http, gateway)


async def test_a_body_that_was_cut_is_sent_again_and_goes_on(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async def first_half() -> AsyncIterator[bytes]:
        for each in RUN[:10]:
            yield orjson.dumps(each) + b"\n"
        async with http.get(f"{gateway.url}/v1/sessions/trip/events?after=4&wait=20&types=message.delta") as answer:
            assert (await answer.json())["events"]
        raise ConnectionError("cut")

    with pytest.raises(aiohttp.ClientError):
        await http.post(f"{gateway.url}{POST}", data=first_half(), headers={"Content-Type": "application/x-ndjson"})
    assert await native_events(http, gateway, "message.completed", "message.aborted") == []
    body = b"\n".join([orjson.dumps(each) for each in RUN])
    async with http.post(f"{gateway.url}{POST}", data=body) as answer:
        assert answer.status == 200, await answer.text()
    await check(http, gateway)


async def test_a_run_of_pydantic_ai_is_published(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async def model(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[Any]:
        if len(messages) == 1:
            yield {0: DeltaThinkingPart(content="I must look.")}
            yield {1: DeltaToolCall(name="rooms", json_args='{"city": "Lis', tool_call_id="t1")}
            yield {1: DeltaToolCall(json_args='bon"}')}
        else:
            for word in ("Three ", "rooms ", "are free."):
                yield word

    agent = Agent(FunctionModel(stream_function=model))

    @agent.tool_plain
    def rooms(city: str) -> int:
        return {"Lisbon": 3}[city]

    asked = UserMessage(id="u1", role="user", content="Rooms in Lisbon?")
    run = RunAgentInput(
        thread_id="trip", run_id="r1", state={}, messages=[asked], tools=[], context=[], forwarded_props={}
    )
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        published = await session.publish_agui("hotels", AGUIAdapter(agent=agent, run_input=run).run_stream())
    assert published.error is None
    said = await native_events(http, gateway, "message.completed", "tool.called", "tool.returned")
    assert [each["data"].get("arguments") for each in said if each["type"] == "tool.called"] == [{"city": "Lisbon"}]
    assert [each["data"]["result"] for each in said if each["type"] == "tool.returned"] == [3]
    parts = [(part["kind"], part["text"]) for each in said for part in each["data"].get("parts", ())]
    assert parts == [("reasoning", "I must look."), ("text", "Three rooms are free.")]


async def test_a_run_that_fails_or_asks_ends_what_is_open(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        failed = await session.publish_agui("hotels", [*RUN[:10], {"type": "RUN_ERROR", "message": "It broke."}])
        assert failed.error == "It broke."
        question = {"id": "q1", "reason": "confirm", "message": "Book it?", "responseSchema": {"type": "boolean"}}
        outcome = {"type": "interrupt", "interrupts": [question]}
        asks = await session.publish_agui("hotels", [
            {"type": "RUN_STARTED", "threadId": "x", "runId": "r2"},
            {"type": "RUN_FINISHED", "threadId": "x", "runId": "r2", "outcome": outcome},
        ])  # fmt: skip
    assert asks.interrupts == ("q1",)
    (aborted,) = await native_events(http, gateway, "message.aborted")
    assert (aborted["data"]["reason"], aborted["data"]["parts"][1]["text"]) == ("It broke.", "Casa ")
    (request,) = await native_events(http, gateway, "approval.requested")
    assert (request["data"]["question"], request["data"]["answer_schema"]) == ("Book it?", {"type": "boolean"})


def asking(run: str) -> list[dict[str, Any]]:
    question = {"id": f"{run}-q", "reason": "confirm", "message": "Book it?", "responseSchema": {"type": "boolean"}}
    outcome = {"type": "interrupt", "interrupts": [question]}
    return [
        {"type": "RUN_STARTED", "threadId": "x", "runId": run},
        {"type": "RUN_FINISHED", "threadId": "x", "runId": run, "outcome": outcome},
    ]


async def test_a_question_is_open_after_the_body_that_ends_with_it(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    for run in ("r1", "r2", "r1"):
        async with http.post(f"{gateway.url}{POST}", json=asking(run)) as answer:
            assert (answer.status, (await answer.json())["interrupts"]) == (200, [f"{run}-q"])
    async with Client(gateway.url, participant="ann", kind="user") as client, client.session("trip") as session:
        assert list(session.present) == ["hotels", "ann"]
        for number, asked in enumerate(("r1-q", "r2-q")):
            await session.approvals.answer_with(asked, True)
            async with http.post(
                f"{gateway.url}{POST}", json=[{**RUN[0], "runId": f"r{number + 3}"}, *RUN[8:10]]
            ) as done:
                assert done.status == 200, await done.text()
            await session.live.until(lambda left=bool(number): ("hotels" not in session.present) == left)
    assert await native_events(http, gateway, "approval.withdrawn") == []


async def test_who_is_here_without_the_body_stays(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        await session.live.until(lambda: session.present)
        async with http.post(f"{gateway.url}{POST}", json=RUN, headers={"Stenogram-Run": session.run}) as answer:
            assert answer.status == 200
        assert await native_events(http, gateway, "presence.left") == []


def test_what_is_told_twice_is_written_once() -> None:
    writer = AgUiWriter("r1")

    def told(**event: Any) -> list[tuple[str, Any]]:
        return [(each.do, each.data) for each in writer.read(event)]

    def thinks(id: str, *deltas: str) -> list[str]:
        told(type="REASONING_MESSAGE_START", messageId=id)
        steps = [told(type="REASONING_MESSAGE_CONTENT", messageId=id, delta=each) for each in deltas]
        told(type="REASONING_MESSAGE_END", messageId=id)
        return [data["text"] for each in steps for do, data in each if do == "message.delta"]

    assert thinks("t1", "Which ", "hotel ", "is free?") == ["Which ", "hotel ", "is free?"]
    assert thinks("t2", "hotel is free?") == []  # some tell it all when it has been told in pieces
    assert thinks("t3", "otel is free?") == ["otel is free?"]  # it begins in the midst of a piece, and is another
    about = {"toolCallId": "c1"}
    told(type="TOOL_CALL_START", toolCallName="book", **about)
    ((do, data),) = told(type="TOOL_CALL_ARGS", delta='{"nights":3}', **about)  # whole, before the call is over
    assert (do, data["arguments"]) == ("tool.call", {"nights": 3})
    assert told(type="TOOL_CALL_ARGS", delta='{"nights":3}', **about) == []
    assert told(type="TOOL_CALL_END", **about) == []
    said = [{"type": "human", "content": "A hotel?"}]
    ((_, data),) = told(type="STATE_SNAPSHOT", snapshot={"messages": said, "hotel": None})
    assert [each["path"] for each in data["patch"]] == ["/hotel"]
    ((_, data),) = told(type="STATE_SNAPSHOT", snapshot={"messages": 3})
    assert [each["path"] for each in data["patch"]] == ["/messages"]


async def test_ids_of_another_run_are_taken_and_what_fails_fails_its_calls(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    failing = [RUN[0], *RUN[8:14], {"type": "RUN_ERROR", "message": "It broke."}]
    async with Client(gateway.url, participant="rooms") as other, other.session("trip") as theirs:
        await theirs.publish_agui("rooms", RUN)
        async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
            for _ in range(2):
                published = await session.publish_agui("hotels", [{**RUN[0], "runId": "r2"}, *failing[1:]])
                assert published.error == "It broke."
            again = await session.publish_agui("hotels", [{**RUN[0], "runId": "r3"}, *RUN[8:17]])
    said = await native_events(http, gateway, "message.*", "tool.*")
    ended = [
        (each["actor"], each["type"], each["data"].get("reason") or each["data"].get("error"))
        for each in said
        if each["type"] in ("message.completed", "message.aborted", "tool.returned") and (each["actor"] == "hotels")
    ]
    assert ended == [
        ("hotels", "message.aborted", "It broke."),
        ("hotels", "tool.returned", "It broke."),
        ("hotels", "message.completed", None),
        ("hotels", "tool.returned", None),
    ]
    calls = [each for each in said if each["type"] == "tool.called" and each["actor"] == "hotels"]
    starts = [
        each["data"]["message"] for each in said if each["type"] == "message.started" and each["actor"] == "hotels"
    ]
    assert [each["data"]["message"] for each in calls] == starts
    assert [*published.messages, *again.messages] == starts
    assert starts[0] == "m1" != starts[1]


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        {"no": "type"},
        7,
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m9", "delta": "?"},
        {"type": "TEXT_MESSAGE_START"},
        {"type": "TEXT_MESSAGE_CHUNK", "delta": "?"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c9", "delta": "{"},
        {"type": "STATE_SNAPSHOT", "snapshot": 7},
    ],
)
async def test_what_is_no_ag_ui_is_refused_and_nothing_is_written(
    wrong: Any, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    body = wrong if isinstance(wrong, str) else orjson.dumps([wrong])
    async with http.post(f"{gateway.url}{POST}", data=body, headers={"Content-Type": "application/json"}) as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert await native_events(http, gateway) == []
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        with pytest.raises(Invalid):
            await session.publish_agui("hotels", [RUN[0], RUN[8], RUN[9], wrong])
        (aborted,) = await native_events(http, gateway, "message.aborted")
        assert aborted["data"]["parts"][0]["text"] == "Casa "


async def test_what_a_stopped_agent_publishes_ends(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"}
        while True:
            yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "on and "}
            await asyncio.sleep(0.01)

    async with Client(gateway.url, participant="hotels") as client, client.agent(session="trip") as agent:
        task = await agent.session.tasks.create("Talk")
        async for claimed in agent.tasks():
            async with claimed, asyncio.TaskGroup() as group:
                group.create_task(_stop(http, gateway, task))
                await agent.session.publish_agui("hotels", endless())
            break
        assert claimed.outcome.kind == "cancelled"
    (aborted,) = await native_events(http, gateway, "message.aborted")
    assert (aborted["task"], aborted["data"]["parts"][0]["text"][:7]) == (task, "on and ")


async def _stop(http: aiohttp.ClientSession, gateway: Gateway, task: str) -> None:
    while not await native_events(http, gateway, "message.delta"):  # noqa: ASYNC110 - others write it
        await asyncio.sleep(0.05)
    data = {"signal": "s1", "kind": "cancel", "target": f"task:{task}"}
    async with http.post(
        f"{gateway.url}/v1/sessions/trip/commands", json={"id": "c", "do": "signal.raise", "data": data}
    ) as answer:
        assert answer.status == 200


async def test_publishing_takes_the_right_to_speak(http: aiohttp.ClientSession, start: Any) -> None:
    secret = "a secret of at least thirty-two bytes"
    gateway = await start(jwt_secret=secret)
    for scopes, status in ((["read:*"], 403), (["write:other"], 403), (["write:trip"], 200)):
        claims = {"exp": time.time() + 60, "sub": "hotels", "kind": "agent", "scopes": scopes}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}
        async with http.post(f"{gateway.url}/v1/agui/threads/trip/events", json=RUN, headers=headers) as answer:
            assert answer.status == status
