"""Conversations of Pydantic AI in sessions: runs with its test model, and two writers of one conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict, InMemoryConversationStore
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models.test import TestModel

from stenogram.adapters.pydantic_ai import StenogramConversationStore
from stenogram.client import Client

if TYPE_CHECKING:
    from pydantic_ai.conversation_store import ConversationStore

    from stenogram.api.server import Gateway


@pytest.fixture
async def store(gateway: Gateway) -> AsyncIterator[StenogramConversationStore]:
    """A store at `gateway`."""
    async with StenogramConversationStore(gateway.url, participant="concierge") as made:
        yield made


def _agent() -> Agent:
    agent = Agent(TestModel())

    @agent.tool_plain
    def find_hotel(city: str) -> str:
        return f"{city}: Casa Azul"

    return agent


async def _turn(store: ConversationStore, prompt: str, id: str = "trip") -> Conversation:
    conversation = await store.load(id) or Conversation(conversation_id=id)
    result = await _agent().run(prompt, conversation=conversation)
    await store.save(result)
    return result.conversation


def _prompts(conversation: Conversation | None) -> list[object]:
    assert conversation is not None
    parts = [part for each in conversation.messages if isinstance(each, ModelRequest) for part in each.parts]
    return [part.content for part in parts if isinstance(part, UserPromptPart)]


async def test_a_conversation_goes_on_in_another_process(store: StenogramConversationStore, gateway: Gateway) -> None:
    assert await store.load("trip") is None
    said = await _turn(store, "Lisbon?")
    async with StenogramConversationStore(gateway.url, participant="concierge") as other:
        loaded = await other.load("trip")
        assert loaded is not None
        assert loaded.messages == said.messages
        assert loaded.usage == said.usage
        await _turn(other, "In May.")
    assert _prompts(await store.load("trip")) == ["Lisbon?", "In May."]
    assert len((await store.load("trip", limit=2) or Conversation()).messages) == 2


async def test_the_second_stale_writer_gets_a_conflict(store: StenogramConversationStore, gateway: Gateway) -> None:
    await _turn(store, "Lisbon?")
    async with StenogramConversationStore(gateway.url, participant="concierge") as other:
        mine, theirs = await store.load("trip"), await other.load("trip")
        assert mine is not None
        assert theirs is not None
        first = await _agent().run("In May.", conversation=mine)
        second = await _agent().run("In June.", conversation=theirs)
        await store.save(first)
        with pytest.raises(ConversationConflict):
            await other.save(second)
        with pytest.raises(ConversationConflict):
            await other.save(Conversation(conversation_id="trip"))
        assert _prompts(await other.load("trip")) == ["Lisbon?", "In May."]
        await _turn(other, "In June.")
    assert _prompts(await store.load("trip")) == ["Lisbon?", "In May.", "In June."]


async def test_many_writers_lose_nothing(gateway: Gateway) -> None:
    stores = [StenogramConversationStore(gateway.url, participant="concierge") for _ in range(3)]

    async def write(n: int) -> None:
        while True:
            try:
                await _turn(stores[n % 3], f"{n}")
            except ConversationConflict:
                continue
            return

    await asyncio.gather(*map(write, range(6)))
    assert sorted(map(str, _prompts(await stores[0].load("trip")))) == [str(n) for n in range(6)]
    for each in stores:
        await each.aclose()


async def test_it_does_what_the_store_in_memory_does(store: StenogramConversationStore) -> None:
    """Branches, forks, scopes, deletes: the same calls, the same answers."""
    told = [await _story(each) for each in (InMemoryConversationStore(), store)]
    assert told[0] == told[1]


async def _story(store: ConversationStore) -> list[object]:
    told = list[object]()
    first = await _turn(store, "Lisbon?")
    await _turn(store, "In May.")
    entries = await store.load_entries("trip")
    assert entries is not None
    told.append([each.message.kind for each in entries])
    fork = await store.fork("trip", at=4, new_conversation_id="fork", scope="maya")
    told += [len(fork.messages), [each.conversation_id for each in await store.list_conversations()]]
    with pytest.raises(ConversationConflict):
        await store.fork("trip", new_conversation_id="fork")
    await _turn(store, "In June.", "fork")
    told += [_prompts(await store.load(each)) for each in ("trip", "fork")]
    current = await store.load("trip")
    assert current is not None
    branched = await store.branch("trip", at=len(first.messages), expected_revision=current.revision)
    result = await _agent().run("In July.", conversation=branched)
    await store.save(result)
    told.append(_prompts(await store.load("trip")))
    (record,) = [each for each in await store.list_conversations() if each.conversation_id == "trip"]
    told += [len(record.branches), record.branches[0] == entries[-1].id]
    back = await store.branch("trip", from_entry=entries[-1].id, expected_revision=record.revision)
    told.append(_prompts(back))
    told.append([each.conversation_id for each in await store.list_conversations(scope="maya")])
    told.append(await store.load("fork", scope="other"))
    await store.delete("trip")
    told += [await store.load("trip"), _prompts(await store.load("fork"))]  # the fork keeps what it shares
    with pytest.raises(UserError):
        await store.fork("trip")
    await _turn(store, "Again?")
    told.append(_prompts(await store.load("trip")))
    return told


async def test_a_fork_is_a_fork_and_a_save_an_event(store: StenogramConversationStore, gateway: Gateway) -> None:
    plan = BinaryContent(b"\x00\xff" * 400_000, media_type="application/pdf")
    result = await _agent().run(["What is this?", plan], conversation=Conversation(conversation_id="trip"))
    saved = await store.save(result)
    assert (await store.read_entry(saved[0].id)).message == saved[0].message
    with pytest.raises(LookupError):
        await store.read_entry("nothing")
    await store.fork("trip", new_conversation_id="fork")
    async with Client(gateway.url, participant="concierge") as client:
        (forked,) = (await client.page("fork", types=["session.forked"])).events
        assert forked.data.model_dump()["origin"] == "trip"
        kinds = {event.type for event in (await client.page("trip", types=["x.*"])).events}
        assert kinds == {"x.pydantic_ai.saved", "x.pydantic_ai.piece"}
    async with StenogramConversationStore(gateway.url, participant="concierge") as other:
        loaded = await other.load("fork")
        assert loaded is not None
        assert loaded.messages == result.conversation.messages
