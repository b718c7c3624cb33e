"""Cascades and long sessions: what it costs to end much at once, or a little where much has been, and what others
notice of it. Mostly ratios, because both sides run on the same machine in the same minute."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
from harness import Bench, Figures, token
from support.wire import Wire
from table import Goal, Table

TASKS, CHAIN, MESSAGES, DELTAS, RESENT, PRESENT, SIGNALS = 8_000, 1_000, 60_000, 20_000, 200, 1_000, 6_000
Connect = Callable[[str], Awaitable[Wire]]
TOGETHER = 256
"""Commands in one message: as many as a gateway takes."""
DUE_EVERY = 0.005
"""Seconds between the bystander's commands, which count from when they are due."""
LONG = 3_600.0
"""Seconds of lease: nobody is to be lost meanwhile."""
WATCHED = 1.0
"""Seconds from the cancel on in which the bystander's delays count."""
EACH = 50
"""Commands of which each is waited for alone, where their median counts."""


def run(bench: Bench) -> Table:
    sizes = [bench.size(each) for each in (TASKS, CHAIN, MESSAGES, DELTAS, RESENT, PRESENT, SIGNALS)]
    f = bench.interleave("cascades", {"gateway": lambda: asyncio.run(_measure(bench, *sizes))})["gateway"]
    tasks, chain, messages, deltas, resent, present, signals = sizes
    table = Table("Cascades and long sessions", ("what", "takes ms", "beside it ms", "ratio"))
    for what, name, beside in (
        (f"cancel {tasks:,} open tasks; beside it as many posts", "cancel", "posts"),
        (f"cancel a chain of {chain:,} parts; beside it as many posts", "chain", "posts of a chain"),
        (f"task.complete after {messages:,} messages; after none", "complete", "complete in an empty one"),
        (f"presence.status of one of {present:,}; of one", "status", "status alone"),
        (f"signal.raise with {signals:,} open; with none", "raise", "raise alone"),
        (f"a delta sent again, of the last {resent:,} of {deltas:,}; sent first", "resent", "delta"),
    ):
        table.rows.append((what, f[name], f[beside], f[name] / f[beside]))
    table.goals.append(Goal(f"seconds to cancel {tasks:,} tasks", f["cancel"] / 1_000, 0.5, at_most=True))
    table.goals.append(Goal("a bystander's ack p99 in that second, in ms", f["bystander p99"], 20, at_most=True))
    ratio = f["complete"] / f["complete in an empty one"]
    table.goals.append(Goal("task.complete in a long session ÷ in an empty one", ratio, 1.5, at_most=True))
    table.notes.append(
        f"The bystander's acks in that second: p50 {f['bystander p50']:.1f} ms, longest {f['bystander max']:.1f} ms; "
        f"before it p50 {f['quiet p50']:.1f} ms, p99 {f['quiet p99']:.1f} ms."
    )
    return table


async def _measure(
    bench: Bench, tasks: int, chain: int, messages: int, deltas: int, resent: int, present: int, signals: int
) -> Figures:
    async with _gateway(bench) as connect:
        return {
            **await _saying(connect, present),
            **await _cancelling(connect, tasks),
            **await _chain(connect, chain),
            **await _completing(connect, messages),
            **await _resending(connect, deltas, resent),
            **await _raising(connect, signals),
        }


async def _cancelling(connect: Connect, tasks: int) -> dict[str, float]:
    """Cancel all work in a session while somebody works in another."""
    worker, bystander = await connect("a0"), await connect("a1")
    posts = await _all(worker, "b0", "message.post", [{"message": f"m{n}", "text": "Hello."} for n in range(tasks)])
    await _all(worker, "b0", "task.create", [{"task": f"t{n}", "title": "T"} for n in range(tasks)])
    quiet = await _delays(bystander, WATCHED)
    watching = asyncio.create_task(_delays(bystander, WATCHED))
    cancel = await _one(worker, "b0", "signal.raise", {"signal": "stop", "kind": "cancel", "target": "session"})
    delays = await watching
    return {
        "posts": posts,
        "cancel": cancel,
        **{f"bystander {name}": value for name, value in _quantiles(delays).items()},
        **{f"quiet {name}": value for name, value in _quantiles(quiet).items()},
    }


async def _chain(connect: Connect, length: int) -> dict[str, float]:
    wire = await connect("a0")
    posts = await _all(wire, "b2", "message.post", [{"message": f"m{n}", "text": "Hello."} for n in range(length)])
    parents: list[dict[str, Any]] = [{}, *({"parent": f"t{n}"} for n in range(length - 1))]
    await _all(wire, "b2", "task.create", [{"task": f"t{n}", "title": "T", **parents[n]} for n in range(length)])
    return {"posts of a chain": posts, "chain": await _one(wire, "b2", "task.cancel", {"task": "t0"})}


