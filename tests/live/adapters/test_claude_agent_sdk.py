"""Transcripts of the Claude Agent SDK in sessions: the SDK's own suite, and its functions on the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import claude_agent_sdk as sdk
import pytest
from claude_agent_sdk.testing import run_session_store_conformance

from stenogram.adapters.claude_agent_sdk import StenogramSessionStore
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

    Start = Callable[..., Awaitable[Gateway]]

pytestmark = pytest.mark.thorough

SESSION = "3f0e6b1c-7a5d-4c59-9b0e-0d7c6a1b2c3d"


@pytest.fixture
async def store(gateway: Gateway) -> AsyncIterator[StenogramSessionStore]:
    """A store at `gateway`."""
    async with StenogramSessionStore(gateway.url, participant="coder") as made:
        yield made


def _entry(uuid: str, text: str, **more: Any) -> Any:
    at = "2026-05-01T10:00:00.000Z"
    return {"type": "user", "uuid": uuid, "timestamp": at, "message": {"role": "user", "content": text}, **more}


@pytest.mark.parametrize("engine", ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_the_sdks_own_suite_passes(
    request: pytest.FixtureRequest, start: Start, tmp_path: Any, engine: str
) -> None:
    fresh: Callable[[], str] = request.getfixturevalue("fresh_log") if engine == "postgres" else lambda: "memory:"
    made = list[StenogramSessionStore]()

    async def make() -> StenogramSessionStore:
        log = str(tmp_path / f"{len(made)}.db") if engine == "sqlite" else fresh()
        made.append(StenogramSessionStore((await start(log=log)).url, participant="coder"))
        return made[-1]

    await run_session_store_conformance(make)
    for store in made:
        await store.aclose()


async def test_the_sdks_functions_work_on_it(store: StenogramSessionStore) -> None:
    key: sdk.SessionKey = {"project_key": sdk.project_key_for_directory("/app"), "session_id": SESSION}
    said = {"role": "assistant", "content": [{"type": "text", "text": "Done."}]}
    first = _entry("a" * 8, "Fix the login.", sessionId=SESSION, cwd="/app", parentUuid=None)
    second = _entry("b" * 8, "", sessionId=SESSION, cwd="/app", parentUuid="a" * 8) | {
        "type": "assistant",
        "message": said,
    }
    await store.append(key, [first, second])
    (listed,) = await sdk.list_sessions_from_store(store, directory="/app")
    assert (listed.session_id, listed.first_prompt) == (SESSION, "Fix the login.")
    messages = await sdk.get_session_messages_from_store(store, SESSION, directory="/app")
    assert [message.type for message in messages] == ["user", "assistant"]
    await sdk.rename_session_via_store(store, SESSION, "The login", directory="/app")
    (listed,) = await sdk.list_sessions_from_store(store, directory="/app")
    assert listed.custom_title == "The login"
    forked = await sdk.fork_session_via_store(store, SESSION, directory="/app")
    assert len(await sdk.get_session_messages_from_store(store, forked.session_id, directory="/app")) == 2
    await sdk.delete_session_via_store(store, SESSION, directory="/app")
    assert await store.load(key) is None


async def test_batches_that_come_again_and_writers_at_once_lose_nothing(gateway: Gateway) -> None:
    stores = [StenogramSessionStore(gateway.url, participant="coder") for _ in range(3)]
    key: sdk.SessionKey = {"project_key": "app", "session_id": SESSION}
    batches = [[_entry(f"{n}-{i}", "x" * 1_000) for i in range(3)] for n in range(12)]
    await asyncio.gather(*(stores[n % 3].append(key, batch) for n, batch in enumerate([*batches, *batches])))
    loaded = [await store.load(key) for store in stores]
    assert loaded[0] == loaded[1] == loaded[2]
    assert loaded[0] is not None
    assert sorted(each["uuid"] for each in loaded[0]) == sorted(each["uuid"] for batch in batches for each in batch)
    for store in stores:
        await store.aclose()


async def test_a_transcript_is_a_session(store: StenogramSessionStore, gateway: Gateway) -> None:
    key: sdk.SessionKey = {"project_key": "app", "session_id": SESSION}
    await store.append(key, [_entry("a", "é" * 500_000)])
    await store.append({**key, "subpath": "subagents/agent-1"}, [_entry("b", "x")])
    mode: Any = {"type": "mode", "mode": "plan"}  # without a uuid
    await store.append(key, [mode])
    await store.append(key, [mode])
    assert [len(each) for each in (await store.load(key) or [])] == [4, 2, 2]
    async with Client(gateway.url, participant="maya", kind="user") as client:
        assert (await client.page(SESSION, types=["x.*"])).events == []  # not for people
        assert (await client.sessions())["sessions"][0]["labels"] == {"store.claude_agent_sdk": "yes"}
