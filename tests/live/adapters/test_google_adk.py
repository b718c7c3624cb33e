"""Sessions of Google's ADK as sessions: runs with a model that is none, two writers, all that its own service does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events import Event, EventActions
from google.adk.models import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import BaseSessionService, InMemorySessionService, Session
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai.types import Content, GenerateContentResponseUsageMetadata, Part

from stenogram.adapters.google_adk import StenogramSessionService
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough

WHOSE: dict[str, Any] = {"app_name": "trips", "user_id": "maya"}


@pytest.fixture
async def service(gateway: Gateway) -> AsyncIterator[StenogramSessionService]:
    """A service at `gateway`."""
    async with StenogramSessionService(gateway.url, participant="concierge") as made:
        yield made


class Echo(BaseLlm):
    """Says how many turns it was shown."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        text = f"turn {len(llm_request.contents)}"
        used = GenerateContentResponseUsageMetadata(prompt_token_count=1, candidates_token_count=1)
        yield LlmResponse(content=Content(role="model", parts=[Part(text=text)]), usage_metadata=used)


async def _run(service: BaseSessionService, text: str) -> list[str]:
    agent = LlmAgent(name="concierge", model=Echo(model="echo"), output_key="last")
    runner = Runner(app_name="trips", agent=agent, session_service=service)
    message = Content(role="user", parts=[Part(text=text)])
    events = [each async for each in runner.run_async(user_id="maya", session_id="trip", new_message=message)]
    return [part.text or "" for each in events if each.content for part in each.content.parts or []]


def _event(text: str, **delta: Any) -> Event:
    said = Content(role="user", parts=[Part(text=text)])
    return Event(author="user", content=said, actions=EventActions(state_delta=delta))


def _texts(session: Session | None) -> list[str]:
    assert session is not None
    return [part.text or "" for each in session.events if each.content for part in each.content.parts or []]


async def test_a_session_goes_on_in_another_process(service: StenogramSessionService, gateway: Gateway) -> None:
    await service.create_session(**WHOSE, session_id="trip")
    assert await _run(service, "Lisbon?") == ["turn 1"]
    async with StenogramSessionService(gateway.url, participant="concierge") as other:
        assert await _run(other, "In May.") == ["turn 3"]
    session = await service.get_session(**WHOSE, session_id="trip")
    assert _texts(session) == ["Lisbon?", "turn 1", "In May.", "turn 3"]
    assert session is not None
    assert session.state == {"last": "turn 3"}


async def test_the_second_of_two_writers_is_stale(service: StenogramSessionService, gateway: Gateway) -> None:
    await service.create_session(**WHOSE, session_id="trip")
    async with StenogramSessionService(gateway.url, participant="concierge") as other:
        mine = await service.get_session(**WHOSE, session_id="trip")
        theirs = await other.get_session(**WHOSE, session_id="trip")
        assert mine is not None
        assert theirs is not None
        await service.append_event(mine, _event("first", n=1))
        await service.append_event(mine, _event("second", n=2))
        with pytest.raises(StaleSessionError):
            await other.append_event(theirs, _event("lost", n=3))
        again = await other.get_session(**WHOSE, session_id="trip")
        assert _texts(again) == ["first", "second"]
        assert again is not None
        assert again.state == {"n": 2}
        await other.append_event(again, _event("third"))
    assert _texts(await service.get_session(**WHOSE, session_id="trip")) == ["first", "second", "third"]


async def test_writers_race_and_nothing_is_lost(gateway: Gateway) -> None:
    services = [StenogramSessionService(gateway.url, participant="concierge") for _ in range(3)]
    await services[0].create_session(**WHOSE, session_id="trip")

    async def write(n: int) -> None:
        while True:
            session = await services[n % 3].get_session(**WHOSE, session_id="trip")
            assert session is not None
            try:
                await services[n % 3].append_event(session, _event(f"{n}", **{f"user:{n}": n}))
            except StaleSessionError:
                continue
            return

    await asyncio.gather(*map(write, range(9)))
    session = await services[0].get_session(**WHOSE, session_id="trip")
    assert sorted(_texts(session)) == [str(n) for n in range(9)]
    assert await services[1].get_user_state(**WHOSE) == {str(n): n for n in range(9)}
    for each in services:
        await each.aclose()


