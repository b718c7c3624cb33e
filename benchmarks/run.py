"""Run the benchmarks: `make bench`, or `python benchmarks/run.py --help`. See docs/explanation/figures.md."""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import Bench, NoCompiler, built_loadgen

BENCHMARKS = (
    "appends",
    "fanout",
    "hot_session",
    "many_sessions",
    "idle",
    "stalled",
    "catchup",
    "reconnect",
    "latency",
    "presence",
    "cascades",
    "projections",
    "building",
    "moments",
    "past",
    "attacks",
    "postgres",
    "ag_ui",
    "taps",
)
FULL, QUICK, SMOKE = 1.0, 0.4, 0.05
SHARED_WITH_TESTS = Path(__file__).resolve().parents[1] / "tests"
"""Where `support` is, which benchmarks import as tests do: servers of PostgreSQL, raw clients."""


def main() -> None:
    sys.path.append(str(SHARED_WITH_TESTS))
    options = parse_options()
    if options.list:
        print(*BENCHMARKS, sep="\n")
        return
    scale = SMOKE if options.smoke else QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.smoke else 3 if options.quick else 5)
    try:
        with built_loadgen() as loadgen, tempfile.TemporaryDirectory(dir=options.folder) as folder:
            bench = Bench(rounds, scale, loadgen, Path(folder), uvloop=not options.no_uvloop)
            run(bench, options.only or BENCHMARKS, options.json)
    except NoCompiler as error:
        sys.exit(str(error))


def run(bench: Bench, names: Sequence[str], told: Path | None) -> None:
    """Print each table as it is there. What has been measured is also written down when one of them fails."""
    print(f"{describe()}; median of {bench.rounds} rounds\n", flush=True)
    try:
        for name in names:
            print(importlib.import_module(name).run(bench), flush=True)
    finally:
        if told:
            told.write_text(json.dumps({"machine": describe(), "results": bench.results}, indent=1))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (5)")
    parser.add_argument("--quick", action="store_true", help="shorter, 3 rounds")
    parser.add_argument("--smoke", action="store_true", help="only see whether they run; the figures mean nothing")
    parser.add_argument("--no-uvloop", action="store_true", help="run the gateway on asyncio's own loop")
    parser.add_argument("--folder", type=Path, help="where to put logs; must be on a real disk (a temporary folder)")
    parser.add_argument("--json", type=Path, help="write every round's figures here")
    return parser.parse_args()


def describe() -> str:
    """The machine."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
