"""The AI SDK's routes, as its clients find them: chats, questions, steering, joining, and who may do what."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from support.chat_stream import chat_stream
from support.native import SECRET, agent, native_events, token
from support.ui_message_reader import UiMessageReader

from stenogram.api.frontends.ai_sdk.encoder import AiSdkEncoder
from stenogram.api.server import Gateway

CHAT = "/v1/ai/agent/planner/chat"


def said(id: str, text: str, **more: Any) -> dict[str, Any]:
    """A person's message."""
    return {"id": id, "role": "user", "parts": [{"type": "text", "text": text}], **more}


def asked(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A body of the SDK's transport."""
    return {"id": "trip", "messages": [*messages], "trigger": "submit-message", **more}


async def loaded(http: aiohttp.ClientSession, gateway: Gateway) -> dict[str, Any]:
    """The chat as a page loads it."""
    async with http.get(f"{gateway.url}{CHAT}/trip/messages") as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


@asynccontextmanager
async def serving(gateway: Gateway, serve: Any, name: str = "planner") -> AsyncIterator[list[Any]]:
    """An agent that serves runs by `serve`; the inputs that it was given."""
    given = list[Any]()

    async def work() -> None:
        async with agent(gateway, name) as planner:
            async for task in planner.tasks("run"):
                async with task:
                    given.append(task.input)
                    await serve(planner, task)

    working = asyncio.create_task(work())
    try:
        yield given
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def echo(planner: Any, task: Any) -> None:
    """Say something short."""
    async with planner.say() as message:
        await message.write(f"On it: {task.input['run']}.")
    await task.complete()


async def test_a_message_is_a_run_that_is_begun_once(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, body = f"{gateway.url}{CHAT}?participant=ada", asked(said("m1", "Hello!"), temperature=0.5)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(chat_stream(http, "POST", url, json=body)) for _ in range(2)]
        for stream in streams:
            assert (await stream.until("start"))["messageId"] == "run.m1"
        async with serving(gateway, echo) as given:
            ends = [await stream.end() for stream in streams]
        assert given == [{"kind": "run", "run": "m1", "messages": ["m1"], "body": {"temperature": 0.5}}]
    for end in ends:
        assert list(end.texts().values()) == ["On it: m1."]
        assert end.metadata["outcome"] == "success"
    async with chat_stream(http, "POST", url, json=body) as again:
        assert (await again.end()).texts() == ends[0].texts()
    found = await native_events(http, gateway, "message.posted", "task.created")
    assert [(each["type"], each["actor"]) for each in found] == [("message.posted", "ada"), ("task.created", "ada")]
    assert (found[1]["data"]["assignee"], found[1]["data"]["title"]) == ("planner", "Hello!")
    shown = await loaded(http, gateway)
    assert [(each["id"], each["role"]) for each in shown["messages"]] == [("m1", "user"), ("run.m1", "assistant")]
    assert (shown["omitted"], shown["active"]) == (0, None)


async def test_a_page_may_send_the_last_message_alone(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    message = said("m1", "Hello!", metadata={"mood": "good"})
    body = {"id": "trip", "message": message}
    message["parts"].append({"type": "file", "mediaType": "image/png", "url": "data:,x", "filename": "x.png"})
    async with serving(gateway, echo), chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as stream:
        await stream.end()
    (first, _) = (await loaded(http, gateway))["messages"]
    assert first == message


async def test_nothing_is_there_to_resume_where_no_run_is_under_way(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    for _ in range(2):
        async with http.get(f"{gateway.url}{CHAT}/trip/stream") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        body = asked(said("m1", "Hello!"))
        async with serving(gateway, echo), chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as stream:
            await stream.end()


async def test_a_run_is_replayed_from_its_start(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    go = asyncio.Event()

    async def serve(planner: Any, task: Any) -> None:
        async with planner.say(window=0.0) as message:
            await message.write("Hm. ", part="reasoning")
            await message.write("Let me ")
            async with planner.session.tool("search", {"q": 1}, message=message.id) as call:
                call.result = [7]
            await go.wait()
            await message.write("see.")
        await task.complete(7)

    body = asked(said("m1", "Hello!"))
    async with (
        serving(gateway, serve),
        agent(gateway, "hotels") as hotels,
        chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as first,
    ):
        await first.until("tool-output-available")
        await hotels.session.post("I look, too.")
        async with chat_stream(http, "GET", f"{gateway.url}{CHAT}/trip/stream") as second:
            await second.until("data-agent-message")
            go.set()
            ends = [await first.end(), await second.end()]
    assert ends[0].same() == ends[1].same()
    assert sorted(ends[0].texts().values()) == ["Hm. ", "I look, too.", "Let me see."]
    assert ends[0].metadata["output"] == 7
    (_, shown) = (await loaded(http, gateway))["messages"]
    assert [part["type"] for part in shown["parts"]] == [part["type"] for part in second.reader.parts]


async def test_each_id_goes_on_behind_its_chunk(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, go = f"{gateway.url}{CHAT}", asyncio.Event()

    async def serve(planner: Any, task: Any) -> None:
        async with planner.say(window=0.0) as message:
            await message.write("Hm. ", part="reasoning")
            await go.wait()
            await message.write("Words.")
        await task.complete()

    body, whole = asked(said("m1", "Hello!")), list[tuple[dict[str, Any], str]]()
    async with serving(gateway, serve):
        async with chat_stream(http, "POST", url, json=body) as begun:
            await begun.until("reasoning-delta")
        async with chat_stream(http, "GET", f"{url}/trip/stream") as stream:
            while (chunk := await stream.next()) is not None:
                whole.append((chunk, stream.id))
                if chunk["type"] == "reasoning-delta":
                    go.set()
    assert whole[-1][0]["type"] == "finish"
    assert len({id for _, id in whole}) > len(whole) - 3
    for number, (_, id) in enumerate(whole):
        later = [chunk for chunk, other in whole[number + 1 :] if other != id]
        for method, path, sent in (("GET", f"{url}/trip/stream", None), ("POST", url, body)):
            async with chat_stream(http, method, path, headers={"Last-Event-ID": id}, json=sent) as stream:
                rest = [chunk async for chunk in chunks(stream)]
            assert lasting(rest) == lasting(later), f"behind {id}"
    assert len(await native_events(http, gateway, "task.created")) == 1


async def chunks(stream: Any) -> AsyncIterator[dict[str, Any]]:
    """All of a stream."""
    while (chunk := await stream.next()) is not None:
        yield chunk


def lasting(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What stays in the message: who comes and goes meanwhile does not. The end comes again whole."""
    return [chunk for chunk in told if chunk["type"] != "finish" and not chunk.get("transient")]


async def test_a_stop_is_a_signal_and_a_closed_connection_is_none(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url, begun = f"{gateway.url}{CHAT}", asyncio.Event()

    async def serve(planner: Any, task: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    async with serving(gateway, serve):
        async with chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))) as stream:
            await stream.until("start")
            await begun.wait()
        assert await native_events(http, gateway, "signal.raised") == []
        async with chat_stream(http, "GET", f"{url}/trip/stream") as stream:
            await stream.until("start")
            for body, stopped in (({"activeStreamId": "other"}, []), ({"activeStreamId": "run.m1"}, ["m1"])):
                for _ in range(2):
                    async with http.post(f"{url}/trip/stop?participant=phone", json=body) as answer:
                        assert await answer.json() == {"success": True, "stopped": stopped}
            end = await stream.end()
    assert end.metadata["outcome"] == "cancelled"
    assert len(await native_events(http, gateway, "signal.raised")) == 1
    async with http.post(f"{url}/trip/stop", data=b"") as answer:
        assert await answer.json() == {"success": True, "stopped": []}


async def test_a_run_that_fails_says_why(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async def serve(planner: Any, task: Any) -> None:
        await task.fail("No rooms.", retryable=False)

    body = asked(said("m1", "Hello!"))
    async with serving(gateway, serve), chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as stream:
        assert (await stream.until("error"))["errorText"] == "No rooms."
        assert stream.reader.metadata["outcome"] == "failed"


async def test_another_answer_is_another_run_and_takes_the_place_of_the_first(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url, go = f"{gateway.url}{CHAT}", asyncio.Event()

    async def serve(planner: Any, task: Any) -> None:
        if "+" in task.input["run"]:
            await go.wait()
        await echo(planner, task)

    again = asked(said("m1", "Hello!"), trigger="regenerate-message", messageId="run.m1")
    async with serving(gateway, serve) as given:
        async with chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))) as stream:
            await stream.end()
        async with AsyncExitStack() as stack:  # twice, as by two clicks
            streams = [await stack.enter_async_context(chat_stream(http, "POST", url, json=again)) for _ in range(2)]
            for stream in streams:
                assert (await stream.until("start"))["messageId"] == "run.m1+2"
            go.set()
            for stream in streams:
                assert list((await stream.end()).texts().values()) == ["On it: m1+2."]
    assert [(each["run"], each.get("regenerates")) for each in given] == [("m1", None), ("m1+2", "m1")]
    assert [each["id"] for each in (await loaded(http, gateway))["messages"]] == ["m1", "run.m1+2"]


async def test_a_message_that_is_edited_is_another_one(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{CHAT}"
    async with serving(gateway, echo) as given:
        for text in ("Hello!", "Hello?", "Hello?"):
            body = asked(said("m1", text), messageId="m1")
            async with chat_stream(http, "POST", url, json=body) as stream:
                await stream.end()
    assert len(given) == 2
    posted = await native_events(http, gateway, "message.posted")
    assert [each["data"]["parts"][0]["text"] for each in posted] == ["Hello!", "Hello?"]
    users = [each for each in (await loaded(http, gateway))["messages"] if each["role"] == "user"]
    assert [each["id"] for each in users] == ["m1", "m1"]


async def test_a_word_to_who_is_at_work_steers_them(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url, begun = f"{gateway.url}{CHAT}", asyncio.Event()

    async def serve(planner: Any, task: Any) -> None:
        begun.set()
        instruction = await task.steer.next()
        async with planner.say() as message:
            await message.write(f"So: {instruction}")
        await task.complete()

    async with serving(gateway, serve) as given:
        async with chat_stream(http, "POST", url, json=asked(said("m1", "Hotels?"))) as first:
            await first.until("start")
            await begun.wait()
            body = asked(said("m1", "Hotels?"), said("m2", "Cheap ones."), steer=True)
            async with chat_stream(http, "POST", url, json=body) as second:
                assert (await second.until("start"))["messageId"] == "run.m1"
                ends = [await first.end(), await second.end()]
        begun.clear()
        async with chat_stream(http, "POST", url, json=asked(said("m3", "And?"), steer=True)) as third:
            assert (await third.until("start"))["messageId"] == "run.m3"
            await begun.wait()
    for end in ends:
        assert sorted(end.texts().values()) == ["Cheap ones.", "So: Cheap ones."]
    assert [each["run"] for each in given] == ["m1", "m3"]
    (raised,) = await native_events(http, gateway, "signal.raised")
    assert (raised["data"]["kind"], raised["data"]["target"]) == ("steer", "task:run.m1")


async def test_a_question_ends_the_stream_and_its_answer_goes_on_with_the_message(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url, answers = f"{gateway.url}{CHAT}", list[str]()

    async def serve(planner: Any, task: Any) -> None:
        async with planner.say(window=0.0) as message:
            await message.write("I could ")
            async with planner.session.tool("search", {}, message=message.id) as call:
                answers.append(await planner.ask("Book it?"))
                call.result = 7
            await message.write("do that.")
        await task.complete()

    async with serving(gateway, serve), chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))) as stream:
        first = await stream.end()
        (step, ask) = first.parts[-2:]
        assert (step["type"], ask["type"], ask["state"]) == ("step-start", "tool-ask", "approval-requested")
        assert ask["input"]["question"] == "Book it?"
        async with chat_stream(http, "GET", f"{url}/trip/stream") as other:  # another device is asked as well
            assert (await other.end()).parts[-1] == ask
        ask |= {"state": "approval-responded", "approval": {**ask["approval"], "approved": True, "reason": "Sure."}}
        body = asked(said("m1", "Hello!"), first.as_message(), messageId="run.m1")
        for _ in range(2):
            async with chat_stream(http, "POST", url, first, json=body) as rest:
                end = await rest.end()
            assert end.id == "run.m1"
            assert list(end.texts().values()) == ["I could do that."]
            states = [part["state"] for part in end.parts if part["type"].startswith("tool-")]
            assert states == ["output-available", "output-available"]
    assert answers == ["yes"]
    (answered,) = await native_events(http, gateway, "approval.answered")
    assert answered["data"]["comment"] == "Sure."
    (_, shown) = (await loaded(http, gateway))["messages"]
    assert [part["output"] for part in shown["parts"] if part["type"] == "tool-ask"] == [
        {"status": "answered", "option": "yes"}
    ]


async def test_a_call_that_is_not_approved_is_denied(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{CHAT}"

    async def serve(planner: Any, task: Any) -> None:
        async with planner.session.tool("book", {"room": 7}) as call:
            if await planner.ask("Book it?", approval=call.id) == "no":
                call.error = "They would rather not."
        await task.complete()

    async with serving(gateway, serve), chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))) as stream:
        first = await stream.end()
        (book,) = [part for part in first.parts if part["type"].startswith("tool-")]
        assert (book["type"], book["state"]) == ("tool-book", "approval-requested")
        book |= {"state": "approval-responded", "approval": {**book["approval"], "approved": False}}
        body = asked(said("m1", "Hello!"), first.as_message(), messageId="run.m1")
        async with chat_stream(http, "POST", url, first, json=body) as rest:
            await rest.until("tool-output-denied")
            end = await rest.end()
    assert end.same()["calls"][book["toolCallId"]]["state"] in ("output-denied", "output-error")


async def test_what_many_are_told_is_encoded_once(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[int]()

    def counting(encoder: Any, sub: str, session: str, to: int, *rest: Any) -> bytes:
        made.append(to)
        encoded: bytes = encode(encoder, sub, session, to, *rest)
        return encoded

    encode = AiSdkEncoder.events
    monkeypatch.setattr(AiSdkEncoder, "events", counting)
    url = f"{gateway.url}{CHAT}"
    async with agent(gateway, "hotels") as hotels, AsyncExitStack() as stack:
        first = await stack.enter_async_context(chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))))
        others = [f"{url}/trip/stream?participant=p{n}" for n in range(20)]
        streams = [first, *[await stack.enter_async_context(chat_stream(http, "GET", each)) for each in others]]
        for stream in streams:
            await stream.until("data-state")
        made.clear()
        for number in range(5):
            await hotels.session.post(f"Message {number}")
            for stream in streams:
                await stream.until("data-agent-message")
        assert len(made) == len(set(made)) <= 10


async def test_rights_and_audiences_are_those_of_the_native_routes(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(jwt_secret=SECRET)
    url, body = f"{gateway.url}{CHAT}", asked(said("m1", "Hello!"))
    for scopes in ([], ["read:*"], ["read:*", "speak:*"], ["read:other", "write:*"]):
        async with http.post(url, json=body, headers=token("eve", *scopes)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")
    async with http.post(url, json=body) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    everything, other = token("ada", "read:*", "write:*"), token("eve", "read:*")
    for path in ("stream", "messages"):
        async with http.get(f"{url}/trip/{path}", headers=token("eve", "read:other")) as answer:
            assert answer.status == 403
    async with chat_stream(http, "POST", url, json=body, headers=everything) as stream:
        await stream.until("start")
        async with chat_stream(http, "GET", f"{url}/trip/stream", headers=other) as hidden:
            await hidden.until("data-state")
            for id, audience in (("secret", ["ada"]), ("open", None)):
                data = {"message": id, "text": id, **({"audience": audience} if audience else {})}
                command = {"id": id, "do": "message.post", "data": data}
                commands = f"{gateway.url}/v1/sessions/trip/commands"
                async with http.post(commands, json=command, headers=everything) as answer:
                    assert answer.status == 200
            await hidden.until("data-user-message")
            assert hidden.reader.texts() == {"open": "open"}
        async with http.get(f"{url}/trip/messages", headers=other) as answer:
            assert "secret" not in await answer.text()
        async with http.post(f"{url}/trip/stop", headers=other) as answer:
            assert answer.status == 403
        async with http.post(f"{url}/trip/stop", headers=everything) as answer:
            assert await answer.json() == {"success": True, "stopped": ["m1"]}
        assert (await stream.end()).texts() == {"secret": "secret", "open": "open"}


async def test_a_run_that_somebody_may_not_see_is_not_under_way_for_them(
    http: aiohttp.ClientSession, start: Any
) -> None:
    gateway = await start(jwt_secret=SECRET)
    planner = token("planner", "read:*", "write:*", kind="agent")
    for do, data in (
        ("session.open", {}),
        ("task.create", {"task": "run.secret", "title": "Quiet", "audience": ["agents"]}),
    ):
        command = {"id": do, "do": do, "data": data}
        async with http.post(f"{gateway.url}/v1/sessions/trip/commands", json=command, headers=planner) as answer:
            assert answer.status == 200
    eve, url = token("eve", "read:*", "write:*"), f"{gateway.url}{CHAT}/trip"
    async with http.get(f"{url}/stream", headers=eve) as answer:
        assert answer.status == 204
    async with http.get(f"{url}/messages", headers=eve) as answer:
        assert (await answer.json())["active"] is None
    async with http.get(f"{url}/stream", headers={**eve, "Last-Event-ID": "run.secret/0"}) as answer:
        assert answer.status == 404
    async with http.post(f"{url}/stop", headers=eve) as answer:
        assert (await answer.json())["stopped"] == []


BODY = asked(
    said("m1", "Hello!"),
    {
        "id": "run.m0",
        "role": "assistant",
        "metadata": {"stenogram": {"resume": "e.v1"}},
        "parts": [{"type": "tool-ask", "toolCallId": "a1", "state": "approval-responded", "approval": {"id": "a1"}}],
    },
    said("m2", "And?"),
    messageId="m2",
    steer=False,
)
ODD: list[Any] = [None, True, -1, 1e300, "", "x" * 2_000, "a b", "\u0000", "\ud800", [], {}, [[]], {"id": 7}]


def fuzzed(chance: random.Random) -> bytes:
    """A body in which something is odd, and sometimes the bytes themselves."""
    body = orjson.loads(orjson.dumps(BODY))
    for _ in range(chance.randint(1, 3)):
        place: Any = body
        while isinstance(place, dict | list) and place:
            key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if chance.random() < 0.4 or not isinstance(place[key], dict | list):
                odd = chance.choice(ODD)
                place[key] = odd
                break
            place = place[key]
    try:
        made = orjson.dumps(body)
    except TypeError:
        made = b'{"id":"trip","messages":[{"id":"\\ud800","role":"user","parts":[]}]}'
    return made[: chance.randrange(len(made))] if chance.random() < 0.2 else made


@pytest.mark.parametrize("seed", range(2))
async def test_fuzzed_input_is_refused_and_nothing_is_written(
    seed: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    chance, refused, last = random.Random(seed), 0, 0
    for _ in range(50):
        body = fuzzed(chance)
        path = chance.choice([CHAT, CHAT, CHAT, f"{CHAT}/trip/stop", f"{CHAT}/a%20b/stop", "/v1/ai/agent/%20/chat"])
        async with http.post(f"{gateway.url}{path}", data=body) as answer:
            if answer.status == 200:  # it is still one
                assert path in (CHAT, f"{CHAT}/trip/stop")
                last = len(await native_events(http, gateway))
                continue
            assert answer.status in (400, 404, 409, 413, 422), await answer.text()
            assert answer.content_type == "application/problem+json"
            refused += 1
        assert len(await native_events(http, gateway)) == last, body
    assert refused > 20


@pytest.mark.parametrize("place", ["x", "e.v1", "-1", "999", "run.m1/0_", "run.m1/99~3", "0~x", "/", "run.m1/"])
async def test_a_place_that_is_none_is_refused(place: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}{CHAT}"
    async with chat_stream(http, "POST", url, json=asked(said("m1", "Hello!"))) as stream:
        await stream.until("start")
        async with http.get(f"{url}/trip/stream", headers={"Last-Event-ID": place}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "bad_cursor")
        async with http.get(f"{url}/trip/stream", params={"behind": place}) as answer:
            assert answer.status == 400
        async with http.get(f"{url}/trip/stream", headers={"Last-Event-ID": "run.m9/0"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_it_can_be_switched_off(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(ai_sdk=False)
    async with http.get(f"{gateway.url}{CHAT}/trip/stream") as answer:
        assert answer.status == 404
    async with http.post(f"{gateway.url}{CHAT}", json=asked(said("m1", "Hello!"))) as answer:
        assert answer.status == 404
    async with http.get(f"{gateway.url}/openapi.json") as answer:
        assert not [path for path in (await answer.json())["paths"] if path.startswith("/v1/ai")]


@pytest.mark.thorough
async def test_pages_of_other_origins_metrics_and_tokens_that_expire(http: aiohttp.ClientSession, start: Any) -> None:
    page = "https://app.example.com"
    gateway = await start(origins=(page,), jwt_secret=SECRET)
    url, body = f"{gateway.url}{CHAT}", asked(said("m1", "Hello!"))
    async with http.options(url, headers={"Origin": page, "Access-Control-Request-Method": "POST"}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == page
    other = {"Origin": "https://evil.example", **token("ada", "read:*", "write:*")}
    async with http.post(url, json=body, headers=other) as answer:
        assert answer.status == 403
    short = token("ada", "read:*", "write:*", exp=time.time() + 6)
    async with chat_stream(http, "POST", url, json=body, headers={"Origin": page, **short}) as stream:
        await stream.until("start")
        assert stream.response.headers["Access-Control-Allow-Origin"] == page
        async with http.get(f"{gateway.url}/metrics", headers=token("op", "read:*")) as answer:
            assert 'stenogram_connections{kind="ai_sdk"} 1.0' in await answer.text()
        while await stream.next() is not None:
            pass
        assert not stream.done


async def test_a_history_is_bounded_and_says_what_it_leaves_out(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.frontends.ai_sdk.history.MOST_BYTES", 2_000)
    async with serving(gateway, echo):
        for number in range(20):
            body = asked(said(f"m{number}", f"Message {number}"))
            async with chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as stream:
                await stream.end()
    shown = await loaded(http, gateway)
    ids = [each["id"] for each in shown["messages"]]
    assert 4 < len(ids) < 30
    assert ids[-2:] == ["m19", "run.m19"]
    assert shown["omitted"] > 10


async def test_what_an_agent_says_between_runs_is_a_message_of_its_own(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with agent(gateway, "hotels") as hotels:
        await hotels.session.post("Good morning.")
        body = asked(said("m1", "Hello!"))
        async with serving(gateway, echo), chat_stream(http, "POST", f"{gateway.url}{CHAT}", json=body) as stream:
            reader: UiMessageReader = await stream.end()
        await hotels.session.post("Good night.")
    assert list(reader.texts().values()) == ["On it: m1."]
    shown = [each["parts"][0]["text"] for each in (await loaded(http, gateway))["messages"]]
    assert shown == ["Good morning.", "Hello!", "On it: m1.", "Good night."]
