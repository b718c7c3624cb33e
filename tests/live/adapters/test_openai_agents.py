"""Conversations of OpenAI Agents in sessions: runs with a model that is none, in two processes and at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from agents import Session
from agents.memory import SessionSettings
from support.openai_echo import run

from stenogram.adapters.openai_agents import StenogramSession, StenogramSessions
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

    Start = Callable[..., Awaitable[Gateway]]

PROGRAM = """
import asyncio, sys
from support.openai_echo import run

print(asyncio.run(run(*sys.argv[1:])))
"""


async def _in_another_process(url: str, said: str) -> str:
    command = (sys.executable, "-c", PROGRAM, url, said)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


def _item(text: str) -> Any:
    return {"role": "user", "content": text}


def _texts(items: list[Any]) -> list[str]:
    return sorted(each["content"] for each in items)


@pytest.mark.timeout(300)
async def test_a_conversation_goes_on_in_another_process(gateway: Gateway) -> None:
    assert await run(gateway.url, "Lisbon?") == "I know ['Lisbon?']"
    assert await _in_another_process(gateway.url, "In May.") == "I know ['Lisbon?', 'In May.']"
    assert await run(gateway.url, "For two.") == "I know ['Lisbon?', 'In May.', 'For two.']"


async def test_it_is_a_session_of_the_sdk(gateway: Gateway) -> None:
    async with StenogramSessions(gateway.url, participant="concierge") as sessions:
        session = sessions.session("trip")
        assert isinstance(session, Session)
        assert await session.get_items() == []
        assert await session.pop_item() is None
        await session.clear_session()
        await session.add_items([])
        items = [_item("a"), {"type": "function_call", "arguments": "{}", "call_id": "c", "name": "f"}, _item("c")]
        await session.add_items(items)
        assert await session.get_items() == items
        assert await session.get_items(2) == items[1:]
        assert await session.get_items(0) == []
        assert await sessions.session("trip", SessionSettings(limit=1)).get_items() == items[2:]
        assert await session.pop_item() == items[2]
        assert await session.get_items() == items[:2]
        await session.clear_session()
        assert await session.get_items() == []
        await session.add_items([_item("é" * 400_000)])
        assert await session.get_items() == [_item("é" * 400_000)]
        assert await sessions.session("other/one").get_items() == []
    async with Client(gateway.url, participant="concierge") as client:
        kinds = [event.type for event in (await client.page("trip", types=["x.*"])).events]
    assert kinds[:3] == ["x.openai_agents.items", "x.openai_agents.popped", "x.openai_agents.cleared"]
    assert {*kinds[3:-1]} == {"x.openai_agents.piece"}


async def test_writers_at_once_lose_nothing_and_pop_each_item_once(gateway: Gateway) -> None:
    stores = [StenogramSessions(gateway.url, participant="concierge") for _ in range(3)]
    sessions: list[StenogramSession] = [store.session("trip") for store in stores]
    added = [str(n) for n in range(30)]
    await asyncio.gather(*(sessions[int(n) % 3].add_items([_item(n)]) for n in added))
    everywhere = [await session.get_items() for session in sessions]
    assert everywhere[0] == everywhere[1] == everywhere[2]
    assert _texts(everywhere[0]) == sorted(added)
    popped = await asyncio.gather(*(session.pop_item() for session in sessions for _ in range(10)))
    assert _texts(popped) == sorted(added)
    assert await sessions[0].get_items() == []
    for store in stores:
        await store.aclose()


async def test_a_store_that_was_closed_is_used_again(gateway: Gateway) -> None:
    sessions = StenogramSessions(gateway.url, participant="concierge")
    for times in (1, 2):
        await asyncio.gather(
            *(sessions.session("trip").add_items([{"role": "user", "content": str(n)}]) for n in range(4))
        )
        read = await asyncio.gather(*(sessions.session("trip").get_items() for _ in range(4)))
        assert [len(each) for each in read] == [4 * times] * 4
        await sessions.aclose()
