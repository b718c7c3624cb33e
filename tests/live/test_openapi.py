"""The description at /openapi.json is true: schemathesis, which holds a server to it, finds nothing.

It sends what the description allows and what it forbids, in every way that it knows, and follows links between
operations. More examples: `HANSARD_TEST_EXAMPLES=500 make test ARGS="-k schemathesis"`.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("HANSARD_TEST_EXAMPLES", "10")


OTHERS = "/v1/views/(?!sessions/|transcript/)"
"""Views whose routes are described by the same code as those that are tried: a document's, and those of rows."""


@pytest.mark.timeout(180)  # it works through every command
async def test_schemathesis_finds_nothing(
    serve: Callable[..., Awaitable[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    gateway = await serve(views="", projection="custom_views:all_of_them")
    await _views_are_built(gateway.url)
    arguments = ["run", f"{gateway.url}/openapi.json", "--max-examples", EXAMPLES, "--no-color"]
    arguments += ["--exclude-path-regex", OTHERS]
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schema_hooks"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()
    assert "Selected: 13/39" in said.decode()
    assert await gateway.terminate() == 0
    assert "Traceback" not in gateway.stderr


async def _views_are_built(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        while True:
            async with http.get(f"{url}/v1/views") as response:
                views = (await response.json())["views"]
            if all("position" in each for each in views):
                return
            await asyncio.sleep(0.05)
