"""A gateway that says what it has: `python -m support.churn.gateway SETTINGS [hasty]`, with settings as JSON.

It prints its address. For each line on standard input it prints a line of JSON: how many tasks, descriptors and threads
there are, how many connections and their handlers, and how many MB are resident. A hasty one waits for little.
"""

import asyncio
import gc
import logging
import os
import sys
import threading
from pathlib import Path

import orjson
from aiohttp.web_protocol import RequestHandler

from stenogram.api import server
from stenogram.api.loop.factory import loop_factory
from stenogram.api.loop.gc_tuning import tune_gc
from stenogram.api.settings import Settings
from stenogram.api.transport import sse_server, tcp_connections, websocket_connection, websocket_server


def make_hasty() -> None:
    """Let it wait less for what never comes."""
    for module, name, seconds in (
        (tcp_connections, "FIRST_REQUEST_S", 0.7),
        (tcp_connections, "INSPECT_EVERY_S", 0.1),
        (server, "IDLE_S", 0.7),
        (websocket_server, "HELLO_TIMEOUT_S", 0.7),
        (websocket_server, "INSPECT_EVERY_S", 0.1),
        (websocket_connection, "LINGER_S", 0.5),
        (sse_server, "LINGER_S", 0.5),
    ):
        assert hasattr(module, name)
        setattr(module, name, seconds)


def counts(gateway: server.Gateway) -> dict[str, float]:
    """What this process has, garbage apart."""
    gc.collect()
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
    if "hasty" in sys.argv[2:]:
        make_hasty()
    tune_gc()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(Settings(**orjson.loads(sys.argv[1]))))
