"""One hot session: 1,000 subscribers, 1,000 events a second, through SQLite with a commit before anyone hears of them.

Ten agents append over connections of their own, in an open loop: a delay counts from when an event was due. They speak
to everyone, and then to agents only, as which all subscribers are known by their tokens.
"""

from harness import Bench, Figures, Side
from table import Goal, Table

SUBSCRIBERS, RATE, AGENTS = 1_000, 1_000, 10


def run(bench: Bench) -> Table:
    subscribers, rate = bench.size(SUBSCRIBERS), bench.size(RATE)
    sides: dict[str, Side] = {
        "everyone": lambda: _measure(bench, subscribers, rate, None),
        "agents": lambda: _measure(bench, subscribers, rate, "agents"),
    }
    all_found = bench.interleave("hot session", sides)
    table = Table(
        f"One hot session: {subscribers:,} subscribers × {rate:,} events/s",
        (
            "to",
            "deliveries/s",
            "append→client p50",
            "p99 ms",
            "commit→client p50",
            "p99 ms",
            "ack p50",
            "p99 ms",
            "CPU",
        ),
    )
    for side, f in all_found.items():
        quantiles = [f[f"{what} {q}"] for what in ("delivery", "store", "ack") for q in ("p50", "p99")]
        table.rows.append((side, f["deliveries"], *quantiles, f["cpu"]))
    found = all_found["everyone"]
    table.goals.append(Goal("share of what was appended that was delivered in time", found["share"], 0.95))
    table.goals.append(Goal("append→client p99 in ms", found["delivery p99"], 50, at_most=True))
    return table


def _measure(bench: Bench, subscribers: int, rate: int, audience: str | None) -> Figures:
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
            audience=audience,
        ).check()
    share = load.deliveries / (subscribers * rate)
    quantiles = load.quantiles("delivery", "store", "ack")
    return {"deliveries": load.deliveries, "share": share, **quantiles, "cpu": load.server_share, "client": load["cpu"]}
