"""PostgreSQL as the log: durable appends through one gateway and two, latency within one and across, catching up; and
what the size of the log costs: appending, following and catching up in a small log and in a large one by turns. The
server is one of our own, with fsync on, on the disk of `--folder`.

Processes are not pinned here: a gateway, a load client and PostgreSQL's own share the cores.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from harness import Bench, Figures, Load, Server, Side, baseline
from support.postgres import PostgresServer, find_binaries, new_log
from table import NO_POSTGRES, Goal, Table

from stenogram.log.postgres.address import Address

APPENDERS = (1, 16, 256, 2_000)
SESSIONS = 100
STORED = 345
RATE = 1_000
HISTORY = 100_000
SIZES = (100_000, 5_000_000)
LAST = "last"  # what the session is called with which the sizes are caught up
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "max_wal_size": "4GB"}

# Events as deltas are, in sessions that nobody writes to: as many rows, as many entries in every index.
FILL = """
    WITH filled AS (
        INSERT INTO {log}.event (position, session, version, subject, type, data, key, time)
        SELECT
            n, 'old' || n %% 1000, n / 1000 + 1, 'message:m', 'message.delta', decode(repeat('61', 345), 'hex'), NULL, n
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    )
    UPDATE {log}.log SET position = %(last)s
"""


def run(bench: Bench) -> Table:
    table = Table(
        "PostgreSQL, synchronous commit",
        ("what", "how", "per s", "p50 ms", "p99 ms", "÷ raw", "÷ library"),
    )
    if find_binaries() is None:
        table.notes.append(NO_POSTGRES)
        return table
    with _server(bench) as server:
        for appenders in bench.sizes(APPENDERS):
            _appends(bench, table, server, appenders)
        _latency(bench, table, server)
        _catching_up(bench, table, server)
        _sizes(bench, table, server)
    return table


@contextmanager
def _server(bench: Bench) -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(dir=bench.folder, prefix="pg-") as folder:
        bench.folder.chmod(0o755)
        server = PostgresServer(Path(folder), **DURABLE)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def _appends(bench: Bench, table: Table, server: PostgresServer, appenders: int) -> None:
    sides: dict[str, Side] = {
        "library, one at a time": lambda: _baseline(bench, server, "library", appenders),
        "library, in batches": lambda: _baseline(bench, server, "batched", appenders),
        "raw group commit": lambda: _baseline(bench, server, "raw", appenders),
        "one gateway": lambda: _through(bench, new_log(server.url), appenders, 1),
        "two gateways": lambda: _through(bench, new_log(server.url), appenders, 2),
    }
    found = bench.interleave(f"postgres appends {appenders}", sides)
    raw, library = found["raw group commit"]["acks"], found["library, one at a time"]["acks"]
    for side, f in found.items():
        row = (f"{appenders} appenders", side, f["acks"], f["ack p50"], f["ack p99"], f["acks"] / raw)
        table.rows.append((*row, f["acks"] / library))
    if appenders == 256:
        table.goals.append(Goal("256 appenders, one gateway ÷ library", found["one gateway"]["acks"] / library, 20))
        table.goals.append(Goal("256 appenders, one gateway ÷ raw", found["one gateway"]["acks"] / raw, 0.35))


def _baseline(bench: Bench, server: PostgresServer, mode: str, appenders: int) -> Figures:
    more = ("--appenders", appenders, "--seconds", bench.seconds(2), "--size", STORED)
    return baseline("postgres.py", mode, server.url, *more)


def _through(bench: Bench, log: str, appenders: int, number: int, prefixes: tuple[str, ...] = ("b", "c")) -> Figures:
    """Load on one gateway, or half of it on each of two; the slower quantiles of the two count."""
    prefixes = prefixes[:number]
    share = max(1, appenders // number)
    options = {
        "appenders": share,
        "sessions": min(SESSIONS, share),
        "per_connection": 16 if share > 16 else 1,
        "warmup": bench.seconds(1),
        "seconds": bench.seconds(2),
    }
    with _gateways(bench, log, prefixes) as gateways:
        running = [
            bench.start_load(gateway, prefix=prefix, **options)
            for gateway, prefix in zip(gateways, prefixes, strict=True)
        ]
        for each in running:
            each.when_ready()
        loads = [each.result().check() for each in running]
    quantiles = [load.quantiles("ack") for load in loads]
    slowest = {name: max(each[name] for each in quantiles) for name in quantiles[0]}
    return {"acks": sum(load.acks for load in loads), **slowest}


@contextmanager
def _gateways(bench: Bench, log: str, prefixes: tuple[str, ...]) -> Iterator[list[Server]]:
    with bench.gateway(log=log, sessions=SESSIONS, prefix=prefixes[0], unpinned=True) as first:
        if len(prefixes) == 1:
            yield [first]
            return
        with bench.gateway(log=log, sessions=SESSIONS, prefix=prefixes[1], unpinned=True) as second:
            yield [first, second]


def _latency(bench: Bench, table: Table, server: PostgresServer) -> None:
    sides: dict[str, Side] = {
        "within one gateway": lambda: _delivery(bench, new_log(server.url), across=False),
        "from one to another": lambda: _delivery(bench, new_log(server.url), across=True),
        "from one to another, polling": lambda: _delivery(bench, f"{new_log(server.url)}&pooler=yes", across=True),
    }
    found = bench.interleave("postgres latency", sides)
    for side, f in found.items():
        row = (f"append→client, {RATE:,}/s", side, f["events"], f["delivery p50"], f["delivery p99"], "–", "–")
        table.rows.append(row)
    across = found["from one to another"]["delivery p50"]
    table.goals.append(Goal("across two gateways at 1,000 events/s: p50 in ms", across, 5, at_most=True))


def _delivery(bench: Bench, log: str, *, across: bool) -> Figures:
    with _gateways(bench, log, ("b", "c")) as (first, second):
        (load,) = _followed(bench, first, second if across else first, "b", {"subscribers": 10})
    return {"events": load.deliveries, **load.quantiles("delivery")}


def _followed(bench: Bench, written: Server, read: Server, prefix: str, *readers: dict[str, object]) -> list[Load]:
    """What readers see of RATE events a second, over ten sessions."""
    options = {"warmup": bench.seconds(1), "seconds": bench.seconds(4), "sessions": 10, "prefix": prefix}
    reading = [bench.start_load(read, **options, **each) for each in readers]
    for each in reading:
        each.when_ready()
    writing = bench.start_load(written, **options, appenders=40, rate=bench.size(RATE))
    writing.when_ready()
    writing.result().check()
    return [each.result().check() for each in reading]


def _catching_up(bench: Bench, table: Table, server: PostgresServer) -> None:
    """One client reads a whole session."""
    log, history = new_log(server.url), _history(bench)
    with bench.gateway(log=log, sessions=1, history=history, unpinned=True):
        pass
    address = Address.parse(log)
    sides: dict[str, Side] = {
        "psycopg reads the rows": lambda: baseline("postgres_reading.py", address.conninfo, address.schema, "b0"),
        "gateway, to one client": lambda: _caught_up(bench, log, "b"),
    }
    found = bench.interleave("postgres catching up", sides)
    raw = found["psycopg reads the rows"]["events"]
    for side, f in found.items():
        row = (f"catching up with {history:,} events", side, f["events"], "–", "–", f["events"] / raw, "–")
        table.rows.append(row)


def _caught_up(bench: Bench, log: str, prefix: str) -> Figures:
    with bench.gateway(log=log, sessions=0, unpinned=True) as server:
        load = bench.load(server, subscribers=1, prefix=prefix, after=0, until_caught_up=True).check()
        return {"events": load.deliveries}


def _sizes(bench: Bench, table: Table, server: PostgresServer) -> None:
    """The same in a small log and in a large one."""
    sizes = (bench.size(SIZES[0]), 2 * bench.size(SIZES[1]) if bench.smoke else SIZES[1])
    logs = {f"{size:,} events stored": _filled(bench, new_log(server.url), size) for size in sizes}
    rounds = count()
    sides: dict[str, Side] = {
        side: lambda log=log: _of_size(bench, log, f"r{next(rounds)}-")  # type: ignore[misc]
        for side, log in logs.items()
    }
    found = bench.interleave("postgres sizes", sides)
    for what, rate, times in (
        ("256 appenders", "acks", "ack"),
        (f"append→client, {RATE:,}/s", "of sessions", "delivery"),
        ("… following the whole log", "of all", "whole"),
    ):
        for side, f in found.items():
            table.rows.append((what, side, f[rate], f[f"{times} p50"], f[f"{times} p99"], "–", "–"))
    table.rows += [("catching up", side, f["events"], "–", "–", "–", "–") for side, f in found.items()]
    small, large = found.values()
    for what, name in {"appends": "acks", "catching up": "events"}.items():
        table.goals.append(Goal(f"{what} in the larger log ÷ in the smaller", large[name] / small[name], 0.8))
    for what, name in {"append→client": "delivery p50", "… following the whole log": "whole p50"}.items():
        ratio = large[name] / small[name]
        table.goals.append(Goal(f"{what}, p50, in the larger log ÷ in the smaller", ratio, 1.2, at_most=True))


def _of_size(bench: Bench, log: str, prefix: str) -> Figures:
    """Appending, following sessions and the whole log while it grows, and catching up with what was written last."""
    appended = _through(bench, log, bench.size(256), 1, (f"{prefix}a",))
    with bench.gateway(log=log, sessions=10, prefix=prefix, unpinned=True) as server:
        some, whole = _followed(bench, server, server, prefix, {"subscribers": 10}, {"subscribers": 1, "all": True})
    p50, p99 = whole.quantiles("delivery").values()
    followed = {"of sessions": some.deliveries, "of all": whole.deliveries, "whole p50": p50, "whole p99": p99}
    return {**appended, **some.quantiles("delivery"), **followed, **_caught_up(bench, log, LAST)}


def _filled(bench: Bench, log: str, size: int) -> str:
    """The log, with so many events, and after them a session to catch up with."""
    with bench.gateway(log=log, sessions=0):
        pass  # makes the log
    _fill(log, size)
    with bench.gateway(log=log, sessions=1, prefix=LAST, history=_history(bench), unpinned=True):
        pass
    return log


def _history(bench: Bench) -> int:
    return 3_000 if bench.smoke else HISTORY


def _fill(log: str, events: int) -> None:
    address = Address.parse(log)
    statement = FILL.format(log=f'"{address.schema}"').encode()
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        for first in range(1, events + 1, 100_000):
            connection.execute(statement, {"first": first, "last": min(first + 99_999, events)})
        connection.execute(f'VACUUM ANALYZE "{address.schema}".event'.encode())
    subprocess.run(["sync"], check=True)
