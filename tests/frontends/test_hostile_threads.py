"""What a participant that means harm gets by threads of LangChain and of TanStack AI."""

import asyncio
import time
from hashlib import sha256
from typing import Any

import aiohttp
import orjson
import pytest
from support.native import SECRET, Native, headers_of

from stenogram.api.frontends.langchain import values
from stenogram.api.frontends.tanstack_ai.hydration import ui_messages
from stenogram.api.server import Gateway

LANGCHAIN = "/v1/langchain/threads/trip"
TANSTACK = "/v1/tanstack_ai/agent/planner/threads/trip"
ALL = ["values", "messages", "tools", "lifecycle", "input", "custom"]


@pytest.fixture
async def gateway(start: Any) -> Gateway:
    """A gateway that asks for tokens."""
    gateway: Gateway = await start(jwt_secret=SECRET)
    return gateway


@pytest.fixture
async def planner(http: aiohttp.ClientSession, gateway: Gateway) -> Native:
    """An agent that is there."""
    planner = Native(gateway, http, "planner", "agent")
    await planner.do("session.open")
    await planner.do("presence.join")
    return planner


async def command(http: aiohttp.ClientSession, gateway: Gateway, sub: str, method: str, **params: Any) -> Any:
    """What a command of LangChain's is answered."""
    body = {"id": 1, "method": method, "params": params}
    async with http.post(f"{gateway.url}{LANGCHAIN}/commands", json=body, headers=headers_of(sub)) as answer:
        return answer.status, await answer.json()


async def start_run(http: aiohttp.ClientSession, gateway: Gateway, sub: str, id: str, text: str) -> Any:
    """What is answered to who begins a run."""
    messages = [{"type": "human", "id": id, "content": text}]
    return await command(http, gateway, sub, "run.start", input={"messages": messages})


async def events_to_head(
    http: aiohttp.ClientSession, gateway: Gateway, sub: str, **more: Any
) -> tuple[list[dict[str, Any]], int]:
    """What LangChain's stream brings up to where the session ends, and how many bytes that is."""
    async with http.get(f"{gateway.url}/v1/sessions/trip", headers=headers_of("clerk")) as answer:
        head = (await answer.json())["version"]
    found, size = list[dict[str, Any]](), 0
    url, body = f"{gateway.url}{LANGCHAIN}/stream/events", {"channels": ALL, **more}
    async with http.post(url, json=body, headers=headers_of(sub)) as answer, asyncio.timeout(20):
        assert answer.status == 200, await answer.text()
        at_head, data = f".v{head}\n".encode(), b""
        async for part in answer.content.iter_any():
            data += part
            if any(line.startswith(b"id: ") and line.endswith(at_head) for line in data.splitlines(keepends=True)):
                break
    for line in data.splitlines():
        size += len(line)
        found += [orjson.loads(line[6:])] if line.startswith(b"data: ") else []
    return found, size


async def native(http: aiohttp.ClientSession, gateway: Gateway, *types: str) -> list[dict[str, Any]]:
    """The events of the session, of these types."""
    url = f"{gateway.url}/v1/sessions/trip/events?limit=1000&types={','.join(types)}"
    async with http.get(url, headers=headers_of("clerk")) as answer:
        found: list[dict[str, Any]] = (await answer.json())["events"]
        return found


