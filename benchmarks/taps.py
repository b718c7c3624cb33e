"""Taps: what a token costs a program of three agents that is recorded, beside the same program alone.

Processor time of the program's own process, all threads. At a model's pace (100 tokens a second), where few tokens
share a command, and as fast as the framework goes.
"""

from harness import SECRET, Bench, Figures, Side, baseline
from table import Goal, Table

FRAMEWORKS = ("LangGraph", "OpenAI Agents")
TOKENS = {0.01: 200, 0.0: 5_000}
"""Of each agent, by the seconds between two."""
MOST_US = 50


def run(bench: Bench) -> Table:
    table = Table(
        "Taps, three agents one after the other",
        (
            "framework, pace",
            "alone: µs/token",
            "tapped: µs/token",
            "added",
            "tokens/s alone",
            "tapped",
            "a run: ms alone",
            "tapped",
        ),
    )
    sides: dict[str, Side] = {}
    for framework in FRAMEWORKS:
        for pause, full in TOKENS.items():
            tokens = bench.size(full)
            for tapped in (False, True):
                sides[_name(framework, pause, tapped)] = _side(bench, framework, tokens, pause, tapped)
    found = bench.interleave("taps", sides)
    for framework in FRAMEWORKS:
        for pause in TOKENS:
            alone, tapped_ = (found[_name(framework, pause, tapped)] for tapped in (False, True))
            added = tapped_["cpu_us"] - alone["cpu_us"]
            pace = f"{framework}, {f'{1 / pause:.0f}/s' if pause else 'at full speed'}"
            besides = [side[what] for what in ("per_second", "run_ms") for side in (alone, tapped_)]
            table.rows.append((pace, alone["cpu_us"], tapped_["cpu_us"], added, *besides))
            table.goals.append(Goal(f"{pace}: added µs/token", added, MOST_US, at_most=True))
    return table


def _name(framework: str, pause: float, tapped: bool) -> str:
    return f"{framework} {pause} {'tapped' if tapped else 'alone'}"


def _side(bench: Bench, framework: str, tokens: int, pause: float, tapped: bool) -> Side:
    return lambda: _measure(bench, framework, tokens, pause, tapped)


def _measure(bench: Bench, framework: str, tokens: int, pause: float, tapped: bool) -> Figures:
    if not tapped:
        return baseline("tapped.py", framework, tokens, pause, core=1)
    with bench.gateway() as server:
        return baseline("tapped.py", framework, tokens, pause, f"http://127.0.0.1:{server.port}", SECRET, core=1)
