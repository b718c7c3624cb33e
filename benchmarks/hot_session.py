"""One hot session: 1,000 subscribers, 1,000 events a second, through SQLite with a commit before anyone hears of them.

Ten agents append over connections of their own, in an open loop: a delay counts from when an event was due.
"""

from harness import Bench, Figures
from table import Goal, Table

SUBSCRIBERS, RATE, AGENTS = 1_000, 1_000, 10


def run(bench: Bench) -> Table:
    subscribers, rate = bench.size(SUBSCRIBERS), bench.size(RATE)
    found = bench.interleave("hot session", {"gateway": lambda: _measure(bench, subscribers, rate)})["gateway"]
    table = Table(
        f"One hot session: {subscribers:,} subscribers × {rate:,} events/s",
        ("deliveries/s", "append→client p50", "p99 ms", "commit→client p50", "p99 ms", "ack p50", "p99 ms", "CPU"),
    )
    table.rows.append(
        (
            found["deliveries"],
            *(found[f"{what} {q}"] for what in ("delivery", "store", "ack") for q in ("p50", "p99")),
            found["cpu"],
        )
    )
    table.goals.append(Goal("share of what was appended that was delivered in time", found["share"], 0.95))
    table.goals.append(Goal("append→client p99 in ms", found["delivery p99"], 50, at_most=True))
    return table


def _measure(bench: Bench, subscribers: int, rate: int) -> Figures:
    seconds, warmup = bench.seconds(5), bench.seconds(1.5)
    with (
        bench.database() as path,
        bench.stamps() as stamps,
        bench.gateway(log=path, sessions=1, stamps=stamps) as server,
    ):
        load = bench.load(
            server,
            subscribers=subscribers,
            appenders=AGENTS,
            rate=rate,
            warmup=warmup,
            seconds=seconds,
            stamps=stamps,
        ).check()
    share = load.deliveries / (subscribers * rate)
    quantiles = load.quantiles("delivery", "store", "ack")
    return {"deliveries": load.deliveries, "share": share, **quantiles, "cpu": load.server_share, "client": load["cpu"]}
