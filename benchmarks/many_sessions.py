"""A hundred sessions with ten subscribers each, as a busy gateway has them.

First 1,000 events a second over all of them, with the time from the commit to the client and from the append to the
client; then more and more events, up to the rate beyond which the 99th percentile passes 50 ms.

Up to 2,000 events a second each agent has a connection of its own and sends every delta as it comes. Beyond that agents
run ten to a connection, as on hosts of agents, and the connection sends every 10 ms what they said meanwhile in one
message. A delta counts from the moment at which it was due, so that this wait is in the figures.
"""

from harness import Bench, Figures
from table import Goal, Table

SESSIONS, SUBSCRIBERS, AGENTS = 100, 1_000, 100
RATES = (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000)
HOSTED = {"per_connection": 10, "batch": 256, "gather": 0.01}
LATE = 50.0  # ms


def run(bench: Bench) -> Table:
    table = Table(
        f"{SESSIONS} sessions, {bench.size(SUBSCRIBERS):,} subscribers",
        ("events/s", "deliveries/s", "append→client p50", "p99 ms", "commit→client p50", "p99 ms", "ack p99", "CPU"),
    )
    most = 0.0
    for rate in bench.sizes(RATES):
        found = bench.interleave(f"sessions {rate}", {"gateway": lambda: _measure(bench, rate)})["gateway"]  # noqa: B023
        quantiles = [found[f"{what} {q}"] for what in ("delivery", "store") for q in ("p50", "p99")]
        table.rows.append((rate, found["deliveries"], *quantiles, found["ack p99"], found["cpu"]))
        if rate == RATES[0]:
            table.goals.append(Goal("at 1,000: commit→client p99 in ms", found["store p99"], 3, at_most=True))
            table.goals.append(Goal("at 1,000: append→client p99 in ms", found["delivery p99"], 8, at_most=True))
        if found["delivery p99"] > LATE or found["share"] < 0.95:
            break
        most = found["deliveries"]
    table.goals.append(Goal("most deliveries/s with p99 ≤ 50 ms", most, 300_000))
    return table


def _measure(bench: Bench, rate: int) -> Figures:
    seconds, warmup, subscribers = bench.seconds(4), bench.seconds(1), bench.size(SUBSCRIBERS)
    with (
        bench.database() as path,
        bench.stamps() as stamps,
        bench.gateway(log=path, sessions=SESSIONS, stamps=stamps) as server,
    ):
        load = bench.load(
            server,
            subscribers=subscribers,
            sessions=SESSIONS,
            appenders=AGENTS,
            rate=rate,
            warmup=warmup,
            seconds=seconds,
            stamps=stamps,
            **(HOSTED if rate > 2_000 else {}),
        ).check()
    share = load.deliveries / (rate * subscribers / SESSIONS)
    return {
        "deliveries": load.deliveries,
        "share": share,
        **load.quantiles("delivery", "store", "ack"),
        "cpu": load.server_share,
    }
