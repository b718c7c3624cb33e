"""A worker for many sessions: it does the hotels of every trip. Start it twice, and kill one: the other takes over.

Start a gateway (`stenogram serve`), then run this file, and put tasks with the input {"kind": "hotel"} on the boards of
sessions whose ids begin with `trip-`. SIGTERM lets it finish what it has; Ctrl-C gives it back.
"""

import asyncio
import os
import signal

from stenogram.client import Agent, ClaimedTask, Worker

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
NAME = os.environ.get("STENOGRAM_NAME", "hotels")
SECONDS = float(os.environ.get("STENOGRAM_SECONDS", "1"))
LEASE = float(os.environ.get("STENOGRAM_LEASE", "15"))

worker = Worker(URL, NAME, sessions="trip-*", concurrency=4, lease=LEASE)


@worker.task("hotel", max_attempts=3)
async def find_hotel(agent: Agent, task: ClaimedTask) -> dict[str, str]:
    print(f"{NAME} has {task.title} of {agent.session.id}, attempt {task.attempt}", flush=True)
    await asyncio.sleep(SECONDS)  # in place of a model that thinks
    return {"hotel": "Casa Azul", "by": NAME}


async def main() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
    async with worker:
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
