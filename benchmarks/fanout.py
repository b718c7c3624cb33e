"""Fan-out, one event a frame: an event is written to every subscriber, then the next one, as fast as that goes.

Beside it bare aiohttp, which keeps nothing and knows nobody: `await ws.send_str` for each client, and a frame that is
built once and written to each transport. Nothing is stored on either side; the gateway's window, which would put
several events into a frame when it is busy, is closed.
"""

from harness import Bench, Figures, Server, Side, running
from table import Goal, Table

SUBSCRIBERS = (1, 100, 1_000, 5_000)
BYTES = 200


def run(bench: Bench) -> Table:
    table = Table(
        "Fan-out, one event a frame", ("subscribers", "how", "deliveries/s", "p50 ms", "p99 ms", "÷ transport", "CPU")
    )
    for subscribers in bench.sizes(SUBSCRIBERS):
        found = bench.interleave(f"fanout {subscribers}", _sides(bench, subscribers))
        for side, f in found.items():
            ratio = f["deliveries"] / found["transport"]["deliveries"]
            row = (f["deliveries"], f["delivery p50"], f["delivery p99"], ratio, f["cpu"])
            table.rows.append((subscribers, side, *row))
        if subscribers == 1_000:
            reached = found["gateway"]["deliveries"] / found["transport"]["deliveries"]
            table.goals.append(Goal("at 1,000: gateway ÷ bare transport", reached, 0.85))
    return table


def _sides(bench: Bench, subscribers: int) -> dict[str, Side]:
    def bare(mode: str) -> Figures:
        with running("bare.py", mode) as server:
            return _measure(bench, server, subscribers)

    def gateway() -> Figures:
        with bench.gateway(window=0) as server:
            return _measure(bench, server, subscribers)

    return {"send_str": lambda: bare("send_str"), "transport": lambda: bare("transport"), "gateway": gateway}


def _measure(bench: Bench, server: Server, subscribers: int) -> Figures:
    seconds, warmup = bench.seconds(2), bench.seconds(0.5)
    load = bench.start_load(server, subscribers=subscribers, warmup=warmup, seconds=seconds, bytes=BYTES)
    load.when_ready()
    used = server.cpu
    server.tell(f"feed {BYTES}")
    result = load.result().check()
    cpu = (server.cpu - used) / (seconds + warmup)
    return {"deliveries": result.deliveries, **result.quantiles("delivery"), "cpu": cpu, "client": result["cpu"]}
