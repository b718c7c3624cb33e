"""The description at /openapi.json is true: schemathesis, which holds a server to it, finds nothing.

It sends what the description allows and what it forbids, in every way that it knows, and follows links between
operations. It tries the routes of an application's views and of two built-in ones, which are described by the same code
as the others', and what stands around a command with one command. All of them, and more examples:

    STENOGRAM_TEST_OPERATIONS=all STENOGRAM_TEST_EXAMPLES=100 pytest tests/live/test_openapi.py
"""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.thorough

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("STENOGRAM_TEST_EXAMPLES", "5")
TRIED = ("sessions", "transcript", "usage", "words", "mentions")
OTHERS = f"/v1/views/(?!({'|'.join(TRIED)})(/|$))"
STREAMS = r"/v1/(agui/(threads/|agent/\{agent\}/(run|connect))|ai/agent/\{agent\}/chat($|/\{chat\}/stream))"
STREAMS += r"|/v1/(langchain/threads/\{thread\}/(stream/|commands)|tanstack_ai/)|/v1/stream/__ds/"
"""What ends only when somebody ends it, or makes sense only in order; `tests/frontends` and
`test_durable_streams_input.py` send what is wrong."""
DESCRIPTION = "/openapi.json"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
ALL = os.environ.get("STENOGRAM_TEST_OPERATIONS") == "all"


@pytest.mark.slow
@pytest.mark.timeout(300 + (20 if ALL else 6) * int(EXAMPLES))  # it works through every command
async def test_schemathesis_finds_nothing(
    serve: Callable[..., Awaitable[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    gateway = await serve(views="", projection="custom_views:all_of_them", durable_streams_poll=0.05)
    operations = await _described(gateway.url)
    await _views_are_built(gateway.url)
    skipped = STREAMS if ALL else f"{OTHERS}|{STREAMS}"
    tried = [path for path in operations if not re.match(skipped, path)]
    arguments = ["run", f"{gateway.url}{DESCRIPTION}", "--max-examples", EXAMPLES, "--no-color"]
    arguments += ["--exclude-path-regex", skipped]
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        env={"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "schema_hooks", "STENOGRAM_TEST_OPERATIONS": "all" * ALL},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()
    assert f"Selected: {len(tried)}/{len(operations)}\n  Tested: {len(tried)}\n" in said.decode()
    assert await gateway.terminate() == 0
    assert "Traceback" not in gateway.stderr


async def _described(url: str) -> list[str]:
    """The path of each operation that the gateway describes, but for the description itself: schemathesis reads it, and
    does not count it."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}{DESCRIPTION}") as response:
        paths = (await response.json())["paths"]
    return [path for path, methods in paths.items() if path != DESCRIPTION for _ in methods.keys() & METHODS]


async def _views_are_built(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(40):
        while True:
            async with http.get(f"{url}/v1/views") as response:
                views = (await response.json())["views"]
            if all("position" in each for each in views):
                return
            await asyncio.sleep(0.05)
