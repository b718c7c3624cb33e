"""Catching up: one client reads a whole session from the disk, beside sqlite3 reading the same rows and no more."""

from harness import Bench, Figures, baseline
from table import Goal, Table

HISTORY = 100_000


def run(bench: Bench) -> Table:
    history = 3_000 if bench.smoke else HISTORY
    with bench.database() as path:
        with bench.gateway(log=path, sessions=1, history=history):
            pass
        sides = {
            "sqlite3": lambda: baseline("reading.py", path, "b0", core=0),
            "gateway": lambda: _measure(bench, path, history),
        }
        found = bench.interleave("catchup", sides)
    ratio = found["gateway"]["events"] / found["sqlite3"]["events"]
    table = Table(f"Catching up with {history:,} events", ("how", "events/s", "÷ sqlite3", "server µs/event"))
    table.rows.append(("sqlite3 reads the rows", found["sqlite3"]["events"], 1.0, "–"))
    table.rows.append(("gateway, to one client", found["gateway"]["events"], ratio, found["gateway"]["cpu"]))
    table.goals.append(Goal("gateway ÷ sqlite3", ratio, 0.5))
    return table


def _measure(bench: Bench, path: object, history: int) -> Figures:
    with bench.gateway(log=path, sessions=0) as server:
        used = server.cpu
        load = bench.load(server, subscribers=1, after=0, until_caught_up=True).check()
        if load["events"] < history:
            raise RuntimeError(f"only {load['events']} of {history} events came")
        return {"events": load.deliveries, "cpu": (server.cpu - used) / load["events"] * 1e6}
