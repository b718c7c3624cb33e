"""Projections: rebuilding a view beside a bare loop and beside the library's runner, and how far views are behind.

All fold the same deltas of a hundred sessions into a small document for each, into the same kind of database.
Besides, all built-in views are built together from a hundred sessions of teams at work, where six of ten events are no
deltas: by the runner, and by a bare loop that calls the same handlers. Processor time is that of the side's own
process, all threads together, without the database's server.
"""

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from harness import Bench, Side, baseline
from long_session import fill as fill_teams
from support.postgres import PostgresServer, find_binaries, new_log
from table import NO_POSTGRES, Goal, Table
from tally import fill

EVENTS = 200_000
OF_LIBRARY = 4_000  # events, for it would take minutes
LIVE = 5_000
TEAMS = 100
ALL = "all built-in views"
ALL_BY_TWO, BARE_ALL = "… by two processes", "… in a bare loop"
BUILT_IN = (ALL, ALL_BY_TWO, BARE_ALL)
GOALS = {"SQLite": 60_000, "PostgreSQL": 30_000}


def run(bench: Bench) -> Table:
    columns = ("database", "how", "events/s", "per CPU second", "÷ bare", "÷ library", "lag p50 ms", "lag p99 ms")
    table = Table("Views", columns)
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        paths = (str(Path(folder, f"{number}.db")) for number in count())
        _measure(bench, table, "SQLite", lambda: next(paths))
    if find_binaries() is None:
        table.notes.append(NO_POSTGRES)
    else:
        with PostgresServer.temporary(fsync="on", shared_buffers="256MB") as server:
            _measure(bench, table, "PostgreSQL", lambda: new_log(server.url))
    return table


def _measure(bench: Bench, table: Table, database: str, new: Callable[[], str]) -> None:
    events = 2_000 if bench.smoke else EVENTS
    log = new()
    fill(log, events)
    teams = new()
    fill_teams(teams, events // 2, sessions=TEAMS)
    sides = _sides(bench, log, events, new)
    sides[ALL] = lambda: baseline("views.py", "built-in", teams, new(), events // 2)
    sides[ALL_BY_TWO] = lambda: baseline("views_parts.py", teams, new(), events // 2, 2)
    sides[BARE_ALL] = lambda: baseline("views.py", "bare-built-in", teams, new(), events // 2)
    found = bench.interleave(f"views {database}", sides)
    bare, lag = found["bare loop"]["events"], found["built-in views, live"]
    rate = {side: found[side]["events"] for side in found if side not in ("built-in views, live", *BUILT_IN)}
    cpu = {side: found[side].get("per cpu second", "–") for side in found}
    together, floor = found[ALL]["events"], found[BARE_ALL]["events"]
    for side in BUILT_IN:
        each = found[side]["events"]
        table.rows.append((database, side, each, cpu[side], each / floor, "–", "–", "–"))
    for side, each in rate.items():
        library = rate["library's runner, synced" if side.endswith("synced") else "library's runner"]
        table.rows.append((database, side, each, cpu[side], each / bare, each / library, "–", "–"))
    table.rows.append((database, "built-in views, live", "–", "–", "–", "–", lag["lag p50"], lag["lag p99"]))
    table.goals += [
        Goal(f"{database}: events/s", rate["runner"], GOALS[database]),
        Goal(f"{database}: events/s, {ALL}", together, 40_000),
        Goal(f"{database}: the same, by two processes", found[ALL_BY_TWO]["events"], 40_000),
        Goal(f"{database}: {ALL} ÷ bare loop", together / floor, 0.6),
        Goal(f"{database}: runner ÷ bare loop", rate["runner"] / bare, 0.6),
        Goal(f"{database}: runner ÷ library's", rate["runner"] / rate["library's runner"], 50),
        Goal(f"{database}: the same, synced", rate["runner, synced"] / rate["library's runner, synced"], 50),
        Goal(f"{database}: lag p99 in ms, built-in views", lag["lag p99"], 100, at_most=True),
    ]


def _sides(bench: Bench, log: str, events: int, new: Callable[[], str]) -> dict[str, Side]:
    few, live = (200, 200) if bench.smoke else (OF_LIBRARY, LIVE)
    return {
        "bare loop": lambda: baseline("views.py", "bare", log, new(), events),
        "runner": lambda: baseline("views.py", "stenogram", log, new(), events),
        "runner, synced": lambda: baseline("views.py", "synced", log, new(), events),
        "library's runner": lambda: baseline("views_library.py", new(), few, "relaxed"),
        "library's runner, synced": lambda: baseline("views_library.py", new(), few, "synced"),
        "built-in views, live": lambda: baseline("views.py", "live", new(), new(), live),
    }
