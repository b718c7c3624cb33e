"""Choosing the adapter for a place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..options import Place
from .port import Source


@asynccontextmanager
async def open_source(place: Place) -> AsyncIterator[Source]:
    """Open the log at `place` for reading. Raises LogUnreadable, and LogError when a gateway cannot be reached."""
    if place.is_gateway:
        from .gateway import GatewaySource

        async with GatewaySource(place) as gateway:
            yield gateway
    else:
        from .file import FileSource

        async with FileSource(place.path) as file:
            yield file
