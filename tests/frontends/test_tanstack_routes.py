"""TanStack AI's address of a thread, without its client: places, hydration, a conversation over a WebSocket, errors."""

import asyncio
import random
from typing import Any

import aiohttp
import orjson
import pytest
from support.native import SECRET, agent, native_events, token

from stenogram.api.frontends.ag_ui.encoder import AgUiEncoder
from stenogram.api.server import Gateway

ADDRESS = "/v1/tanstack_ai/agent/planner/threads/trip"


def asked(run: str = "r1", *said: tuple[str, str], **more: Any) -> dict[str, Any]:
    """What the client sends to begin a run."""
    messages = [{"id": id, "role": "user", "content": text} for id, text in said]
    return {"threadId": "trip", "runId": run, "messages": messages, "tools": [], "context": [], "data": {}, **more}


async def read(response: aiohttp.ClientResponse, until: str | None = None) -> list[tuple[str | None, dict[str, Any]]]:
    """The events of a stream with their ids, to its end or to the first of a type."""
    assert response.status == 200, await response.text()
    found, id = list[tuple[str | None, dict[str, Any]]](), None
    async with asyncio.timeout(20):
        async for line in response.content:
            if line.startswith(b"id: "):
                id = line[4:-1].decode()
            elif line.startswith(b"data: "):
                found.append((id, orjson.loads(line[6:])))
                id = None
                if found[-1][1]["type"] == until:
                    break
    return found


async def serve_run(gateway: Gateway) -> None:
    """Work on the one run: think, speak, think again, call a tool that serves no message."""
    async with agent(gateway) as planner:
        async for task in planner.tasks("run"):
            async with task:
                async with planner.say(window=0.0) as message:
                    await message.write("Hm", part="reasoning")
                    await message.write(". ", part="reasoning")
                    await message.write("Two ")
                    await message.write("Or three?", part="reasoning")
                    await message.write("hotels.")
                async with planner.say(window=0.0) as message:
                    await message.write("Only a thought.", part="reasoning")
                async with planner.session.tool("search", {"q": "hotels"}) as call:
                    call.result = {"found": 2}
                await task.complete({"done": True})
            break


