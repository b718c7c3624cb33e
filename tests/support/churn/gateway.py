"""A gateway that says what it has: `python -m support.churn.gateway SETTINGS [hasty]`, with settings as JSON.

It prints its address. For each line on standard input it prints a line of JSON: how many tasks, descriptors and threads
there are, how many connections and their handlers, and how many MB are resident. Its caches are small, so that they are
full soon and the rest can be seen. A hasty one waits for little.
"""

import asyncio
import ctypes
import gc
import logging
import os
import sys
import threading
from pathlib import Path

import orjson
from aiohttp.web_protocol import RequestHandler

from stenogram.api import server
from stenogram.api.delivery import event_frames, history_reader
from stenogram.api.loop.factory import loop_factory
from stenogram.api.loop.gc_tuning import tune_gc
from stenogram.api.settings import Settings
from stenogram.api.transport import sse_server, tcp_connections, websocket_connection, websocket_server

SMALL = ((event_frames, "KEPT_BYTES", 2**22), (history_reader, "KEPT_BYTES", 2**22))
HASTY = (
    (tcp_connections, "FIRST_REQUEST_S", 4.0),
    (tcp_connections, "INSPECT_EVERY_S", 0.1),
    (server, "IDLE_S", 2.0),
    (websocket_server, "HELLO_TIMEOUT_S", 4.0),
    (websocket_server, "INSPECT_EVERY_S", 0.1),
    (websocket_connection, "LINGER_S", 0.5),
    (sse_server, "LINGER_S", 0.5),
)
_LIBC = ctypes.CDLL(None)


def counts(gateway: server.Gateway) -> dict[str, float]:
    """What this process has, garbage apart."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):  # what was freed goes back to the system
        _LIBC.malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return {
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "connections": len(gateway.tcp_connections),
        "handlers": sum(isinstance(each, RequestHandler) for each in gc.get_objects()),
        "megabytes": int(status.partition("VmRSS:")[2].split()[0]) / 1_024,
    }


async def main(settings: Settings) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with server.running(settings) as gateway:
        print(gateway.url, flush=True)
        while await asked.readline():
            print(orjson.dumps(counts(gateway)).decode(), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    for module, name, value in (*SMALL, *(HASTY if "hasty" in sys.argv[2:] else ())):
        assert hasattr(module, name)
        setattr(module, name, value)
    tune_gc()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(Settings(**orjson.loads(sys.argv[1]))))
