"""Agents in processes of their own, for tests that end them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Hire = Callable[..., Awaitable[asyncio.subprocess.Process]]


@contextlib.asynccontextmanager
async def hiring(program: Path, **environment: str) -> AsyncIterator[Hire]:
    """Starts agents that run this program, and kills them in the end."""
    hired: list[asyncio.subprocess.Process] = []

    async def hire(url: str, name: str, seconds: float = 60) -> asyncio.subprocess.Process:
        own = {"STENOGRAM_URL": url, "STENOGRAM_NAME": name, "STENOGRAM_SECONDS": str(seconds)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment, **own}
        )
        hired.append(process)
        return process

    yield hire
    for process in hired:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
