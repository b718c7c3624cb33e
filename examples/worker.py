"""A worker: takes tasks from the board, one after the other. Start it twice, and kill one: the other takes over.

Start a gateway (`stenogram serve`), then run this file, as often as you like, each with a name of its own
(STENOGRAM_NAME), and delegate.py, which puts tasks on the board. Ctrl-C gives back what is being worked on. It ends
when the session (STENOGRAM_SESSION) is closed; one that comes later finds nothing to do, and says so.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from stenogram.client import Client
from stenogram.domain.errors import SessionClosed

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = os.environ.get("STENOGRAM_SESSION", "chores")
NAME = os.environ.get("STENOGRAM_NAME", "worker")
SECONDS = float(os.environ.get("STENOGRAM_SECONDS", "1"))
LEASE = float(os.environ.get("STENOGRAM_LEASE", "15"))


async def model(prompt: Any) -> AsyncIterator[str]:
    """Stands for a language model."""
    words = f"What I found about {prompt} would fill a book, but in short: it is lovely in spring."
    for word in words.split(" "):
        await asyncio.sleep(SECONDS / 17)
        yield f"{word} "


async def work() -> None:
    async with Client(URL, participant=NAME) as client, client.agent(session=SESSION, lease=LEASE) as agent:
        async for task in agent.tasks():
            print(f"{NAME} has {task.title}, attempt {task.attempt}", flush=True)
            async with task:
                async with agent.say(to="users") as message:
                    async for token in model(task.input):
                        await message.write(token)
                await task.complete({"message": message.id})
            print(f"{NAME}: {task.title} is {task.outcome.kind}", flush=True)


async def main() -> None:
    try:
        await work()
    except SessionClosed as closed:
        print(closed.detail)


asyncio.run(main())
