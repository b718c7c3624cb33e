"""The description at /openapi.json is true: schemathesis, which holds a server to it, finds nothing.

It sends what the description allows and what it forbids, in every way that it knows, and follows links between
operations. It tries the routes of an application's views and of two built-in ones, which are described by the same code
as the others'. All of them, and more examples:

    HANSARD_TEST_OPERATIONS=all HANSARD_TEST_EXAMPLES=100 pytest tests/live/test_openapi.py
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

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("HANSARD_TEST_EXAMPLES", "10")


TRIED = ("sessions", "transcript", "usage", "words", "mentions")
OTHERS = f"/v1/views/(?!({'|'.join(TRIED)})(/|$))"
ALL = os.environ.get("HANSARD_TEST_OPERATIONS") == "all"


@pytest.mark.timeout(180 + (20 if ALL else 6) * int(EXAMPLES))  # it works through every command
async def test_schemathesis_finds_nothing(
    serve: Callable[..., Awaitable[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    gateway = await serve(views="", projection="custom_views:all_of_them")
    await _views_are_built(gateway.url)
    arguments = ["run", f"{gateway.url}/openapi.json", "--max-examples", EXAMPLES, "--no-color"]
    if not ALL:
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
    found = re.search(r"Selected: (\d+)/(\d+)", said.decode())
    assert found
    assert int(found[1]) == int(found[2]) if ALL else int(found[1]) > 20
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
