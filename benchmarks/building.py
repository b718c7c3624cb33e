"""Acknowledgements while views are being built: what agents get who write while a gateway builds every built-in view
from a log that is there.

By default a process beside the gateway folds them; the other sides are a gateway without views, and one that folds them
itself (`--views-in gateway`). Each begins to build when it starts, so the measure begins with the first connection.
"""

import shutil
import tempfile
from pathlib import Path

from harness import Bench, Figures
from long_session import fill
from table import Table

EVENTS, TEAMS = 400_000, 100
AGENTS = (1, 256)
SIDES = {"without views": ("none", "process"), "in a process": ("", "process"), "in the gateway": ("", "gateway")}


def run(bench: Bench) -> Table:
    table = Table(
        "Acks while all built-in views are built", ("appenders", "views", "acks/s", "p50 ms", "p99 ms", "÷ without")
    )
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        log = Path(folder, "log.db")
        fill(log, 2_000 if bench.smoke else EVENTS, sessions=20 if bench.smoke else TEAMS)
        for agents in bench.sizes(AGENTS):
            sides = {name: lambda how=how: _measure(bench, log, agents, *how) for name, how in SIDES.items()}  # noqa: B023
            found = bench.interleave(f"building {agents}", sides)
            without = found["without views"]["acks"]
            for side, f in found.items():
                table.rows.append((agents, side, f["acks"], f["ack p50"], f["ack p99"], f["acks"] / without))
    return table


def _measure(bench: Bench, log: Path, agents: int, views: str, views_in: str) -> Figures:
    with bench.database() as path:
        shutil.copy(log, path)
        options = {"log": path, "sessions": 10, "unpinned": True, "views": views, "views_in": views_in}
        with bench.gateway(**options) as server:
            load = bench.load(
                server,
                appenders=agents,
                sessions=10,
                per_connection=min(16, agents),
                warmup=bench.seconds(0.5),
                seconds=bench.seconds(3),
            ).check()
    return {"acks": load.acks, **load.quantiles("ack")}
