"""Pages that run a client of another protocol, in Node."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

WAIT_S = 60.0
"""Seconds that something may take on a machine that is busy with other things."""

MID_SENTENCE = ("planner-5 ", "hotels-5 ", "trams-5 ")
"""The last words that each of a team says before it is let go on."""

Told = dict[str, Any]
OpenClientPage = Callable[..., Awaitable["ClientPage"]]


class ClientPage:
    """A process of Node that says what it sees, a line of JSON each, and does a thing more for each line it is told."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._name = name
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self.seen: list[Told] = []

    async def until(self, wanted: Callable[[Told], object]) -> Told:
        """The next thing said that is wanted."""
        try:
            async with asyncio.timeout(WAIT_S):
                while line := await self._stdout.readline():
                    told: Told = json.loads(line)
                    self.seen.append(told)
                    if wanted(told):
                        return told
        except TimeoutError:
            raise AssertionError(f"{self._name}: it never came; last: {self._last}") from None
        raise AssertionError(f"{self._name}: it ended: {(await self._stderr.read()).decode()[-3_000:]} {self._last}")

    async def shows(self, *words: str) -> None:
        """Wait until it has shown each of these, maybe one after the other."""
        missing = set(words)

        def all_came(told: Told) -> bool:
            said = json.dumps(told)
            missing.difference_update([each for each in missing if each in said])
            return not missing

        for told in self.seen:
            if all_came(told):
                return
        await self.until(all_came)

    async def comes_to(self, wanted: Callable[[Told], object]) -> None:
        """Wait until what it shows as a whole is as wanted."""
        shown = [told for told in self.seen if "shown" in told]
        if not shown or not wanted(shown[-1]):
            await self.until(lambda told: "shown" in told and wanted(told))

    def tell(self) -> None:
        """Have it do what it waits with."""
        self._stdin.write(b"\n")

    async def end(self) -> Told:
        """What it has in the end; one that would follow for ever ends where it is."""
        self._stdin.close()
        return await self.until(lambda told: "messages" in told)

    async def close(self) -> None:
        """Close it, as one closes a tab."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()

    def said(self, word: str) -> bool:
        """Whether something that it has said is this word."""
        return any(f'"{word}"' in json.dumps(told) for told in self.seen)

    @property
    def events(self) -> list[Told]:
        """The events that it has said so far."""
        return [told["event"] for told in self.seen if "event" in told]

    @property
    def _last(self) -> str:
        return json.dumps(self.seen[-3:])[-3_000:]


@asynccontextmanager
async def client_pages(node: str, folder: Path) -> AsyncIterator[OpenClientPage]:
    """Opens pages, by script and what that is given, for the time of the block."""
    async with AsyncExitStack() as stack:

        async def open_page(script: str, **given: Any) -> ClientPage:
            process = await asyncio.create_subprocess_exec(
                *(node, script, json.dumps(given)),
                cwd=folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=2**24,
                env={**os.environ, "DO_NOT_TRACK": "1"},
            )
            page = ClientPage(f"{script} {given}", process)
            stack.push_async_callback(page.close)
            return page

        yield open_page