async def test_a_thought_comes_behind_the_start_of_its_message(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.post(f"{gateway.url}{ADDRESS}", json=asked("r1", ("m1", "Hotels?"))) as response:
        served = asyncio.create_task(serve_run(gateway))
        events = [event for _, event in await read(response)]
        await served
    spoken = [each for each in events if each["type"].startswith(("TEXT_", "REASONING_", "TOOL_CALL_START"))]
    ids = {each["messageId"]: n for n, each in enumerate(each for each in spoken if "messageId" in each)}
    told = [(each["type"], each.get("delta") or each.get("parentMessageId")) for each in spoken]
    call = next(each["toolCallId"] for each in events if each["type"] == "TOOL_CALL_START")
    start, end = ("TEXT_MESSAGE_START", None), ("TEXT_MESSAGE_END", None)
    assert told == [
        *(start, ("REASONING_MESSAGE_CONTENT", "Hm. "), ("TEXT_MESSAGE_CONTENT", "Two ")),
        *(start, ("REASONING_MESSAGE_CONTENT", "Or three?"), end, ("TEXT_MESSAGE_CONTENT", "hotels."), end),
        *(start, ("REASONING_MESSAGE_CONTENT", "Only a thought."), end),
        *(start, end, ("TOOL_CALL_START", call)),
    ]
    assert len(ids) >= 4
    assert events[-1] == {"type": "RUN_FINISHED", "threadId": "trip", "runId": "r1", "result": {"done": True}}


async def test_a_run_goes_on_behind_each_of_its_places(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, body = f"{gateway.url}{ADDRESS}", asked("r1", ("m1", "Hotels?"))
    async with http.post(url, json=body) as response:
        served = asyncio.create_task(serve_run(gateway))
        whole = await read(response)
        await served
    ids = [id for id, _ in whole if id is not None]
    assert len(ids) == len(set(ids))
    assert [id for id, each in whole if id is None] == [None] * sum(
        each["type"].startswith("RUN_F") for _, each in whole
    )
    for number in range(2, len(ids)):
        place = {"Last-Event-ID": ids[number]}
        async with http.post(url, json=body, headers=place) as response:
            assert _joined(await read(response)) == _joined(whole[number + 1 :])
        async with http.get(f"{url}?runId=r1&offset={ids[number]}") as response:
            assert _joined(await read(response)) == _joined(whole[number + 1 :])
    async with http.get(f"{url}?runId=r1&offset=-1") as response:
        assert [each["type"] for _, each in await read(response)] == [
            *("RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT", "RUN_FINISHED")
        ]
    assert len(await native_events(http, gateway, "message.posted", "task.created")) == 2


def _joined(events: list[tuple[str | None, dict[str, Any]]]) -> list[Any]:
    """The same, with pieces of one text made one."""
    made = list[Any]()
    for _, event in events:
        last = made[-1] if made else {}
        if event["type"] == last.get("type") == "TEXT_MESSAGE_CONTENT" and event["messageId"] == last["messageId"]:
            made[-1] = {**last, "delta": last["delta"] + event["delta"]}
        else:
            made.append(event)
    return made


async def test_a_thread_is_hydrated_by_pages(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{ADDRESS}"
    async with http.get(f"{url}?threadId=trip") as answer:
        empty: dict[str, Any] = {"messages": [], "activeRun": None, "interrupts": None, "page": {"truncated": False}}
        assert await answer.json() == empty
    async with http.post(url, json=asked("r1", ("m1", "Hotels?"))) as response:
        async with http.get(f"{url}?threadId=trip") as answer:
            assert (await answer.json())["activeRun"] == {"runId": "r1"}
        served = asyncio.create_task(serve_run(gateway))
        await read(response)
        await served
    async with http.get(f"{url}?threadId=trip") as answer:
        whole = (await answer.json())["messages"]
    assert [each["role"] for each in whole] == ["user", *["assistant"] * 3]
    assert [part["type"] for part in whole[1]["parts"]] == ["thinking", "text"]
    assert whole[1]["parts"] == [
        {"type": "thinking", "content": "Hm. Or three?"},
        {"type": "text", "content": "Two hotels."},
    ]
    assert whole[2]["parts"] == [{"type": "thinking", "content": "Only a thought."}]
    assert [part["type"] for part in whole[3]["parts"]] == ["tool-call", "tool-result"]
    assert whole[3]["parts"][0]["output"] == {"found": 2}
    paged, cursor = list[Any](), ""
    while True:
        async with http.get(f"{url}?threadId=trip&limit=2{cursor}") as answer:
            page = await answer.json()
        paged = [*page["messages"], *paged]
        if not page["page"]["truncated"]:
            break
        cursor = f"&before={page['page']['cursor']}"
    assert paged == whole


async def test_a_question_can_be_answered_by_who_joins(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{ADDRESS}"
    async with agent(gateway) as planner, http.post(url, json=asked("r1", ("m1", "Book it."))) as response:

        async def ask() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    await task.complete(await planner.session.approvals.ask("Sure?", options=["yes", "no"]))
                break

        asking = asyncio.create_task(ask())
        (_, ended) = (await read(response))[-1]
        (waiting,) = ended["outcome"]["interrupts"]
        assert (waiting["message"], waiting["metadata"]["kind"]) == ("Sure?", "approval")
        async with http.get(f"{url}?threadId=trip") as answer:
            assert (await answer.json())["interrupts"] == {"runId": "r1", "pending": [waiting]}
        resume = [{"interruptId": waiting["id"], "status": "resolved", "payload": {"approved": True}}]
        async with http.post(url, json=asked("r2", parentRunId="r1", resume=resume)) as again:
            (_, ended) = (await read(again))[-1]
        await asking
    assert (ended["type"], ended["runId"], ended["result"]) == ("RUN_FINISHED", "r2", "yes")


async def test_a_conversation_has_one_run_after_the_other(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.ws_connect(f"{gateway.url}{ADDRESS}") as ws, agent(gateway) as planner:

        async def serve() -> None:
            async for task in planner.tasks("run"):
                async with task:
                    await task.complete(task.input["run"])
                if task.input["run"] == "r2":
                    break

        serving = asyncio.create_task(serve())
        await ws.send_str("no JSON")
        await ws.send_json({"threadId": "trip"})
        await ws.send_json(asked("r0", threadId="other"))
        for run in ("r1", "r2"):
            await ws.send_json(asked(run, (f"m-{run}", "Hello!")))
        ends = list[dict[str, Any]]()
        async with asyncio.timeout(20):
            while len(ends) < 5:
                told = await ws.receive_json()
                event = told.get("chunk", told)
                if event["type"] in ("RUN_ERROR", "RUN_FINISHED"):
                    ends.append(event)
        await serving
    assert [each.get("code") for each in ends[:3]] == ["invalid"] * 3
    assert [each["result"] for each in ends[3:]] == ["r1", "r2"]
    posted = await native_events(http, gateway, "message.posted")
    assert [each["data"]["message"] for each in posted] == ["m-r1", "m-r2"]


async def test_a_conversation_is_bounded(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.ws_connect(f"{gateway.url}{ADDRESS}") as ws:
        for number in range(40):
            await ws.send_json(asked(f"r{number}"))
        async with asyncio.timeout(20):
            while not (await ws.receive()).type.name.startswith("CLOS"):
                pass
        assert ws.close_code == 1008
    async with http.ws_connect(f"{gateway.url}{ADDRESS}") as ws:
        await ws.send_str("x" * 1_100_000)
        async with asyncio.timeout(20):
            await ws.receive()
        assert ws.close_code == 1009


async def test_a_run_is_encoded_once_for_all_who_follow_it(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, made = list[int](), AgUiEncoder.events

    def counted(self: AgUiEncoder, sub: str, session: str | None, to: int, resume: str, wires: Any, *more: Any) -> Any:
        encoded.extend(orjson.loads(each)["version"] for each in wires)
        return made(self, sub, session, to, resume, wires, *more)

    url, body = f"{gateway.url}{ADDRESS}", asked("r1", ("m1", "Hotels?"))
    async with http.post(url, json=body) as one, http.post(url, json=body) as two:
        for each in (one, two):
            await read(each, "STATE_SNAPSHOT")
        monkeypatch.setattr(AgUiEncoder, "events", counted)
        served = asyncio.create_task(serve_run(gateway))
        for each in (one, two):
            await read(each)
        await served
    assert encoded
    assert len(encoded) == len(set(encoded))


async def test_no_one_is_told_or_does_what_they_may_not(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(jwt_secret=SECRET)
    url = f"{gateway.url}{ADDRESS}"
    for rights, status in (({}, 401), (token("eve", "read:*"), 403), (token("eve", "write:*"), 403)):
        async with http.post(url, json=asked("r1", ("m1", "Hello!")), headers=rights) as answer:
            assert answer.status == status
    for path in ("?threadId=trip", "?runId=r1&offset=-1"):
        async with http.get(url + path, headers=token("eve", "write:*")) as answer:
            assert answer.status == 403
    async with http.post(f"{url}/runs/r1/stop") as answer:
        assert answer.status == 401
    async with http.ws_connect(url, headers=token("eve", "read:*")) as ws:
        await ws.send_json(asked("r1", ("m1", "Hello!")))
        assert (await ws.receive_json())["code"] == "forbidden"
        await ws.send_json({"type": "abort", "runId": "r1"})
        assert (await ws.receive_json())["code"] == "not_found"
    async with http.get(f"{gateway.url}/v1/sessions/trip/events", headers=token("ada", "read:*")) as answer:
        assert (await answer.json())["events"] == []


async def test_it_can_be_switched_off(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(tanstack_ai=False)
    async with http.post(f"{gateway.url}{ADDRESS}", json=asked()) as answer:
        assert answer.status == 404
    async with http.get(f"{gateway.url}/openapi.json") as answer:
        assert not [path for path in (await answer.json())["paths"] if "tanstack" in path]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "threadId=other",
        "runId=none&offset=-1",
        "limit=0&threadId=trip",
        "x=1",
        "offset=-1",
        "threadId=a&threadId=b",
    ],
)
async def test_a_bad_question_is_a_documented_error(query: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.get(f"{gateway.url}{ADDRESS}?{query}") as answer:
        assert (answer.status, (await answer.json())["code"]) in ((400, "invalid"), (404, "not_found"))


@pytest.mark.parametrize("place", ["?", "7.v1", "99999", "-2"])
async def test_a_bad_place_is_a_documented_error(place: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{ADDRESS}"
    async with http.post(url, json=asked()) as response:
        await read(response, "STATE_SNAPSHOT")
    async with http.get(url, params={"runId": "r1", "offset": place}) as answer:
        assert (answer.status, (await answer.json())["code"]) in ((400, "bad_cursor"), (404, "bad_cursor"))


async def test_input_at_random_is_a_documented_error_or_done(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    chance = random.Random(7)

    def junk(depth: int = 0) -> Any:
        kind = chance.randrange(9 if depth < 4 else 5)
        if kind < 5:
            words = chance.choice(["", "m1", "a/b", "\u00e9", "x" * 300])
            return [None, True, chance.randrange(-9, 2**54), words, 0.5][kind]
        if kind < 7:
            return [junk(depth + 1) for _ in range(chance.randrange(4))]
        names = ("threadId", "runId", "messages", "resume", "id", "role", "content", "interruptId", "status", "tools")
        return {chance.choice(names): junk(depth + 1) for _ in range(chance.randrange(5))}

    for _ in range(120):
        body = chance.choice(
            [junk(), {**asked(f"r{chance.randrange(9)}"), chance.choice(("messages", "resume")): junk()}]
        )
        async with http.post(f"{gateway.url}{ADDRESS}", data=orjson.dumps(body)) as answer:
            assert answer.status in (200, 400, 404, 409, 413, 422), (body, await answer.text())
            assert answer.status == 200 or (await answer.json())["code"]
