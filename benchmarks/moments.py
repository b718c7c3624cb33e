"""Moments: how soon a gateway tells what a long session was at any version, and what its timeline takes."""

from pathlib import Path

from harness import Bench, baseline
from long_session import fill
from table import Goal, Table

EVENTS = 100_000
MOMENTS = 200


def run(bench: Bench) -> Table:
    table = Table("Moments of one session", ("what", "p50 ms", "p99 ms", "rows"))
    events, asked = (2_000, 20) if bench.smoke else (EVENTS, MOMENTS)
    with bench.database() as log:
        views = Path(log.parent, "views.db")
        fill(log, events)
        baseline("moments.py", "prepare", log, views, asked)
        found = bench.interleave(
            "moments",
            {
                "moments": lambda: baseline("moments.py", "ask", log, views, asked),
                "fold": lambda: baseline("moments.py", "fold", log, views, asked),
            },
        )
    asked_of, folded = found["moments"], found["fold"]
    for view in ("state", "agents"):
        table.rows.append((f"{view} at a random version", asked_of[f"{view} p50"], asked_of[f"{view} p99"], "–"))
    table.rows.append(("state, folded from version 1", folded["p50"], folded["p99"], "–"))
    for what in ("timeline from far away", "spans of one screen", "all spans"):
        table.rows.append((what, asked_of[f"{what} p50"], asked_of[f"{what} p99"], asked_of[f"{what} rows"]))
    table.goals.append(Goal("state at a random version, warm: p99 in ms", asked_of["state p99"], 50, at_most=True))
    return table
