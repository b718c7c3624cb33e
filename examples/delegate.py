"""Delegating: tasks that need each other, put on the board, and their results; any worker does them.

Start a gateway (`stenogram serve`) and at least one worker (worker.py), then run this file. A second run in the same
session (STENOGRAM_SESSION) finds the tasks done, by their `dedupe_key`, and does nothing twice.
"""

import asyncio
import os

from stenogram.client import Client

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = os.environ.get("STENOGRAM_SESSION", "chores")


async def main() -> None:
    async with (
        Client(URL, participant="planner") as client,
        client.session(SESSION, title="Lisbon in May", reopen=True) as session,
    ):
        hotels = await session.tasks.create("Hotels", "hotels in Lisbon", dedupe_key="hotels")
        trams = await session.tasks.create("Trams", "trams in Lisbon", dedupe_key="trams")
        plan = await session.tasks.create("Plan", "a plan of both", needs=[hotels, trams], dedupe_key="plan")
        print("The plan is message", (await session.tasks.result(plan))["message"])
        await session.close("Everything is done.")


asyncio.run(main())
