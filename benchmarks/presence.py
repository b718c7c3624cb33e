"""Presence: what it costs that participants are watched over while nothing changes. Heartbeats write nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from harness import Bench, Figures, Server, token
from support.wire import Wire
from table import Goal, Table

SESSIONS, AGENTS = 200, 3
EVERY = 5.0
"""Seconds between the heartbeats of one participant: what a gateway asks for by default."""
SECONDS = 20


def run(bench: Bench) -> Table:
    table = Table("Presence", ("sessions", "participants", "CPU of a core", "writes"))
    sessions = bench.size(SESSIONS)
    found = bench.interleave("presence", {"gateway": lambda: asyncio.run(_measure(bench, sessions))})["gateway"]
    table.rows.append((sessions, sessions * AGENTS, found["cpu"], found["writes"]))
    table.goals.append(Goal("share of a core, in percent", found["cpu"] * 100, 5, at_most=True))
    table.goals.append(Goal("commits while nothing changes", found["writes"], 0, at_most=True))
    return table


async def _measure(bench: Bench, sessions: int) -> Figures:
    with bench.database() as path, bench.gateway(log=path, sessions=sessions) as server:
        async with _present(server, sessions) as wires:
            beating = asyncio.create_task(_beat(wires))
            await asyncio.sleep(bench.seconds(EVERY))
            before, used, began = server.ask("stats"), server.cpu, time.monotonic()
            await asyncio.sleep(bench.seconds(SECONDS))
            cpu, after = (server.cpu - used) / (time.monotonic() - began), server.ask("stats")
            beating.cancel()
            if after["position"] != before["position"]:
                raise RuntimeError("somebody was taken for lost who sends heartbeats")
            return {"cpu": cpu, "writes": after["commits"] - before["commits"]}


@asynccontextmanager
async def _present(server: Server, sessions: int) -> AsyncIterator[list[Wire]]:
    """Everyone, joined to their sessions."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        wires = []
        for number in range(sessions * AGENTS):
            wire = await Wire.open(http, f"http://127.0.0.1:{server.port}", token=token(f"a{number}"))
            await wire.command(f"b{number % sessions}", "presence.join", {})
            wires.append(wire)
        yield wires


async def _beat(wires: list[Wire]) -> None:
    """Heartbeats of all, evenly spread. Their answers are read, or the gateway would take them for slow."""
    while True:
        for wire in wires:
            await wire.send({"frame": "heartbeat"})
            await wire.step()
            await asyncio.sleep(EVERY / len(wires))
