"""One client that takes all it can get: what others notice before, meanwhile and afterwards, and what memory it takes.

Each attack has a gateway of its own, as `stenogram serve` runs it, an attacker in a process of its own, and a bystander
in another one, who sends a command every 5 ms. A bystander who is dismissed, or refused, ends the benchmark.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from baselines.attacker import LONG, SAID
from harness import FIRST, HERE, SECRET, Bench, Figures, Server, added_memory, baseline, pin, token
from past import write_sessions
from table import Goal, Table

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.parts import TextPart

SECONDS = 8.0
MOST_RATIO, MOST_MB = 3.0, 256
FEW = ("commands", "patches")
"""What a smoke run tries."""
ATTACKS = {
    "openapi": "no token: `/openapi.json`, 10 at a time",
    "half_open": "no token: 1,000 connections that say nothing, or half a request",
    "hello_pings": "no token: pings instead of a hello",
    "pings": "pings, as many as it can",
    "heartbeats": "heartbeats, 256 a message",
    "progress": "heartbeats with progress on 10,000 tasks",
    "unreadable": "messages that are no JSON",
    "subscriptions": "subscriptions to sessions that do not exist, begun and ended",
    "absent": "100 of these on each of 20 connections, kept",
    "commands": "plain commands, as many in flight as it can",
    "patches": "patches of 1,000 operations on a state of 900 kB, 40 in flight",
    "merges": "merges of 60,000 names, 4 in flight",
    "counters": "small changes of a state of 900 kB, 40 in flight",
    "forks": "forks at past versions of 20,000 events, 64 in flight",
}


class Served(Server):
    """A gateway that `stenogram serve` runs."""

    def __init__(self, process: "subprocess.Popen[str]", said: Path) -> None:
        self.process = process
        while not (found := re.search(r"http://[\d.]+:(\d+)", said.read_text())):
            if process.poll() is not None:
                raise RuntimeError(said.read_text())
            time.sleep(0.05)
        self.told = {"port": int(found[1])}


def run(bench: Bench) -> Table:
    columns = ("attack", "before p50", "p99", "during p50", "p99", "after p50", "p99", "p50 ×", "p99 ×", "adds MB")
    table = Table("One client attacks: somebody else's acks, every 5 ms, in ms", columns)
    names = [name for name in ATTACKS if not bench.smoke or name in FEW]
    for name in names:
        before, during, after, added = _attacked(bench, name)
        ratios = [during[each] / before[each] for each in ("p50", "p99")]
        figures = [each[q] for each in (before, during, after) for q in ("p50", "p99")]
        table.rows.append((ATTACKS[name], *figures, *ratios, added))
        table.goals.append(Goal(f"{name}: p50, times that before", ratios[0], MOST_RATIO, at_most=True))
        table.goals.append(Goal(f"{name}: p99, times that before", ratios[1], MOST_RATIO, at_most=True))
        table.goals.append(Goal(f"{name}: added MB", added, MOST_MB, at_most=True))
    bench.results["attacks"] = {"rows": table.rows}
    return table


def _attacked(bench: Bench, name: str) -> tuple[Figures, Figures, Figures, float]:
    """What the bystander noticed before, during and after, and the most MB that it took."""
    with bench.database() as log:
        if name == "forks":
            said = MessagePosted(message="m", parts=(TextPart(text="Three hotels have rooms. " * 4),))
            many = [said.model_copy(update={"message": f"m{number}"}) for number in range(bench.size(SAID))]
            asyncio.run(write_sessions(log, {LONG: [*many]}))
        with _serving(log) as server:
            url, seconds = f"http://127.0.0.1:{server.port}", bench.seconds(SECONDS)
            time.sleep(min(2.0, seconds))  # the processes beside it are starting
            before = _bystander(url, seconds)
            with added_memory(server) as added, _attacking(url, seconds + 2, name):
                time.sleep(min(1.0, seconds))
                during = _bystander(url, seconds)
            after = _bystander(url, seconds)
    return before, during, after, max(added)


def _bystander(url: str, seconds: float) -> Figures:
    return baseline("bystander.py", url, token("bystander"), seconds, core=1)


@contextlib.contextmanager
def _attacking(url: str, seconds: float, name: str) -> Iterator[None]:
    """An attacker at work, which gives way to the bystander, with whom it shares a core."""
    script = HERE / "baselines" / "attacker.py"
    command = [sys.executable, str(script), url, token("attacker"), str(seconds), name]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=lambda: pin(1, 0))  # noqa: PLW1509
    try:
        yield
        if process.wait():
            raise RuntimeError(f"the attacker failed at {name}")
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _serving(log: Path) -> Iterator[Served]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "stenogram", "serve", "--log", str(log), "--port", "0"],
            stderr=said,
            text=True,
            env={**os.environ, "STENOGRAM_JWT_SECRET": SECRET, "NO_COLOR": "1"},
            preexec_fn=lambda: pin(None, FIRST),  # noqa: PLW1509
        )
        try:
            yield Served(process, Path(said.name))
        finally:
            process.terminate()
            process.wait()
