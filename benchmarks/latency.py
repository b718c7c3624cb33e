"""Live latency: from an append to its delivery, with a commit between, on a gateway that is not busy
and keeps the built-in views, as by default."""

from harness import Bench, Figures
from table import Table

RATES, SESSIONS = (100, 1_000, 5_000), 10


def run(bench: Bench) -> Table:
    table = Table(
        "Live latency: 10 sessions with a subscriber each",
        ("events/s", "append→client p50", "p99 ms", "ack p50", "p99 ms", "CPU"),
    )
    for rate in bench.sizes(RATES):
        found = bench.interleave(f"latency {rate}", {"gateway": lambda: _measure(bench, rate)})["gateway"]  # noqa: B023
        table.rows.append(
            (rate, *[found[f"{what} {q}"] for what in ("delivery", "ack") for q in ("p50", "p99")], found["cpu"])
        )
    return table


def _measure(bench: Bench, rate: int) -> Figures:
    seconds, warmup = bench.seconds(4), bench.seconds(1)
    with bench.database() as path, bench.gateway(log=path, sessions=SESSIONS, views="") as server:
        load = bench.load(
            server,
            subscribers=SESSIONS,
            sessions=SESSIONS,
            appenders=SESSIONS * 4,
            rate=rate,
            warmup=warmup,
            seconds=seconds,
        ).check()
    return {**load.quantiles("delivery", "ack"), "cpu": load.server_share}
