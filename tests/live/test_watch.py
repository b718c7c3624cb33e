"""`stenogram watch`: a live session on a terminal, and as lines where there is none."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stenogram.api.server import Gateway
from stenogram.client import Client, Session

WATCH = (sys.executable, "-m", "stenogram", "watch")
SMALL = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm-256color"}


@asynccontextmanager
async def _trip(gateway: Gateway) -> AsyncIterator[Session]:
    async with (
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip", title="A weekend in Lisbon") as session,
    ):
        yield session


async def _has_come(session: Session, descriptor: int, wanted: bytes) -> bytes:
    """Post until what is read has the wanted text: it may not look yet."""
    said = b""
    reading = asyncio.create_task(asyncio.to_thread(os.read, descriptor, 65_536))
    for _ in range(200):
        await session.post("With a view, please.")
        while (await asyncio.wait([reading], timeout=0.1))[0]:
            said += reading.result()
            if wanted in said:
                return said
            reading = asyncio.create_task(asyncio.to_thread(os.read, descriptor, 65_536))
    raise AssertionError(said)


async def test_on_a_terminal_it_shows_the_session_as_it_happens(gateway: Gateway) -> None:
    terminal, theirs = os.openpty()
    async with _trip(gateway) as session:
        process = await asyncio.create_subprocess_exec(
            *(*WATCH, "trip", "--log", gateway.url), stdin=theirs, stdout=theirs, stderr=theirs, env=SMALL
        )
        os.close(theirs)
        try:
            said = await _has_come(session, terminal, b"With a view, please.")
            assert b"\x1b[?1049h" in said, "the second page"
            assert b"A weekend in Lisbon" in said
        finally:
            process.kill()
            await process.wait()
            os.close(terminal)


async def test_without_a_terminal_it_prints_what_is_new(gateway: Gateway) -> None:
    async with _trip(gateway) as session:
        await session.post("From before.")
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec(*WATCH, "trip", "--log", gateway.url, stdout=write)
        os.close(write)
        try:
            said = await _has_come(session, read, b"With a view, please.")
            assert b"From before." not in said
        finally:
            process.kill()
            await process.wait()
            os.close(read)


async def test_a_session_that_is_not_there_is_refused(gateway: Gateway) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*WATCH, "none", "--log", gateway.url), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"none" in said
    assert b"Traceback" not in said
