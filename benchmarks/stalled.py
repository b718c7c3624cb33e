"""Stalled clients: five of a hundred stop reading while 20,000 deliveries a second flow.

What it does to the others, and to the gateway's memory.
"""

from harness import Bench, Figures
from table import Goal, Table

SUBSCRIBERS, STALLED, RATE, AGENTS = 100, 5, 200, 4


def run(bench: Bench) -> Table:
    sides = {"none stalled": lambda: _measure(bench, 0), "5 stalled": lambda: _measure(bench, STALLED)}
    found = bench.interleave("stalled", sides)
    table = Table("Stalled clients", ("", "deliveries/s", "others' p50 ms", "p99 ms", "memory grew by MB"))
    for side, f in found.items():
        table.rows.append((side, f["deliveries"], f["delivery p50"], f["delivery p99"], f["grown"]))
    ratio = found["5 stalled"]["delivery p99"] / found["none stalled"]["delivery p99"]
    table.goals.append(Goal("others' p99: with stalled ÷ without", ratio, 1.25, at_most=True))
    return table


def _measure(bench: Bench, stalled: int) -> Figures:
    seconds = bench.seconds(6)
    with bench.database() as path, bench.gateway(log=path, sessions=1) as server:
        before = server.memory()
        load = bench.load(
            server,
            subscribers=SUBSCRIBERS - stalled,
            stalled=stalled,
            appenders=AGENTS,
            rate=RATE,
            bytes=2_000,
            warmup=bench.seconds(1),
            seconds=seconds,
        ).check()
        grown = server.memory("VmHWM") - before
    return {"deliveries": load.deliveries, **load.quantiles("delivery"), "grown": grown}
