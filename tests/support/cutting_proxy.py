"""A proxy that cuts each connection after so many server-sent events, or frames of a WebSocket, by FIN or by RST."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Cut = Literal["fin", "rst"]


class CuttingProxy:
    """Forwards to the `target` port, which may change meanwhile; `cuts` counts."""

    def __init__(self, target: int, after: int, how: Cut) -> None:
        self.target = target
        self.url = ""
        self.cuts = 0
        self._after = after
        self._how = how
        self._serving: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection, in a task of this proxy's."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def aclose(self) -> None:
        """Drop the connections that are left."""
        left = list(self._serving)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_end, writer)
            with contextlib.suppress(ConnectionError, OSError):
                there, here = await asyncio.open_connection("127.0.0.1", self.target, limit=2**24)
                stack.push_async_callback(_end, here)
                asked = asyncio.create_task(_copy(reader, here))
                try:
                    await self._answer(there, writer)
                finally:
                    asked.cancel()
                    await asyncio.gather(asked, return_exceptions=True)

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events, came = 0, b""
        while data := await there.read(2**16):
            came += data
            if came.startswith(b"HTTP/1.1 101 ") and b"\r\n\r\n" in came:
                await self._frames(came, there, writer)
                return
            while (end := came.find(b"\n\n") + 2) > 1:
                writer.write(came[:end])
                events += b"data: " in came[:end]
                came = came[end:]
                if events == self._after:
                    await self._cut(writer)
                    return
            if b"data: " not in came:  # no event has begun
                writer.write(came)
                came = b""
            await writer.drain()

    async def _frames(self, came: bytes, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A WebSocket's answer (RFC 6455 §5.2)."""
        head, _, came = came.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        for _ in range(self._after):
            while (size := _frame_bytes(came)) > len(came):
                if not (data := await there.read(2**16)):
                    return
                came += data
            writer.write(came[:size])
            came = came[size:]
        await self._cut(writer)

    async def _cut(self, writer: asyncio.StreamWriter) -> None:
        await writer.drain()
        self.cuts += 1
        if self._how == "rst":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await asyncio.sleep(0.01)  # or the reset would overtake what was written
            writer.transport.abort()


def _frame_bytes(came: bytes) -> int:
    """How long the first frame is; more than there is while that is not known."""
    more = {126: 2, 127: 8}.get(came[1] & 0x7F, 0) if len(came) >= 2 else 0
    if len(came) < 2 + more:
        return 2 + more
    return 2 + more + (int.from_bytes(came[2 : 2 + more], "big") if more else came[1] & 0x7F)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()


async def _end(writer: asyncio.StreamWriter) -> None:
    """Let go of a connection, with what is still to be sent; of one whose other end does not read, without."""
    writer.close()
    with contextlib.suppress(ConnectionError, OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    writer.transport.abort()


@asynccontextmanager
async def cutting(target: str, after: int, how: Cut) -> AsyncIterator[CuttingProxy]:
    """A proxy in front of a gateway, for the time of the block."""
    proxy = CuttingProxy(int(target.rpartition(":")[2]), after, how)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2**24)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()
