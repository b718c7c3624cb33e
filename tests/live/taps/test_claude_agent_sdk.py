"""What the tap of the Claude Agent SDK does beside what all taps do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, query
from support.claude_team import SESSION, Scripted, result, returns, says, uses
from support.taps import brought, claimed, recorded

from stenogram.adapters.taps.claude_agent_sdk import ClaudeAgentSDKTap
from stenogram.adapters.taps.tap import RunStopped
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough
SLOW = says("m-1", [{"type": "text", "text": "I look for a hotel in Lisbon and in Porto."}], pause=0.05)


async def test_a_tool_that_fails_has_its_text_as_the_error_and_its_result(gateway: Gateway) -> None:
    lines = [
        *says("m-1", [uses("c-1", "Bash", command="ls")]),
        returns("c-1", "no such file", is_error=True),
        result(""),
    ]
    async with ClaudeAgentSDKTap(gateway.url) as tap:
        async for _ in tap.watch(query(prompt="?", transport=Scripted(lines))):
            pass
    found = await recorded(gateway.url, SESSION)
    (called,) = found.calls.values()
    assert (called.tool, called.arguments, called.result, called.error) == (
        "bash",
        {"command": "ls"},
        "no such file",
        "no such file",
    )


@pytest.mark.parametrize("steers", [False, True])
async def test_a_client_is_interrupted_and_told_from_the_session(gateway: Gateway, steers: bool) -> None:
    answered = asyncio.Event()
    transport = Scripted([*SLOW, answered, result("Done.")])
    claude = ClaudeSDKClient(ClaudeAgentOptions(include_partial_messages=True), transport=transport)
    async with (
        ClaudeAgentSDKTap(gateway.url) as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session(SESSION) as maya,
        claude,
    ):

        async def work() -> None:
            await claude.query("A hotel?")
            async for _ in tap.watch(claude.receive_response(), "A hotel?", claude):
                pass

        working = asyncio.ensure_future(work())
        await maya.live.until(lambda: claimed(maya))
        if steers:
            signal = await maya.signals.steer("agent:claude", "With a view.")
        else:
            signal = await maya.signals.cancel("agent:claude")
        assert (await maya.signals.settled(signal)).status == "closed"
        answered.set()
        await working
        found = await recorded(gateway.url, SESSION, beside=["maya"])
    (last,) = found.runs.values()
    assert transport.interrupted is not steers
    assert transport.heard == (["A hotel?", "With a view."] if steers else ["A hotel?"])
    assert last.type == ("task.completed" if steers else "task.cancelled")
    assert not found.open


async def test_a_query_is_stopped_at_its_next_message(gateway: Gateway) -> None:
    async with (
        ClaudeAgentSDKTap(gateway.url) as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session(SESSION) as maya,
    ):
        told = asyncio.Event()

        async def work() -> None:
            async for _ in tap.watch(query(prompt="?", transport=Scripted([*SLOW, told, result("Done.")]))):
                pass

        working = asyncio.ensure_future(work())
        await maya.live.until(lambda: claimed(maya))
        await brought(maya, await maya.signals.cancel("agent:claude"))
        told.set()
        with pytest.raises(RunStopped):
            await working
        found = await recorded(gateway.url, SESSION, beside=["maya"])
    (last,) = found.runs.values()
    assert last.type == "task.cancelled"
    assert not found.open
