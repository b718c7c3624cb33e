"""`stenogram record claude-code`: the process itself, killed, with gateways that die; and what it may not do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from support.claude_code_project import NAME, PROJECT, SESSION, append, lines_in_time

from stenogram.adapters.recordings.claude_code import Transcript, find_sessions, read
from stenogram.api.liveness.last_seen import vouched_in
from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
Serve = Callable[..., Awaitable[Any]]
SECRET = "a secret of at least thirty-two bytes"


def without_place(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if name != "position"}


def imported() -> list[dict[str, Any]]:
    """The events of the import."""
    ((_, files),) = find_sessions([PROJECT])
    return [without_place(orjson.loads(line)) for line in Transcript(SESSION).lines(read(files))]


async def written(http: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """The events of the session in the gateway."""
    async with http.get(f"{url}/v1/sessions/{SESSION}/events?limit=1000&participant=x&kind=agent") as answer:
        return [without_place(each) for each in (await answer.json()).get("events", [])]


@asynccontextmanager
async def recorder(project: Path, state: Path, log: str, *options: str, **env: str) -> AsyncIterator[Any]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "stenogram", "record", "claude-code", str(project)]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--log", log, "--state", str(state), *options),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2))
async def test_killed_again_and_again_and_with_gateways_that_die_it_records_what_the_import_does(
    seed: int, serve: Serve, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    chance, lines, project = random.Random(seed), lines_in_time(), tmp_path / "project"
    project.mkdir()
    gateway = await serve()
    url = gateway.url
    async with AsyncExitStack() as stack:

        async def started() -> Any:
            process = await stack.enter_async_context(recorder(project, tmp_path / "state", url, "--all"))
            assert b"recording" in await process.stderr.readline()
            return process

        process = await started()
        for number, (file, line) in enumerate(lines):
            cut = chance.randint(1, len(line) - 1)
            append(project, file, line[:cut])
            await asyncio.sleep(chance.random() * 0.1)
            append(project, file, line[cut:])
            if number % 12 == 5:
                process.kill()
                await process.wait()
                process = await started()
            if number == 20:
                await gateway.kill()
                await asyncio.sleep(1)
                gateway = await serve(port=url.rpartition(":")[2])
        await asyncio.sleep(2)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        async with recorder(project, tmp_path / "state", url, "--finish") as last:
            assert await last.wait() == 0
    assert await written(http, url) == imported()


async def test_it_records_while_it_goes_on_and_says_who_is_here(
    start: Start, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gateway, project = await start(), tmp_path / "project"
    project.mkdir()
    async with recorder(project, tmp_path / "state", gateway.url) as process:
        await process.stderr.readline()
        for file, line in lines_in_time()[:12]:
            append(project, file, line)

        async def is_there() -> bool:
            return any(each["type"] == "tool.called" for each in await written(http, gateway.url))

        await until(is_there)
        (tenant,) = gateway.tenants.open.values()
        assert tenant.last_seen.was_heard(vouched_in("claude", SESSION))
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


@pytest.mark.thorough
@pytest.mark.parametrize(("scopes", "code"), [(["read:*", "write:*"], 1), (["record:claude-*"], 0)])
async def test_a_gateway_with_keys_wants_the_right_to_record(
    scopes: list[str], code: int, start: Start, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gateway = await start(jwt_secret=SECRET)
    token = jwt.encode({"sub": "recorder", "scopes": scopes, "exp": time.time() + 600}, SECRET, "HS256")
    options = ("--finish", "--token", token)
    async with recorder(PROJECT, tmp_path / "state", gateway.url, *options) as process:
        said = await process.stderr.read()
        assert await process.wait() == code, said
    assert (b"record:claude-" in said) == bool(code)
    reader = jwt.encode({"sub": "ada", "exp": time.time() + 600}, SECRET, "HS256")
    async with http.get(f"{gateway.url}/v1/sessions?token={reader}") as answer:
        assert [each["session"] for each in (await answer.json())["sessions"]] == ([] if code else [SESSION])


async def test_hooks_that_were_installed_say_what_the_transcript_does_not(
    start: Start, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gateway, project, state = await start(), tmp_path / "project", tmp_path / "the state"
    project.mkdir()
    await stenogram(tmp_path, "--install-hooks", "--state", str(state))
    installed = orjson.loads((tmp_path / ".claude" / "settings.json").read_bytes())["hooks"]
    async with recorder(project, state, gateway.url) as process:
        await process.stderr.readline()
        for file, line in lines_in_time()[:12]:
            append(project, file, line)

        async def shows(status: str) -> bool:
            events = await written(http, gateway.url)
            return any(each["data"].get("status") == status for each in events if each["type"] == "presence.status")

        for event, status in (("PreToolUse", "working"), ("Notification", "waiting-for-human"), ("Stop", "idle")):
            said = {"session_id": NAME, "hook_event_name": event, "notification_type": "permission_prompt"}
            (entry,) = installed[event]
            await claude_code(tmp_path, entry["hooks"][0]["command"], said)
            await until(partial(shows, status))
    await stenogram(tmp_path, "--remove-hooks")
    assert (tmp_path / ".claude" / "settings.json").read_text() == "{}\n"


async def stenogram(folder: Path, *options: str) -> None:
    """Run the command there."""
    command = (sys.executable, "-m", "stenogram", "record", "claude-code")
    process = await asyncio.create_subprocess_exec(*command, *options, cwd=folder, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def claude_code(folder: Path, command: str, said: dict[str, Any]) -> None:
    """Call a hook as Claude Code does: by a shell, with what it is about; what it printed would be told the model."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(orjson.dumps(said))
    assert (process.returncode, out) == (0, b"")