async def test_it_does_what_the_service_in_memory_does(service: StenogramSessionService) -> None:
    """States of three scopes, chosen events, lists, repeats, deletes: the same calls, the same answers."""
    told = [await _story(each) for each in (InMemorySessionService(), service)]
    assert told[0] == told[1]


async def _story(service: BaseSessionService) -> list[object]:
    told = list[object]()
    state = {"a": 1, "user:u": 2, "app:p": 3, "temp:t": 4}
    trip = await service.create_session(**WHOSE, session_id=" trip ", state=state)
    told += [trip.id, dict(trip.state), len(trip.events)]
    with pytest.raises(AlreadyExistsError):
        await service.create_session(**WHOSE, session_id="trip")
    made = await service.create_session(**WHOSE)
    other = await service.create_session(app_name="trips", user_id="tom", session_id="trip")
    told += [made.state, other.state, len({made.id, trip.id})]
    event = _event("hello", **{"a": 2, "b": [1], "user:u": 5, "app:q": 6, "temp:t": 7})
    event.timestamp = 1_000.0
    await service.append_event(trip, event)
    told += [dict(trip.state), _texts(trip), (await service.append_event(trip, event)).id == event.id]
    for n in range(3):
        later = _event(f"{n}")
        later.timestamp = 2_000.0 + n
        await service.append_event(trip, later)
    partial = _event("part", ignored=1)
    partial.partial = True
    await service.append_event(trip, partial)
    for config in (
        *(None, GetSessionConfig(num_recent_events=2), GetSessionConfig(num_recent_events=0)),
        *(GetSessionConfig(after_timestamp=2_001.0), GetSessionConfig(after_timestamp=2_000.0, num_recent_events=1)),
    ):
        found = await service.get_session(**WHOSE, session_id="trip", config=config)
        assert found is not None
        told += [_texts(found), found.state, found.last_update_time]
    told.append(await service.get_session(app_name="trips", user_id="nobody", session_id="trip"))
    told.append(await service.get_user_state(**WHOSE))
    told.append(await service.get_user_state(app_name="trips", user_id="nobody"))
    listed = (await service.list_sessions(**WHOSE)).sessions
    told += [{each.user_id for each in listed}, len(listed), sum(len(each.events) for each in listed), listed[0].id]
    told.append(len((await service.list_sessions(app_name="trips")).sessions))
    await service.delete_session(**WHOSE, session_id="trip")
    await service.delete_session(**WHOSE, session_id="trip")
    told += [await service.get_session(**WHOSE, session_id="trip"), await service.get_user_state(**WHOSE)]
    with pytest.raises(SessionNotFoundError):
        await service.append_event(trip, _event("too late"))
    told.append(len((await service.list_sessions(app_name="trips", user_id="tom")).sessions))
    again = await service.create_session(**WHOSE, session_id="trip")
    told += [again.state, again.events]
    return told


async def test_an_event_is_an_event(service: StenogramSessionService, gateway: Gateway) -> None:
    trip = await service.create_session(**WHOSE, session_id="trip")
    image = Part.from_bytes(data=b"\x00\xff" * 300_000, mime_type="image/png")
    event = Event(author="user", content=Content(role="user", parts=[image]))
    await service.append_event(trip, event)
    async with StenogramSessionService(gateway.url, participant="concierge") as other:
        found = await other.get_session(**WHOSE, session_id="trip")
        assert found is not None
        assert found.events == [event]
    async with Client(gateway.url, participant="concierge") as client:
        kinds = [each.type for each in (await client.page("trip", types=["x.*"])).events]
    assert kinds[0] == "x.google_adk.created"
    assert kinds[-1] == "x.google_adk.event"


async def test_of_two_that_delete_a_session_none_spoils_it(gateway: Gateway, service: StenogramSessionService) -> None:
    await service.create_session(**WHOSE, session_id="trip")
    record = {"app": "trips", "user": "maya", "id": "trip"}
    async with Client(gateway.url, participant="concierge") as client:
        for _ in range(2):  # at the same time: neither has read that the other does so
            event = {"type": "x.google_adk.deleted", "data": {"record": record}, "about": "google_adk"}
            await client.do("trip", "custom.record", event)
    assert await service.get_session(**WHOSE, session_id="trip") is None
    assert (await service.create_session(**WHOSE, session_id="trip")).id == "trip"
