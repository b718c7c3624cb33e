"""Requests that a gateway in this process has begun to serve."""

import asyncio

from stenogram.api.server import Gateway


async def until_open(gateway: Gateway, participant: str, within: float = 30.0) -> None:
    """Wait until a stream, a waiting request or a connection of theirs is open at the gateway."""
    last_seen = gateway.tenants.open[""].last_seen
    async with asyncio.timeout(within):
        while not last_seen.is_connected(participant):  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.01)
