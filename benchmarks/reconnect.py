"""Everyone comes back at once: 1,000 clients reconnect, each 1,000 events behind, while others follow live.

Pages of the past are read once for all who need them. Those who were there all along should hardly notice.
"""

from harness import Bench, Figures
from table import Goal, Table

RETURNING, SESSIONS, HISTORY, OTHERS, RATE = 1_000, 100, 1_000, 100, 1_000


def run(bench: Bench) -> Table:
    returning, many = bench.size(RETURNING), bench.size(SESSIONS)
    sides = {
        "1 session": lambda: _measure(bench, returning, 1),
        f"{many} sessions": lambda: _measure(bench, returning, many),
    }
    found = bench.interleave("reconnect", sides)
    table = Table(
        f"{returning:,} clients return, each {HISTORY:,} events behind, while {RATE:,} events/s flow",
        ("", "all back after s", "events/s", "page reads", "pages", "others' p50 ms", "p99 ms", "most memory MB"),
    )
    for side, f in found.items():
        figures = [f[name] for name in ("after", "events", "reads", "pages", "delivery p50", "delivery p99", "memory")]
        table.rows.append((side, *figures))
        table.goals.append(
            Goal(f"{side}: page reads beyond the pages there are", f["reads"] - f["pages"], 2, at_most=True)
        )
        table.goals.append(Goal(f"{side}: others' p99 in ms", f["delivery p99"], 300, at_most=True))
    return table


def _measure(bench: Bench, returning: int, sessions: int) -> Figures:
    with bench.database() as path:
        with bench.gateway(log=path, sessions=sessions, history=HISTORY - 2):
            pass
        with bench.gateway(log=path, sessions=0) as server:
            load = bench.load(
                server,
                subscribers=OTHERS,
                returning=returning,
                sessions=sessions,
                appenders=OTHERS,
                per_connection=10,
                rate=RATE,
                warmup=bench.seconds(0.5),
                seconds=1 if bench.smoke else 8,
            ).check()
            if load["returned_after"] < 0:
                raise RuntimeError("not everyone was back in time")
            return {
                "after": load["returned_after"],
                "events": load["returned"] / load["returned_after"],
                "reads": server.ask("stats")["reads"],
                "pages": sessions,
                "memory": server.memory("VmHWM"),
                **load.quantiles("delivery"),
            }
