"""Somebody whom the load does not concern: `bystander.py URL TOKEN SECONDS`.

Sends a command every 5 ms in a session of its own, by a connection of its own, without waiting for the last one's ack,
and prints how many milliseconds the acks took, from when each command was due: p50, p99 and the longest.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.wire import Wire

DUE_EVERY = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(watch(options.url, options.token, options.seconds))))


async def watch(url: str, token: str, seconds: float) -> dict[str, float]:
    session = f"bystander-{os.getpid()}"
    async with aiohttp.ClientSession() as http:
        wire = await Wire.open(http, url, token=token)
        await wire.command(session, "session.open", {})
        wire.answers.clear()
        due_at: dict[str, float] = {}
        delays = list[float]()
        reading = asyncio.create_task(read(wire, due_at, delays))
        due = began = time.monotonic()
        while due < began + seconds:
            await asyncio.sleep(due - time.monotonic())
            id = str(uuid.uuid4())
            due_at[id] = due
            data = {"message": id, "text": "Hello."}
            await wire.send({"frame": "command", "id": id, "session": session, "do": "message.post", "data": data})
            due += DUE_EVERY
            if reading.done():
                break
        async with asyncio.timeout(60):
            while due_at and not reading.done():
                await asyncio.sleep(DUE_EVERY)
        if reading.done():
            await reading  # it was dismissed, or refused
        reading.cancel()
    delays.sort()
    return {"p50": delays[len(delays) // 2], "p99": delays[len(delays) * 99 // 100], "max": delays[-1]}


async def read(wire: Wire, due_at: dict[str, float], delays: list[float]) -> None:
    """Take the time of each ack."""
    while True:
        await wire.step()
        now = time.monotonic()
        for id, answer in wire.answers.items():
            if answer["frame"] != "ack":
                raise RuntimeError(f"a command was refused: {answer}")
            delays.append((now - due_at.pop(id)) * 1_000)
        wire.answers.clear()


if __name__ == "__main__":
    main()
