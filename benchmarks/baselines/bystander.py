"""Somebody whom the load does not concern: `bystander.py URL TOKEN SECONDS`.

Sends a command every 5 ms in a session of its own, by a connection of its own, and prints how many milliseconds the
acks took, from when each command was due: p50, p99 and the longest.
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
    delays, session = list[float](), f"bystander-{os.getpid()}"
    async with aiohttp.ClientSession() as http:
        wire = await Wire.open(http, url, token=token)
        await wire.command(session, "session.open", {})
        due = began = time.monotonic()
        while due < began + seconds:
            await asyncio.sleep(due - time.monotonic())
            answer = await wire.command(session, "message.post", {"message": str(uuid.uuid4()), "text": "Hello."})
            if answer["frame"] != "ack":
                raise RuntimeError(f"a command was refused: {answer}")
            delays.append((time.monotonic() - due) * 1_000)
            due += DUE_EVERY
    delays.sort()
    return {"p50": delays[len(delays) // 2], "p99": delays[len(delays) * 99 // 100], "max": delays[-1]}


if __name__ == "__main__":
    main()
