"""Durable appends: through the WebSocket at a gateway as it is by default, beside raw group commits in process and the
library's recorder at its best.

Every appender waits for its acknowledgement, which comes after the commit, before it sends its next delta. `sockets`
is the hard case: each appender has a connection of its own. `shared` is a program that runs 16 agents over each
connection, `64 a frame` one that sends 64 commands in each message. These gateways keep the built-in views meanwhile,
as every gateway does that is not told otherwise; `shared, no views` does not.

Neither the gateway nor the baselines are pinned to a core here: each has a thread that writes beside the one that
decides, and views are folded in a process. The load client takes little of its core.
"""

from harness import Bench, Figures, Side, baseline
from table import Goal, Table

APPENDERS = (1, 16, 256, 2_000)
SESSIONS = 100
STORED = 345  # bytes of an event in the log, for a text of 200


def run(bench: Bench) -> Table:
    table = Table(
        "Durable appends (SQLite, synchronous=FULL)",
        ("appenders", "how", "acks/s", "p50 ms", "p99 ms", "÷ raw", "÷ library", "server µs/ack"),
    )
    for appenders in bench.sizes(APPENDERS):
        found = bench.interleave(f"appends {appenders}", _sides(bench, appenders))
        raw, library = found["raw group commit"]["acks"], found["library at its best"]["acks"]
        for side, f in found.items():
            ratios = (f["acks"] / raw, f["acks"] / library)
            table.rows.append((appenders, side, f["acks"], f["ack p50"], f["ack p99"], *ratios, f.get("cpu", "–")))
        if appenders == 256:
            for side in ("sockets", "shared", "64 a frame"):
                table.goals.append(Goal(f"at 256: {side} ÷ raw", found[side]["acks"] / raw, 0.4))
        if appenders == 1:
            table.goals.append(Goal("alone: p50 in ms", found["sockets"]["ack p50"], 2, at_most=True))
    return table


def _sides(bench: Bench, appenders: int) -> dict[str, Side]:
    sides: dict[str, Side] = {
        "library at its best": lambda: _baseline(bench, "library.py", appenders),
        "raw group commit": lambda: _baseline(bench, "group_commit.py", appenders),
        "sockets": lambda: _through_socket(bench, appenders, 1, 1),
    }
    if appenders > 16 or bench.smoke:
        sides["shared"] = lambda: _through_socket(bench, appenders, 16, 1)
        sides["64 a frame"] = lambda: _through_socket(bench, appenders, 64, 64)
        sides["shared, no views"] = lambda: _through_socket(bench, appenders, 16, 1, views="none")
    return sides


def _baseline(bench: Bench, script: str, appenders: int) -> Figures:
    with bench.database() as path:
        return baseline(script, path, appenders, bench.seconds(2), STORED)


def _through_socket(bench: Bench, appenders: int, per_connection: int, batch: int, views: str = "") -> Figures:
    with (
        bench.database() as path,
        bench.gateway(log=path, sessions=SESSIONS, unpinned=True, views=views) as server,
    ):
        load = bench.load(
            server,
            appenders=appenders,
            sessions=SESSIONS,
            per_connection=per_connection,
            batch=batch,
            warmup=bench.seconds(1),
            seconds=bench.seconds(2),
        ).check()
        cpu = load.server_share / max(1.0, load.acks) * 1e6
        return {"acks": load.acks, **load.quantiles("ack"), "cpu": cpu, "client": load["cpu"]}
