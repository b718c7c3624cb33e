"""Interruptions: an agent that writes is given a new instruction, and then stopped, by somebody who only has its name.

Start a gateway (`stenogram serve`), then run this file. The address can be given in STENOGRAM_URL.
"""

import asyncio
import os
from uuid import uuid4

from stenogram.client import Client

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = f"novel-{uuid4().hex[:6]}"  # one of its own for each run


async def agent() -> None:
    async with Client(URL, participant="writer") as client, client.agent(session=SESSION) as agent:
        async for task in agent.tasks():
            async with task:
                subject = task.input
                while True:  # nothing here asks whether to stop: the block is cancelled
                    subject = task.steer.next_nowait() or subject
                    async with agent.say() as message:
                        await message.write(f"And then there was {subject}. ")
                    await asyncio.sleep(0.05)
            print(f"The writer has stopped: {task.outcome.kind}.")
            return


async def person() -> None:
    async with Client(URL, participant="ann", kind="user") as client, client.session(SESSION) as session:
        task = await session.tasks.create("Write a novel", "a storm")
        await asyncio.sleep(0.3)
        heeded = await session.signals.steer(f"task:{task}", "a calm sea")
        print(f"Steered: {(await session.signals.settled(heeded)).status}.")
        await asyncio.sleep(0.3)
        stopped = await session.signals.cancel(f"task:{task}")
        print(f"Stopped: {(await session.signals.settled(stopped)).status}.")


async def main() -> None:
    await asyncio.gather(agent(), person())


asyncio.run(main())