async def _completing(connect: Connect, messages: int) -> dict[str, float]:
    wire = await connect("a0")
    found = {}
    for session, number, name in (("b3", 0, "complete in an empty one"), ("b4", messages, "complete")):
        await _all(wire, session, "message.post", [{"message": f"m{n}", "text": "Hello."} for n in range(number)])
        await _all(wire, session, "task.create", [{"task": f"t{n}", "title": "T"} for n in range(EACH)])
        await _all(wire, session, "task.claim", [{"task": f"t{n}"} for n in range(EACH)])
        found[name] = await _each(
            wire, session, "task.complete", [{"task": f"t{n}", "attempt": 1} for n in range(EACH)]
        )
    return found


async def _resending(connect: Connect, deltas: int, resent: int) -> dict[str, float]:
    wire = await connect("a0")
    await _one(wire, "b5", "message.start", {"message": "m"})
    pieces = [{"message": "m", "index": n, "text": "word "} for n in range(deltas)]
    await _all(wire, "b5", "message.delta", pieces[:-EACH])
    first = await _each(wire, "b5", "message.delta", pieces[-EACH:])
    return {"delta": first, "resent": await _each(wire, "b5", "message.delta", pieces[-resent:])}


async def _raising(connect: Connect, signals: int) -> dict[str, float]:
    wire = await connect("a0")

    def steer(number: int) -> dict[str, Any]:
        return {"signal": f"s{number}", "kind": "steer", "target": "agent:a0", "body": number}

    alone = await _each(wire, "b6", "signal.raise", [steer(number) for number in range(EACH)])
    await _all(wire, "b6", "signal.raise", [steer(number) for number in range(EACH, signals)])
    more = [steer(EACH + signals + number) for number in range(EACH)]
    return {"raise alone": alone, "raise": await _each(wire, "b6", "signal.raise", more)}


async def _saying(connect: Connect, present: int) -> dict[str, float]:
    """Statuses of one participant, alone and among many."""
    said = [{"status": "working", "activity": f"Step {number}"} for number in range(EACH)]
    found = {}
    for session, joined, name in (("b7", 1, "status alone"), ("b8", present, "status")):
        for number in range(1, joined):
            other = await connect(f"a{number}")
            await _one(other, session, "presence.join", {"lease": LONG})
            await other.close()
        wire = await connect("a0")
        await _one(wire, session, "presence.join", {"lease": LONG})
        found[name] = await _each(wire, session, "presence.status", said)
    return found


async def _delays(wire: Wire, seconds: float) -> list[float]:
    """The delays of commands in milliseconds, each from when it was due."""
    due, end, delays = time.monotonic(), time.monotonic() + seconds, []
    while due < end:
        await asyncio.sleep(due - time.monotonic())
        await _one(wire, "b1", "message.post", {"message": str(uuid.uuid4()), "text": "Hello."})
        delays.append((time.monotonic() - due) * 1_000)
        due += DUE_EVERY
    return delays


def _quantiles(delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100], "max": ordered[-1]}


async def _one(wire: Wire, session: str, do: str, data: dict[str, Any]) -> float:
    """Milliseconds from a command to its ack."""
    began = time.monotonic()
    answer = await wire.command(session, do, data)
    _check(answer)
    return (time.monotonic() - began) * 1_000


async def _each(wire: Wire, session: str, do: str, all_data: Sequence[dict[str, Any]]) -> float:
    """The median of commands that are sent one after the other."""
    return statistics.median([await _one(wire, session, do, data) for data in all_data])


async def _all(wire: Wire, session: str, do: str, all_data: Sequence[dict[str, Any]]) -> float:
    """Milliseconds for all of them, many in a message."""
    began = time.monotonic()
    for first in range(0, len(all_data), TOGETHER):
        frames = [
            {"frame": "command", "id": str(uuid.uuid4()), "session": session, "do": do, "data": data}
            for data in all_data[first : first + TOGETHER]
        ]
        await wire.send(*frames)
        await wire.until(partial(_all_answered, wire, frames))
        for frame in frames:
            _check(wire.answers.pop(str(frame["id"])))
    return (time.monotonic() - began) * 1_000


def _all_answered(wire: Wire, frames: Sequence[dict[str, Any]]) -> bool:
    return all(frame["id"] in wire.answers for frame in frames)


def _check(answer: dict[str, Any]) -> None:
    if answer["frame"] != "ack":
        raise RuntimeError(f"a command was refused: {answer}")


@asynccontextmanager
async def _gateway(bench: Bench) -> AsyncIterator[Connect]:
    """A gateway with its log on the disk; connects participants to it."""
    with bench.database() as path, bench.gateway(log=path, sessions=9) as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

            async def connect(participant: str) -> Wire:
                return await Wire.open(http, f"http://127.0.0.1:{server.port}", token=token(participant))

            yield connect
