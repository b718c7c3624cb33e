"""The routes of LangChain's Agent Streaming Protocol, without its client: places, filters, commands, and rights."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from support.native import SECRET, agent, native_events, token

from stenogram.api.frontends.langchain import encoder, translation
from stenogram.api.server import Gateway

THREAD = "/v1/langchain/threads/trip"
ALL = ["values", "messages", "tools", "lifecycle", "input", "custom"]


def run_start(*said: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A command that begins a run."""
    messages = [{"type": "human", "id": id, "content": text} for id, text in said]
    return {
        "id": 1,
        "method": "run.start",
        "params": {"assistant_id": "planner", "input": {"messages": messages}, **more},
    }


@asynccontextmanager
async def opened(http: aiohttp.ClientSession, gateway: Gateway, **given: Any) -> AsyncIterator["Stream"]:
    """A stream of events."""
    headers = given.pop("headers", {})
    body = {"channels": ALL, **given}
    async with http.post(f"{gateway.url}{THREAD}/stream/events", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


class Stream:
    """Reads one. `ids` are the events' places."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self._response = response

    async def until(self, label: str, count: int = 1) -> dict[str, Any]:
        """Read on to the event with which so many have been of this kind: a method, or what a message's data say."""
        place = ""
        async with asyncio.timeout(20):
            async for line in self._response.content:
                if line.startswith(b"id: "):
                    place = line[4:-1].decode()
                elif line.startswith(b"data: "):
                    self.ids.append(place)
                    self.events.append(orjson.loads(line[6:]))
                    if sum(label in kinds(each) for each in self.events) == count:
                        return self.events[-1]
        raise AssertionError(f"it ended behind {self.events[-3:]}")


def kinds(event: dict[str, Any]) -> tuple[Any, Any]:
    """What an event is."""
    data = event["params"]["data"]
    return event["method"], data.get("event") or data.get("name")


async def post(http: aiohttp.ClientSession, url: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """What a command is answered."""
    async with http.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def serve_run(gateway: Gateway) -> None:
    """Work on the one run, in thoughts and words, with a tool and the shared state."""
    async with agent(gateway) as planner:
        async for task in planner.tasks("run"):
            async with task:
                async with planner.say(window=0.0) as message:
                    await message.write("Hm. ", part="reasoning")
                    await message.write("Two ")
                    await message.write("or three?", part="reasoning")
                    async with planner.session.tool("search", {"q": "hotels"}, message=message.id) as call:
                        call.result = [1, 2]
                    await message.write("hotels.")
                await planner.session.state.merge({"hotels": 2})
                await task.complete({})
            break


async def test_a_command_that_comes_again_begins_nothing_again(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, body = f"{gateway.url}{THREAD}/commands?participant=ada", run_start(("m1", "Hello!"), config={"tags": ["x"]})
    (status, first), (_, again) = await post(http, url, body), await post(http, url, body)
    assert (status, first["type"], first["id"]) == (200, "success", 1)
    assert again["result"] == first["result"]
    posted, created = await native_events(http, gateway, "message.posted", "task.created")
    assert (posted["actor"], posted["data"]["message"]) == ("ada", "m1")
    assert (created["data"]["assignee"], created["data"]["title"]) == ("planner", "Hello!")
    assert created["data"]["input"]["config"] == {"tags": ["x"]}
    assert first["result"]["run_id"] == created["data"]["input"]["run"]
    other = run_start(("m2", "More!"))
    assert (await post(http, url, other))[1]["result"] != first["result"]


@pytest.mark.parametrize("how", ["since", "Last-Event-ID"])
async def test_a_stream_goes_on_behind_each_of_its_places(
    how: str, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await post(http, f"{gateway.url}{THREAD}/commands", run_start(("m1", "Hotels?")))
    await serve_run(gateway)
    async with opened(http, gateway, since=0) as whole:
        await whole.until("completed")
        await whole.until("stenogram.presence.left")
    seqs = [each["seq"] for each in whole.events]
    assert seqs == sorted(set(seqs))
    assert len(whole.ids) == len(set(whole.ids))
    assert len({each["event_id"] for each in whole.events}) == len(whole.events)
    for number in random.Random(4).sample(range(len(whole.events) - 1), 12):
        at = {"since": seqs[number]} if how == "since" else {"headers": {how: whole.ids[number]}}
        async with opened(http, gateway, **at) as rest:
            await rest.until("stenogram.presence.left")
        assert [each["event_id"] for each in rest.events] == [each["event_id"] for each in whole.events[number + 1 :]]
    async with opened(http, gateway) as fresh:
        await fresh.until("stenogram.presence.left")
    assert [each["event_id"] for each in fresh.events] == [each["event_id"] for each in whole.events][
        -len(fresh.events) :
    ]


async def test_blocks_of_a_message_are_dense_and_end_whole(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    await post(http, f"{gateway.url}{THREAD}/commands", run_start(("m1", "Hotels?")))
    async with opened(http, gateway, channels=["messages", "values", "lifecycle"]) as live:
        await live.until("running")
        await serve_run(gateway)
        await live.until("completed")
    said = [each["params"]["data"] for each in live.events if each["method"] == "messages"]
    mine = [each for each in said if each["run_id"] != "m1"]
    assert [each["event"] for each in mine] == [
        *("message-start", "content-block-start", "content-block-delta", "content-block-start"),
        *("content-block-delta", "content-block-delta", "content-block-delta"),
        *("content-block-finish", "content-block-finish", "message-finish"),
    ]
    assert [each["index"] for each in mine if "index" in each] == [0, 0, 1, 1, 0, 1, 0, 1]
    ends = [each["content"] for each in mine if each["event"] == "content-block-finish"]
    assert ends == [{"type": "reasoning", "reasoning": "Hm. or three?"}, {"type": "text", "text": "Two hotels."}]
    values = [each["params"]["data"] for each in live.events if each["method"] == "values"]
    assert values[-1]["hotels"] == 2
    human, ai, result = values[-1]["messages"]
    assert (human["type"], human["id"], human["content"]) == ("human", "m1", "Hotels?")
    assert ai["content"] == ends
    assert [call["args"] for call in ai["tool_calls"]] == [{"q": "hotels"}]
    assert (result["type"], result["tool_call_id"], result["content"]) == ("tool", ai["tool_calls"][0]["id"], "[1,2]")


async def test_a_stream_may_be_there_before_the_thread(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with opened(http, gateway) as early:
        await post(http, f"{gateway.url}{THREAD}/commands", run_start(("m1", "Hotels?")))
        await early.until("running")
        shown = await early.until("values")
    assert [each["content"] for each in shown["params"]["data"]["messages"]] == ["Hotels?"]


async def test_a_stream_has_what_it_asks_for(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with agent(gateway, "hotels") as hotels:
        await hotels.session.post("Here.")
        await hotels.session.record("x.weather", {"sun": True})
        async with opened(http, gateway, since=0, channels=["messages"], namespaces=[["hotels"]], depth=0) as scoped:
            await scoped.until("message-finish")
        async with opened(http, gateway, since=0, channels=["custom:x.weather"]) as custom:
            await custom.until("x.weather")
        async with (
            opened(http, gateway, since=0, channels=["messages", "custom:x.weather"], namespaces=[["trams"]]) as other,
            agent(gateway, "trams") as trams,
        ):
            await trams.session.post("Here, too.")
            await other.until("message-finish")
    assert {tuple(each["params"]["namespace"]) for each in scoped.events} == {("hotels",)}
    assert {tuple(each["params"]["namespace"]) for each in other.events} == {("trams",)}
    assert [each["params"]["data"]["payload"] for each in custom.events] == [{"sun": True}]


async def test_what_is_being_said_is_shown_to_who_joins_behind_much(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.frontends.langchain.stream.MOST_REPEATED", 2)
    async with agent(gateway, "hotels") as hotels:
        await hotels.session.post("Before.")
        async with hotels.say(window=0.0) as message:
            for word in ("a", "b", "c", "d"):
                await message.write(word)
            async with opened(http, gateway, since=0) as whole:
                await whole.until("content-block-delta", 4)
            async with opened(http, gateway, channels=["messages", "values"]) as late:
                await late.until("content-block-delta", 3)
    values, begun, block, *pieces = late.events
    assert [each["content"][0]["text"] for each in values["params"]["data"]["messages"]] == ["Before."]
    assert [each["params"]["data"]["event"] for each in (begun, block)] == ["message-start", "content-block-start"]
    assert [each["params"]["data"]["delta"]["text"] for each in pieces] == ["ab", "c", "d"]


@pytest.mark.parametrize(
    ("strategy", "status", "stopped"),
    [("reject", 409, 0), ("interrupt", 200, 1), ("rollback", 200, 1), ("enqueue", 200, 0), (None, 200, 0)],
)
async def test_a_second_run(
    strategy: str | None, status: int, stopped: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url = f"{gateway.url}{THREAD}/commands"
    await post(http, url, run_start(("m1", "One.")))
    body = run_start(("m2", "Two."), **({"multitask_strategy": strategy} if strategy else {}))
    assert (await post(http, url, body))[0] == status
    if status == 200:
        assert (await post(http, url, body))[0] == 200
    assert len(await native_events(http, gateway, "task.created")) == (2 if status == 200 else 1)
    assert len(await native_events(http, gateway, "signal.raised", "task.cancelled")) >= stopped
    async with http.get(f"{gateway.url}{THREAD}/state") as answer:
        assert len((await answer.json())["next"]) == (2 if status == 200 else 1) - stopped


async def test_a_thread_is_hydrated(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.get(f"{gateway.url}{THREAD}/state") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    await post(http, f"{gateway.url}{THREAD}/commands", run_start(("a message / of ours", "Hotels?")))
    async with agent(gateway) as planner:
        await planner.session.state.merge({"city": "Lisbon", "messages": "hidden"})
        asking = asyncio.create_task(planner.session.approvals.ask("Go on?", options=["yes", "no"]))
        async with opened(http, gateway, since=0, channels=["input"]) as stream:
            await stream.until("input.requested")
        async with http.get(f"{gateway.url}{THREAD}/state") as answer:
            state = await answer.json()
        assert state["values"]["city"] == "Lisbon"
        assert [(each["id"], each["content"]) for each in state["values"]["messages"]] == [
            ("a message / of ours", "Hotels?")
        ]
        assert state["next"] == ["planner"]
        (asked,) = [each for task in state["tasks"] for each in task["interrupts"]]
        assert (asked["value"]["question"], asked["value"]["options"]) == ("Go on?", ["yes", "no"])
        said = {"id": 2, "method": "input.respond", "params": {"interrupt_id": asked["id"], "response": True}}
        for _ in range(2):
            assert (await post(http, f"{gateway.url}{THREAD}/commands", said))[0] == 200
        assert await asking == "yes"
    assert len(await native_events(http, gateway, "approval.answered")) == 1


async def test_no_one_is_told_or_does_what_they_may_not(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(jwt_secret=SECRET)
    url, ada = f"{gateway.url}{THREAD}", token("ada", "read:*", "write:*")
    body = run_start(("m1", "Hello!"))
    assert (await post(http, f"{url}/commands", body))[0] == 401
    assert (await post(http, f"{url}/commands", body, **token("eve", "read:*")))[0] == 403
    assert (await post(http, f"{url}/commands", body, **token("eve", "write:*")))[0] == 403
    instead = run_start(("m1", "Hello!"), multitask_strategy="interrupt")
    assert (await post(http, f"{url}/commands", body, **ada))[0] == 200
    # Who may not stop begins nothing in the place of what runs.
    half = token("eve", "read:*", "speak:*", "tasks:*")
    instead["params"]["input"]["messages"][0]["id"] = "m2"
    assert (await post(http, f"{url}/commands", instead, **half))[0] == 403
    for path, method in (("state", "GET"), ("stream/events", "POST"), ("runs/r/cancel", "POST")):
        async with http.request(method, f"{url}/{path}", json={"channels": ["values"]}) as answer:
            assert answer.status == 401
    async with http.get(f"{gateway.url}/v1/sessions/trip/events?limit=1000", headers=ada) as answer:
        found = (await answer.json())["events"]
    assert [each["type"] for each in found] == ["session.opened", "message.posted", "task.created"]


async def test_it_can_be_switched_off(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(langchain=False)
    assert (await post(http, f"{gateway.url}{THREAD}/commands", run_start()))[0] == 404
    async with http.get(f"{gateway.url}/openapi.json") as answer:
        assert not [path for path in (await answer.json())["paths"] if "langchain" in path]


async def test_a_run_of_events_is_encoded_once_for_all_who_get_the_same(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = list[int]()
    shown = translation.shown_events

    def counted(members: dict[str, Any], context: Any) -> Any:
        encoded.append(members["version"])
        return shown(members, context)

    monkeypatch.setattr(encoder, "shown_events", counted)
    async with agent(gateway, "hotels") as hotels:
        streams = [opened(http, gateway, since=0, headers={}) for _ in range(3)]
        async with streams[0] as one, streams[1] as two, streams[2] as three:
            for each in (one, two, three):
                await each.until("stenogram.presence.joined")
            encoded.clear()
            async with hotels.say(window=0.0) as message:
                for word in ("a", "b", "c"):
                    await message.write(word)
            for each in (one, two, three):
                await each.until("message-finish")
    assert encoded
    assert len(encoded) == len(set(encoded))
