"""An agent that streams: its words reach everyone who follows while it still thinks, and survive lost connections.

Start a gateway (`stenogram serve`), then run this file. The address can be given in STENOGRAM_URL.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from stenogram.client import Client

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = os.environ.get("STENOGRAM_SESSION", "stream")


async def model() -> AsyncIterator[str]:
    """Stands for a language model."""
    for token in ("Three ", "hotels ", "fit: ", "Casa Azul, ", "Hotel Lis ", "and O Porto."):
        await asyncio.sleep(0.02)
        yield token


async def main() -> None:
    async with (
        Client(URL, participant="hotels", kind="agent") as client,
        client.session(SESSION, title="Lisbon in May") as session,
    ):
        await session.status("working", "Comparing hotels")
        async with session.tool("search", {"city": "Lisbon"}) as call:
            call.result = ["Casa Azul", "Hotel Lis", "O Porto"]
        async with session.stream_message(to=["users"]) as message:
            async for token in model():
                await message.write(token)
        print(f"Said message {message.id}.")


asyncio.run(main())
