"""A watcher that resumes: stop it, start it again, and it goes on where it was, without a gap or a duplicate.

Start a gateway (`stenogram serve`) and something that writes (streaming_agent.py), then run this file, more than once.
Its place is kept in a file: the version reached, and the epoch that says of which log. It watches until the session is
closed, or for STENOGRAM_SECONDS.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from stenogram.client import Client, Session
from stenogram.domain.concepts.lifecycle import SessionClosed

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = os.environ.get("STENOGRAM_SESSION", "stream")
SECONDS = float(os.environ.get("STENOGRAM_SECONDS", "60"))
PLACE = Path(os.environ.get("STENOGRAM_PLACE", f"{SESSION}.place"))


def recall() -> dict[str, Any]:
    return dict(json.loads(PLACE.read_text())) if PLACE.exists() else {"after": 0}


def remember(version: int, epoch: str) -> None:
    PLACE.write_text(json.dumps({"after": version, "epoch": epoch}))


async def watch(session: Session, epoch: str) -> None:
    async for event in session.events(**recall()):
        print(f"{event.version:4} {event.actor}: {event.type}")
        # Handled first, remembered second: after a crash between the two the event comes once more, never not at all.
        remember(event.version, epoch)
        if isinstance(event.data, SessionClosed):
            break


async def main() -> None:
    async with Client(URL, participant="ann", kind="user") as client:
        try:
            async with asyncio.timeout(SECONDS):
                await watch(client.session(SESSION), client.epoch)
        except TimeoutError:
            print(f"Enough for now; {PLACE} says where to go on.")


asyncio.run(main())
