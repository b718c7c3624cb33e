"""Compare and set: two who book the last seats at once, and neither books a seat that the other one has.

Start a gateway (`stenogram serve`), then run this file. The address can be given in STENOGRAM_URL.
"""

import asyncio
import os
from uuid import uuid4

from stenogram.client import Client, Session
from stenogram.domain.errors import Conflict

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = f"cinema-{uuid4().hex[:6]}"  # one of its own for each run
SEATS = 5


async def book(session: Session, who: str) -> int:
    """Book seats until none is left; how many."""
    booked = 0
    while True:
        seats, version = session.state.get("/seats"), session.state.version
        if not seats:
            return booked
        try:
            await session.state.merge({"seats": seats[1:]}, if_unchanged={"/seats": version})
        except Conflict as conflict:
            print(f"{who} was too late: {conflict.detail}")
            await session.state.wait(lambda _, since=version: session.state.version > since)  # type: ignore[misc]
        else:
            print(f"{who} has {seats[0]}")
            booked += 1


async def agent(name: str) -> int:
    async with Client(URL, participant=name) as client, client.session(SESSION) as session:
        await session.state.wait(lambda value: "seats" in value)
        return await book(session, name)


async def main() -> None:
    async with Client(URL, participant="box-office", kind="service") as client, client.session(SESSION) as session:
        await session.state.merge({"seats": [f"seat {number}" for number in range(1, SEATS + 1)]})
        booked = await asyncio.gather(agent("ann"), agent("ben"))
    print(f"Booked {sum(booked)} of {SEATS} seats.")
    assert sum(booked) == SEATS


asyncio.run(main())
