"""Idle subscribers: what each one costs in memory while nothing happens but heartbeats, one every five seconds, as a
gateway asks for by default."""

import time

from harness import Bench, Figures
from table import Goal, Table

SUBSCRIBERS, SESSIONS = (1_000, 10_000), 100
HEARTBEAT_S = 5.0


def run(bench: Bench) -> Table:
    table = Table("Idle subscribers", ("subscribers", "kB each", "connected a second", "CPU with heartbeats"))
    for subscribers in bench.sizes(SUBSCRIBERS):
        found = bench.interleave(f"idle {subscribers}", {"gateway": lambda: _measure(bench, subscribers)})["gateway"]  # noqa: B023
        table.rows.append((subscribers, found["kB"], found["connects"], found["cpu"]))
        table.goals.append(Goal(f"{subscribers:,}: kB each", found["kB"], 20, at_most=True))
    return table


def _measure(bench: Bench, subscribers: int) -> Figures:
    seconds = bench.seconds(12)  # two heartbeats of everyone, in a full run
    with bench.database() as path, bench.gateway(log=path, sessions=SESSIONS) as server:
        bench.load(server, subscribers=5, sessions=SESSIONS, warmup=0, seconds=0.1)
        before = server.memory()
        load = bench.start_load(
            server, subscribers=subscribers, sessions=SESSIONS, heartbeat=HEARTBEAT_S, warmup=seconds, seconds=1
        )
        load.when_ready()
        used = server.cpu
        time.sleep(seconds * 0.8)
        cpu, kilobytes = (server.cpu - used) / (seconds * 0.8), (server.memory() - before) * 1024 / subscribers
        return {"kB": kilobytes, "connects": subscribers / load.result()["connecting"], "cpu": cpu}
