"""Those who read the past, in processes of their own: they are begun, told what there is to read, and ended."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson

TESTS = Path(__file__).parents[2]


class Readers:
    """Some processes, each with several readers (`past_readers`). They rest at first."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    @classmethod
    @asynccontextmanager
    async def started(cls, gateways: Sequence[str], processes: int) -> AsyncIterator[Self]:
        """Start them; at the end they are killed if they live."""
        env = {**os.environ, "PYTHONPATH": str(TESTS)}
        begun = []
        try:
            for number in range(processes):
                arguments = ["-m", "support.soak.past_readers", str(number), *gateways]
                pipe = asyncio.subprocess.PIPE
                begun.append(
                    await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe, env=env)
                )
            yield cls(begun)
        finally:
            for process in begun:
                if process.returncode is None:
                    process.kill()
                await process.wait()

    async def tell(self, *, reading: bool, sessions: dict[str, int]) -> None:
        """What there is to read: sessions, each up to a version; and whether they are to read now."""
        line = orjson.dumps({"reading": reading, "sessions": sessions}) + b"\n"
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(line)
            await process.stdin.drain()

    async def ended(self) -> dict[str, Any]:
        """End them; what they saw, together. Raises AssertionError where one of them failed."""
        seen: dict[str, Any] = {}
        for process in self._processes:
            said, _ = await process.communicate(b"")
            assert process.returncode == 0, "a reader of the past failed; it said on stderr why"
            for name, value in orjson.loads(said).items():
                seen[name] = seen.get(name, 0) + value
        return seen
