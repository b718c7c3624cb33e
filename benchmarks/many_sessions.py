"""A hundred sessions with ten subscribers each, as a busy gateway has them.

First 1,000 events a second over all of them, with the time from the commit to the client and from the append to the
client; then more and more events, up to the rate beyond which the 99th percentile passes 50 ms.

Up to 2,000 events a second each agent has a connection of its own and sends every delta as it comes. Beyond that
agents run ten to a connection, as on hosts of agents, and the connection sends every 10 ms what they said meanwhile in
one message. A delta counts from the moment at which it was due, so that this wait is in the figures.

Then at a gateway that keeps the ten built-in views meanwhile; and at one that only reads, beside a process that writes
the log and shares a core with the load client.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from harness import Bench, Figures, Load
from table import Goal, Table

SESSIONS, SUBSCRIBERS, AGENTS = 100, 1_000, 100
RATES = (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000)
RATES_WITH_VIEWS = (1_000, 5_000, 10_000)
RATES_BESIDE = (1_000, 10_000, 20_000, 30_000, 40_000)
HOSTED = {"per_connection": 10, "batch": 256, "gather": 0.01}
LATE = 50.0  # ms


def run(bench: Bench) -> Table:
    columns = ("deliveries/s", "append→client p50", "p99 ms", "commit→client p50", "p99 ms", "ack p99", "CPU")
    title = f"{SESSIONS} sessions, {bench.size(SUBSCRIBERS):,} subscribers"
    table = Table(title, ("written by", "events/s", *columns))
    found = _go_through(bench, table, "the gateway itself", _through, RATES, "delivery")
    table.goals += _soon_enough("at 1,000", found[0])
    table.goals.append(Goal("most deliveries/s with append→client p99 ≤ 50 ms", _most(found, "delivery"), 300_000))
    with_views = partial(_through, views="")
    found = _go_through(bench, table, "the gateway, with views", with_views, RATES_WITH_VIEWS, "delivery")
    table.goals += _soon_enough("at 1,000, with views", found[0])
    found = _go_through(bench, table, "another process", _beside, RATES_BESIDE, "store")
    what = "written by another process: most deliveries/s with commit→client p99 ≤ 50 ms"
    table.goals.append(Goal(what, _most(found, "store"), 300_000))
    return table


def _soon_enough(when: str, found: Figures) -> list[Goal]:
    return [
        Goal(f"{when}: commit→client p99 in ms", found["store p99"], 3, at_most=True),
        Goal(f"{when}: append→client p99 in ms", found["delivery p99"], 8, at_most=True),
    ]


def _go_through(
    bench: Bench,
    table: Table,
    by: str,
    measure: Callable[[Bench, int], Figures],
    rates: tuple[int, ...],
    counts: str,
) -> list[Figures]:
    """Measure at rising rates until one is too much."""
    all_found: list[Figures] = []
    for rate in bench.sizes(rates):
        found = bench.interleave(f"sessions {rate} by {by}", {"gateway": partial(measure, bench, rate)})["gateway"]
        quantiles = [found[f"{what} {q}"] for what in ("delivery", "store") for q in ("p50", "p99")]
        table.rows.append((by, rate, found["deliveries"], *quantiles, found["ack p99"], found["cpu"]))
        all_found.append(found)
        if not _in_time(found, counts):
            break
    return all_found


def _in_time(found: Figures, counts: str) -> bool:
    return found[f"{counts} p99"] <= LATE and found["share"] >= 0.95


def _most(all_found: list[Figures], counts: str) -> float:
    """The most deliveries a second that were in time."""
    return max([found["deliveries"] for found in all_found if _in_time(found, counts)], default=0.0)


def _through(bench: Bench, rate: int, views: str = "none") -> Figures:
    """Agents append through the gateway, which keeps no views or, with "", the ten built-in ones beside the log."""
    with (
        bench.database() as path,
        bench.stamps() as stamps,
        bench.gateway(log=path, sessions=SESSIONS, stamps=stamps, views=views) as server,
    ):
        load = _load(bench) | {"appenders": AGENTS, "rate": rate} | (HOSTED if rate > RATES[1] else {})
        return _figures(bench, rate, bench.load(server, stamps=stamps, **load))


def _beside(bench: Bench, rate: int) -> Figures:
    """Another process appends; the gateway only reads."""
    with (
        bench.database() as path,
        bench.stamps() as stamps,
        bench.appender(log=path, sessions=SESSIONS, stamps=stamps) as appender,
        bench.gateway(log=path, read_only=True) as server,
    ):
        return _figures(
            bench, rate, bench.load(server, partial(appender.tell, f"{rate}"), stamps=stamps, **_load(bench))
        )


def _load(bench: Bench) -> dict[str, Any]:
    subscribers, warmup, seconds = bench.size(SUBSCRIBERS), bench.seconds(1), bench.seconds(4)
    return {"subscribers": subscribers, "sessions": SESSIONS, "warmup": warmup, "seconds": seconds}


def _figures(bench: Bench, rate: int, load: Load) -> Figures:
    share = load.check().deliveries / (rate * bench.size(SUBSCRIBERS) / SESSIONS)
    quantiles = load.quantiles("delivery", "store", "ack")
    return {"deliveries": load.deliveries, "share": share, **quantiles, "cpu": load.server_share, "client": load["cpu"]}