async def test_an_answer_is_given_whatever_tasks_are_called(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    await planner.do("approval.request", approval="a1", question="Go on?", options=["yes", "no"])
    run = "lc-" + sha256(b"answers\na1").hexdigest()[:32]
    await Native(gateway, http, "eve").do("task.create", task=f"run.{run}", title="In the way")
    status, _ = await command(http, gateway, "ada", "input.respond", interrupt_id="a1", response="yes")
    answered = await native(http, gateway, "approval.answered")
    assert (status, [each["actor"] for each in answered]) == (200, ["ada"])


async def test_who_corrects_one_of_several_answers_gives_it(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    for id in ("a1", "a2"):
        await planner.do("approval.request", approval=id, question="Go on?", options=["yes", "no"])
    for response, status in (("perhaps", 404), ("no", 200), ("no", 200)):
        given = [{"interrupt_id": "a1", "response": "yes"}, {"interrupt_id": "a2", "response": response}]
        told = await command(http, gateway, "ada", "input.respond", responses=given)
        assert told[0] == status, told
    answered = await native(http, gateway, "approval.answered")
    assert [(each["data"]["approval"], each["data"]["option"]) for each in answered] == [("a1", "yes"), ("a2", "no")]


async def test_what_is_approved_with_more_members_is_no_fault_of_ours(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    await planner.do("approval.request", approval="a1", question="Go on?", options=["yes", "no"])
    response = {"approved": True, "approval": "a1", "given": 1}
    assert (await command(http, gateway, "ada", "input.respond", interrupt_id="a1", response=response))[0] == 200
    assert len(await native(http, gateway, "approval.answered")) == 1


async def test_words_under_the_id_of_another_ones_message_are_refused(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    (status, ada), (other, _) = [
        await start_run(http, gateway, sub, "1", text) for sub, text in (("ada", "Mine."), ("eve", "Not hers."))
    ]
    assert (status, other) == (200, 409)
    status, eve = await start_run(http, gateway, "eve", "1", "Mine.")  # what she has read, as pages send it again
    assert (status, eve["result"]) == (200, ada["result"])
    assert len(await native(http, gateway, "message.posted", "task.created")) == 2


async def test_nobody_takes_the_place_of_anothers_message(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    await start_run(http, gateway, "ada", "m1", "Two nights.")
    await start_run(http, gateway, "ada", "an id / of hers", "In May.")
    parts = [{"kind": "text", "text": "Nine nights."}]
    await Native(gateway, http, "eve").do("message.post", message="e0", parts=parts, metadata={"client.id": "m1"})
    headers = headers_of("ada")
    async with http.get(f"{gateway.url}{LANGCHAIN}/state", headers=headers) as answer:
        values = [each["id"] for each in (await answer.json())["values"]["messages"]]
    async with http.get(f"{gateway.url}{TANSTACK}?threadId=trip", headers=headers) as answer:
        hydrated = [each["id"] for each in (await answer.json())["messages"]]
    assert values == hydrated == ["m1", "an id / of hers", "e0"]


async def test_a_run_that_is_not_seen_changes_nothing_of_what_is_shown(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    await planner.do("message.start", message="quiet", audience=["agents"])
    await planner.do("message.start", message="m1")
    await planner.do("message.delta", message="m1", index=0, text="Hm.")
    await planner.do("task.create", task="run.hidden", title="Quiet", audience=["agents"])
    await planner.do("message.complete", message="m1")
    events, _ = await events_to_head(http, gateway, "ada", since=0)
    assert "message-finish" in [each["params"]["data"].get("event") for each in events]
    assert "values" not in [each["method"] for each in events]
    # Nor does a stream begin where that does.
    events, _ = await events_to_head(http, gateway, "ada")
    assert [each["method"] for each in events] == ["values"]


async def test_snapshots_that_others_replace_are_not_made(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    eve = Native(gateway, http, "eve")
    for number in range(20):
        await eve.do("message.post", message=f"m{number}", parts=[{"kind": "text", "text": "x" * 50_000}])
    await planner.do("state.merge", patch={"long": "x" * 100_000})
    for number in range(20):
        await eve.do("task.create", task=f"run.{number}", title="Another")
        await eve.do("task.create", task=f"part{number}", title="A part", parent=f"run.{number}")
        await planner.do("state.increment", path="/n", by=1)
        await planner.do("task.claim", task=f"part{number}")
        await planner.do("task.complete", task=f"part{number}", attempt=1)
    events, size = await events_to_head(http, gateway, "ada", since=0)
    labels = [each["event_id"].rpartition(".")[2] for each in events if each["method"] == "values"]
    assert {label: labels.count(label) for label in ("values", "state", "part-values")} == {
        "values": 1,
        "state": 1,
        "part-values": 21,  # that each part has begun, and how the agent's thread is in the end
    }
    assert [each["event_id"].rpartition(".")[2] for each in events].count("running") == 20
    assert size < 4_000_000


async def test_messages_are_encoded_once_for_the_snapshots_of_all(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, encoded = values._message, list[str]()

    def counted(entry: Any, *more: Any) -> Any:
        encoded.append(entry.subject)
        return made(entry, *more)

    monkeypatch.setattr(values, "_message", counted)
    shown = list[Any]()
    eve = Native(gateway, http, "eve")
    for number in range(2):
        await eve.do("message.post", message=f"m{number}", parts=[{"kind": "text", "text": "Hm."}])
        for sub in ("ada", "bob"):
            async with http.get(f"{gateway.url}{LANGCHAIN}/state", headers=headers_of(sub)) as answer:
                shown.append([(each["type"], each["id"]) for each in (await answer.json())["values"]["messages"]])
    assert encoded == ["message:m0", "message:m1"]
    await Native(gateway, http, "eve", "agent").do("presence.join")
    async with http.get(f"{gateway.url}{LANGCHAIN}/state", headers=headers_of("ada")) as answer:
        shown.append([(each["type"], each["id"]) for each in (await answer.json())["values"]["messages"]])
    one, two = [("human", "m0")], [("human", "m0"), ("human", "m1")]
    assert shown == [one, one, two, two, [("ai", "m0"), ("ai", "m1")]]


@pytest.mark.thorough
async def test_runs_that_wait_when_the_socket_closes_never_begin(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    async with http.ws_connect(f"{gateway.url}{TANSTACK}", headers=headers_of("ada", seconds=6)) as ws:
        for run in ("r1", "r2"):
            await ws.send_json({"threadId": "trip", "runId": run, "messages": []})
        async with asyncio.timeout(20):
            while not (await ws.receive()).type.name.startswith("CLOS"):
                pass
    await asyncio.sleep(0.1)
    assert [each["data"]["task"] for each in await native(http, gateway, "task.created")] == ["run.r1"]


async def test_what_waits_in_a_conversation_is_bounded_by_bytes(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    async with http.ws_connect(f"{gateway.url}{TANSTACK}", headers=headers_of("ada")) as ws:
        for run in ("r1", "r2", "r3", "r4"):
            messages = [{"id": "m1", "role": "assistant", "content": "x" * 500_000}]
            await ws.send_json({"threadId": "trip", "runId": run, "messages": messages})
        async with asyncio.timeout(20):
            while not (await ws.receive()).type.name.startswith("CLOS"):
                pass
        assert ws.close_code == 1008


async def test_results_that_are_nested_deeply_are_shown_as_text(
    http: aiohttp.ClientSession, gateway: Gateway, planner: Native
) -> None:
    deep = "[" * 400 + "]" * 400
    await planner.do("tool.call", call="c1", tool="search", arguments={})
    await planner.do("tool.return", call="c1", result=deep)
    async with http.get(f"{gateway.url}{TANSTACK}?threadId=trip", headers=headers_of("ada")) as answer:
        assert answer.status == 200, await answer.text()
        (message,) = (await answer.json())["messages"]
    assert message["parts"][0]["output"] == deep


async def test_many_results_are_found_their_calls_quickly() -> None:
    spoken = [{"id": f"m{number}", "role": "user", "content": "Hm."} for number in range(20_000)]
    results = [{"id": f"r{number}", "role": "tool", "toolCallId": "none", "content": "1"} for number in range(20_000)]
    began = time.thread_time()  # what others have of the machine is not counted
    assert len(await ui_messages([*spoken, *results])) == 20_000
    assert time.thread_time() - began < 5
