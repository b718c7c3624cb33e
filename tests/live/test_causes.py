"""Causes: who writes says what it follows from, and chains are walked up and down."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from support.wire import Wire

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.errors import NotFound

Open = Callable[..., Awaitable[Wire]]


class Causes:
    """Commands over HTTP with causes, and the chains that come of them."""

    def __init__(self, http: aiohttp.ClientSession, gateway: Gateway) -> None:
        self._http, self._url = http, f"{gateway.url}/v1/sessions"
        self._number = 0

    async def do(self, do: str, data: dict[str, Any], session: str = "s", who: str = "ada", **more: Any) -> Any:
        """The answer, with the id of the first event as `event`."""
        self._number += 1
        command = {"id": f"c-{self._number}", "do": do, "data": data, **more}
        kind = "user" if who == "ada" else "agent"
        url = f"{self._url}/{session}/commands?participant={who}&kind={kind}"
        async with self._http.post(url, json=command) as response:
            answer = await response.json()
        if response.status != 200:
            return answer
        _, page = await self.get(
            f"{session}/events?after={answer['versions'][0] - 1}&limit=1&participant={who}&kind={kind}"
        )
        return {**answer, "event": page["events"][0]}

    async def note(self, name: str, **more: Any) -> Any:
        return (await self.do("custom.record", {"type": "x.note", "data": {"name": name}}, **more))["event"]

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._http.get(f"{self._url}/{path}") as response:
            return response.status, await response.json()

    async def chain(self, way: str, id: str, session: str = "s", who: str = "ada&kind=user") -> list[str]:
        status, chain = await self.get(f"{session}/events/{id}/{way}?participant={who}")
        assert (status, chain["complete"]) == (200, True), chain
        return [each["data"].get("name", each["type"]) for each in chain["events"]]


async def test_an_event_names_what_its_author_says_caused_it(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    here = Causes(http, gateway)
    await here.do("session.open", {})
    first = await here.note("first")
    second = await here.note("second", cause=first["id"])
    third = await here.note("third", cause="c-3")  # by the command
    await here.note("apart")
    assert (first["cause"], second["cause"], third["cause"]) == ("c-2", first["id"], "c-3")
    assert await here.chain("causes", third["id"]) == ["second", "first"]
    assert await here.chain("causes", first["id"]) == []
    assert await here.chain("effects", first["id"]) == ["second", "third"]
    assert await here.chain("effects", "c-2") == ["second", "third"]
    assert (await here.do("custom.record", {"type": "x.n", "data": {}}, cause="no id!"))["code"] == "invalid"


async def test_consequences_name_the_command_and_lead_on_to_its_cause(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    here = Causes(http, gateway)
    await here.do("session.open", {})
    why = await here.note("why")
    await here.do("task.create", {"task": "t", "title": "T"})
    await here.do("task.claim", {"task": "t"}, who="hotels")
    await here.do("message.start", {"message": "m"}, who="hotels", under={"task": "t", "attempt": 1})
    cancelled = await here.do("task.cancel", {"task": "t"}, cause=why["id"])
    _, page = await here.get("s/events?last=2&participant=root")
    assert [(each["type"], each["cause"]) for each in page["events"]] == [
        ("task.cancelled", why["id"]),
        ("message.aborted", cancelled["id"]),
    ]
    assert await here.chain("causes", page["events"][1]["id"]) == ["task.cancelled", "why"]
    assert await here.chain("effects", why["id"]) == ["task.cancelled", "message.aborted"]
    again = {"id": cancelled["id"], "do": "task.cancel", "data": {"task": "t"}, "cause": why["id"]}
    async with http.post(f"{gateway.url}/v1/sessions/s/commands?participant=ada&kind=user", json=again) as response:
        answer = await response.json()
    assert (answer["versions"], answer["repeated"]) == (cancelled["versions"], True)


async def test_hidden_links_are_left_out_without_a_trace(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    here = Causes(http, gateway)
    await here.do("session.open", {})
    first = await here.note("first")
    data = {"type": "x.note", "data": {"name": "hidden"}, "audience": ["agents"]}
    hidden = (await here.do("custom.record", data, who="hotels", cause=first["id"]))["id"]
    _, page = await here.get("s/events?last=1&participant=hotels&kind=agent")
    third = await here.note("third", cause=hidden)
    assert await here.chain("causes", third["id"], who="hotels&kind=agent") == ["hidden", "first"]
    assert await here.chain("causes", third["id"]) == ["first"]
    assert await here.chain("effects", first["id"]) == ["third"]
    missing = await here.get("s/events/nothing/causes?participant=ada&kind=user")
    for id in (hidden, page["events"][0]["id"]):
        status, problem = await here.get(f"s/events/{id}/causes?participant=ada&kind=user")
        assert (status, problem["detail"].replace(id, "nothing")) == (missing[0], missing[1]["detail"])


async def test_chains_lead_through_forks_and_never_in_circles(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    here = Causes(http, gateway)
    await here.do("session.open", {})
    first = await here.note("first", cause="c-4")
    second = await here.note("second", cause=first["id"])
    assert second["cause"] == first["id"]
    await here.do("session.fork", {"origin": "s"}, session="f")
    third = await here.note("third", cause=second["id"], session="f")
    late = await here.note("late")
    assert await here.chain("causes", third["id"], session="f") == ["second", "first"]
    assert await here.chain("effects", "c-2", session="f") == ["second", "third"]
    assert (await here.get(f"f/events/{late['id']}/causes"))[0] == 404
    await here.note("self", cause="c-9")
    await here.note("later", cause="c-8")


async def test_the_client_says_causes_by_itself(gateway: Gateway) -> None:
    async with (
        Client(gateway.url, participant="hotels") as client,
        Client(gateway.url, participant="ada", kind="user") as other,
        client.agent(session="trip") as agent,
        other.session("trip") as ada,
    ):
        await ada.tasks.create("Find a room", task="t-1")
        task = await anext(agent.tasks())
        async with task:
            await agent.session.post("Found one.", message="m1")
            await task.complete({"room": 12})
        events = {event.type: event for event in (await ada.page(limit=1_000)).events}
        claimed = events["task.claimed"].id
        assert [events[type].cause for type in ("message.posted", "task.completed")] == [claimed, claimed]
        assert {each.type for each in await ada.effects(claimed)} >= {"message.posted", "task.completed"}
        assert [each.type for each in await ada.causes(events["message.posted"].id)] == ["task.claimed"]

        await ada.do("approval.request", {"approval": "a-1", "question": "Book?", "of": ["users"]})
        await ada.live.until(lambda: ada.approvals.open)
        await ada.approvals.answer("a-1", "yes")
        signal = await ada.signals.steer("agent:hotels", "Cheaper.")
        await agent.steer.next()
        await ada.signals.settled(signal)
        events = {event.type: event for event in (await ada.page(limit=1_000)).events}
        for answer, asked in (
            ("approval.answered", "approval.requested"),
            ("signal.delivered", "signal.raised"),
            ("signal.honoured", "signal.raised"),
        ):
            assert events[answer].cause == events[asked].id
        try:
            await ada.causes("nothing")
        except NotFound:
            return
    raise AssertionError
