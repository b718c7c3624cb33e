"""What a participant that means harm gets by chats of the AI SDK."""

from hashlib import sha256
from typing import Any

import aiohttp
import orjson
import pytest
from support.chat_stream import chat_stream
from support.native import SECRET, Native

from stenogram.api.frontends.turn_requests import TurnDesk
from stenogram.api.server import Gateway

CHAT = "/v1/ai/agent/planner/chat"


def said(id: str, text: str, **more: Any) -> dict[str, Any]:
    """A person's message."""
    return {"id": id, "role": "user", "parts": [{"type": "text", "text": text}], **more}


@pytest.fixture
async def gateway(start: Any) -> Gateway:
    """A gateway that asks for tokens."""
    gateway: Gateway = await start(jwt_secret=SECRET)
    return gateway


class Participant(Native):
    """Somebody in the session, by commands and by the AI SDK."""

    async def told(self, method: str, path: str, **given: Any) -> tuple[int, str]:
        """What an address of the chat answers."""
        headers = {**self.headers, **given.pop("headers", {})}
        url = f"{self._url}{CHAT}{path}"
        async with self._http.request(method, url, headers=headers, **given) as answer:
            return answer.status, await answer.text()

    def send(self, *messages: dict[str, Any], **more: Any) -> Any:
        """Say something; the stream."""
        body = {"id": "trip", "messages": [*messages], **more}
        return chat_stream(self._http, "POST", f"{self._url}{CHAT}", json=body, headers=self.headers)

    async def loaded(self) -> dict[str, Any]:
        """The chat as a page loads it."""
        async with self._http.get(f"{self._url}{CHAT}/trip/messages", headers=self.headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types."""
        url = f"{self._url}/v1/sessions/trip/events?limit=1000&types={','.join(types)}"
        async with self._http.get(url, headers=self.headers) as answer:
            found: list[dict[str, Any]] = (await answer.json())["events"]
            return found


async def test_a_run_for_others_answers_as_one_that_there_is_not(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    planner = Participant(gateway, http, "planner", "agent")
    await planner.do("session.open")
    await planner.do("task.create", task="run.hidden", title="Quiet", audience=["agents"])
    eve, told = Participant(gateway, http, "eve"), list[Any]()
    for run in ("hidden", "absent"):
        body = {"id": "trip", "messages": [said("m9", "?")]}
        place = {"Last-Event-ID": f"run.{run}/0"}
        answers = [
            await eve.told("GET", "/trip/stream", headers=place),
            await eve.told("POST", "", headers=place, json=body),
            await eve.told("POST", "/trip/stop", json={"activeStreamId": run}),
        ]
        told.append([(status, text.replace(run, "…")) for status, text in answers])
    assert told[0] == told[1]
    assert [status for status, _ in told[0]] == [404, 404, 200]


async def test_nobody_can_guess_what_a_message_for_others_says(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    ada, eve = Participant(gateway, http, "ada"), Participant(gateway, http, "eve")
    await ada.do("session.open")
    for id in ("guessed", "missed"):
        await ada.do("message.post", message=id, text="the word", audience=["ada"])
    for scopes in (("read:*",), ("read:*", "tasks:*"), ()):
        guesses, told = Participant(gateway, http, "eve", "user", *scopes), list[Any]()
        for id, guess in (("guessed", "the word"), ("missed", "another")):
            body = {"id": "trip", "messages": [said(id, guess)], "messageId": id}
            if scopes:
                status, text = await guesses.told("POST", "", json=body)
                told.append((status, text.replace(id, "…")))
                continue
            async with guesses.send(said(id, guess), messageId=id) as stream:
                told.append((await stream.until("start"))["messageId"].partition("+")[0].replace(id, "…"))
        assert told[0] == told[1]
    posted = [each["data"]["parts"][0]["text"] for each in await eve.events("message.posted")]
    assert posted == ["the word", "another"]


async def test_two_who_give_their_messages_the_same_id_are_both_heard(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    ada, eve, runs = Participant(gateway, http, "ada"), Participant(gateway, http, "eve"), list[str]()
    for who, text in ((ada, "Hotels?"), (eve, "Trams?"), (ada, "Hotels?"), (eve, "Trams?")):
        async with who.send(said("msg-1", text)) as stream:
            runs.append((await stream.until("start"))["messageId"])
    posted = [(each["actor"], each["data"]["parts"][0]["text"]) for each in await ada.events("message.posted")]
    assert posted == [("ada", "Hotels?"), ("eve", "Trams?")]
    assert runs[0] != runs[1]
    assert runs[2:] == runs[:2]


async def test_a_message_that_another_client_posted_is_answered_as_it_is(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    ada = Participant(gateway, http, "ada")
    await ada.do("session.open")
    parts = [{"kind": "text", "text": "Hotels"}, {"kind": "text", "text": "?"}, {"kind": "data", "data": 7}]
    await ada.do("message.post", message="m1", parts=parts)
    (shown,) = (await ada.loaded())["messages"]
    async with ada.send(shown) as stream:
        assert (await stream.until("start"))["messageId"] == "run.m1"
    assert len(await ada.events("message.posted")) == 1


async def test_nobody_has_a_page_say_their_words_in_its_persons_name(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    """By an id that its page is said to have given a message, under which there is none."""
    ada, eve = Participant(gateway, http, "ada"), Participant(gateway, http, "eve")
    await eve.do("session.open")
    for number, given in enumerate(("other", "o t h e r", ["other"], "")):
        metadata = {"client.id": given}
        await eve.do("message.post", message=f"e{number}", text="I, Ada, agree.", metadata=metadata)
    shown = (await ada.loaded())["messages"]
    async with ada.send(*shown, said("m1", "Hello!")) as stream:
        await stream.until("start")
    url, headers = f"{gateway.url}/v1/agui", ada.headers
    asked: dict[str, Any] = {"threadId": "trip", "runId": "r1", "messages": [], "protocolVersion": "1.0"}
    async with http.post(f"{url}/agent/planner/connect", json=asked, headers=headers) as response:
        while b"MESSAGES_SNAPSHOT" not in (line := await response.content.readline()):
            assert line
    people = [each for each in orjson.loads(line[6:])["messages"] if each["role"] == "user"]
    assert len(people) == 5
    async with http.post(f"{url}/agent/planner/run", json=asked | {"messages": people}, headers=headers) as response:
        assert response.status == 200
    posted = await ada.events("message.posted")
    assert [each["data"]["message"] for each in posted if each["actor"] == "ada"] == ["m1"]
    assert len(posted) == 5


async def test_what_is_of_no_run_does_not_multiply_by_the_runs_under_way(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("replay", "history"):
        monkeypatch.setattr(f"stenogram.api.frontends.ai_sdk.{module}.MOST_BYTES", 20_000)
    eve, runs = Participant(gateway, http, "eve"), [f"run.r{number}" for number in range(50)]
    await eve.do("session.open")
    for run in runs:
        await eve.do("task.create", task=run, title="?")
    for number in range(20):
        await eve.do("message.post", message=f"e{number}", text=f"{number} " * 200)
    for run in runs:
        await eve.do("task.cancel", task=run)
    found = await eve.loaded()
    assert len(orjson.dumps(found)) < 100_000
    assert [each["id"] for each in found["messages"] if each["role"] == "assistant"][-1] == "run.r49"
    assert found["omitted"] > 40


async def test_a_replay_is_bounded_and_has_what_is_open(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.frontends.ai_sdk.replay.MOST_BYTES", 20_000)
    planner = Participant(gateway, http, "planner", "agent")
    ada = Participant(gateway, http, "ada")
    async with ada.send(said("m1", "Hello!")) as stream:
        await stream.until("start")
    await planner.do("presence.join")
    await planner.do("task.claim", task="run.m1")
    under = {"task": "run.m1", "attempt": 1}
    await planner.do("message.start", under, message="open")
    await planner.do("message.delta", under, message="open", index=0, text="First. ")
    await planner.do("tool.call", under, call="c1", tool="search")
    for number in range(50):
        await planner.do("message.post", under, message=f"p{number}", text=f"{number} " * 200)
    async with chat_stream(http, "GET", f"{gateway.url}{CHAT}/trip/stream", headers=ada.headers) as stream:
        start = await stream.until("start")
        omitted = start["messageMetadata"]["stenogram"]["omitted"]
        await planner.do("message.delta", under, message="open", index=1, text="Last.")
        await planner.do("tool.return", under, call="c1", result=7)
        await planner.do("message.complete", under, message="open")
        await planner.do("task.complete", task="run.m1", attempt=1)
        read = await stream.end()
    assert 20 < omitted < 50
    assert read.texts()["open"] == "First. Last."
    assert list(read.texts()) == ["open", *(f"p{number}" for number in range(omitted, 50))]
    assert [part["output"] for part in read.parts if part["type"] == "tool-search"] == [7]


async def test_a_page_answers_the_last_questions_of_a_message(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[str]()
    reply = TurnDesk._reply

    def counting(desk: Any, state: Any, run: str, number: int, each: Any, planned: Any) -> Any:
        looked.append(each.approval)
        return reply(desk, state, run, number, each, planned)

    monkeypatch.setattr(TurnDesk, "_reply", counting)
    planner, ada = Participant(gateway, http, "planner", "agent"), Participant(gateway, http, "ada")
    await planner.do("session.open")
    for number in range(100):
        await planner.do("approval.request", approval=f"a{number}", question="Go on?")
    ask = {"type": "tool-ask", "state": "output-available", "output": {"option": "yes"}}
    parts = [{**ask, "toolCallId": f"a{number}"} for number in range(100)] * 20
    async with ada.send({"id": "x", "role": "assistant", "parts": parts}) as stream:
        await stream.until("start")
    assert looked == [f"a{number}" for number in range(36, 100)]
    answered = await ada.events("approval.answered")
    assert [each["data"]["approval"] for each in answered] == looked


async def test_nobody_takes_the_place_of_an_answer(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    planner, ada = Participant(gateway, http, "planner", "agent"), Participant(gateway, http, "ada")
    eve, asked = Participant(gateway, http, "eve"), sha256(b"a1").hexdigest()
    await planner.do("session.open")
    await planner.do("approval.request", approval="a1", question="Go on?")
    for begins in ("answer.", "answer/"):
        async with eve.send(said(f"{begins}{asked}", "?")) as stream:
            await stream.until("start")
    approval = {"id": "a1", "approved": True}
    part = {"type": "tool-ask", "toolCallId": "a1", "state": "approval-responded", "approval": approval}
    async with ada.send({"id": "x", "role": "assistant", "parts": [part]}) as stream:
        await stream.until("start")
    (answered,) = await ada.events("approval.answered")
    assert answered["actor"] == "ada"


@pytest.mark.parametrize(
    "part",
    [{}, {"type": 7}, {"type": "text", "text": None}, {"type": "file", "url": 7}, {"type": "tool-book"}, {"type": ""}],
    ids=str,
)
async def test_a_part_that_pages_cannot_show_is_data_for_them(
    part: dict[str, Any], http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    eve = Participant(gateway, http, "eve")
    await eve.do("session.open")
    await eve.do("message.post", message="m1", parts=[{"kind": "data", "name": "ai_sdk.part", "data": part}])
    (shown,) = (await eve.loaded())["messages"]
    assert shown["parts"] == [{"type": "data-ai_sdk.part", "id": "0", "data": part}]
    async with eve.send(shown) as stream:  # and is the same when it comes back
        assert (await stream.until("start"))["messageId"] == "run.m1"
    assert len(await eve.events("message.posted")) == 1


async def test_several_answers_at_once_are_all_given(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    planner, ada = Participant(gateway, http, "planner", "agent"), Participant(gateway, http, "ada")
    async with ada.send(said("m1", "Hello!")) as stream:
        await stream.until("start")
    await planner.do("presence.join")
    await planner.do("task.claim", task="run.m1")
    under = {"task": "run.m1", "attempt": 1}
    for number in range(3):
        await planner.do("approval.request", under, approval=f"a{number}", question="Go on?")
    async with chat_stream(http, "GET", f"{gateway.url}{CHAT}/trip/stream", headers=ada.headers) as stream:
        asked = (await stream.end()).as_message()
    asks = [part for part in asked["parts"] if part["type"] == "tool-ask"]
    for part in asks:
        part |= {"state": "approval-responded", "approval": {**part["approval"], "approved": True}}
    # The first of them was answered before, by what its call came to.
    asks[0] |= {"state": "output-available", "output": {"option": "yes"}}
    del asks[0]["approval"]
    await ada.do("approval.answer", approval="a0", option="yes")
    async with ada.send(asked) as stream:
        await stream.until("start")
        answered = await ada.events("approval.answered")
        assert [each["data"]["approval"] for each in answered] == ["a0", "a1", "a2"]


async def test_a_word_to_who_is_at_work_is_given_once(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    planner, ada = Participant(gateway, http, "planner", "agent"), Participant(gateway, http, "ada")
    for message in (said("m1", "Hotels?"), said("m2", "Trams?")):
        async with ada.send(message) as stream:
            await stream.until("start")
    await planner.do("presence.join")
    await planner.do("task.claim", task="run.m1")
    runs = list[str]()
    for _ in range(2):  # again, when others are at work, and when nobody is
        for _ in range(2):
            async with ada.send(said("m3", "Cheap ones."), steer=True) as stream:
                runs.append((await stream.until("start"))["messageId"])
        if len(runs) == 2:
            await planner.do("task.complete", task="run.m1", attempt=1)
            continue
        await ada.do("task.cancel", task="run.m2")
    async with ada.send(said("m3", "Cheap ones."), steer=True) as stream:
        runs.append((await stream.until("start"))["messageId"])
    assert runs == ["run.m1"] * 5
    assert [each["data"]["task"] for each in await ada.events("task.created")] == ["run.m1", "run.m2"]
    assert len(await ada.events("signal.raised")) == 1
