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

import pytest

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("HANSARD_TEST_EXAMPLES", "10")


@pytest.mark.timeout(180)  # it works through every command
async def test_schemathesis_finds_nothing(serve: Callable[..., Awaitable[Any]], tmp_path: Path) -> None:
    gateway = await serve()
    arguments = ["run", f"{gateway.url}/openapi.json", "--max-examples", EXAMPLES, "--no-color"]
    program = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *arguments,
        env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "schema_hooks"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()
    assert "8 selected / 8 total" in said.decode()
    assert await gateway.terminate() == 0
    assert "Traceback" not in gateway.stderr
