"""The benchmarks run, at a size that says nothing about speed: so that they are there when they are needed.

The suite tries a few; `STENOGRAM_BENCHMARKS=all make test ARGS="-k benchmark"` tries every one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).resolve().parents[2]
NAMES = (
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
TRIED_ALWAYS = ("appends", "many_sessions", "presence")
TRIED = NAMES if os.environ.get("STENOGRAM_BENCHMARKS") == "all" else TRIED_ALWAYS


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("cc") is None, reason="the load client of the benchmarks is written in C")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.postgres) if name == "postgres" else name for name in TRIED]
)
def test_the_benchmark_runs(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if name == "postgres":
        request.getfixturevalue("postgres")  # skips where there is no server to start
    told = tmp_path / "result.json"
    ran = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--smoke", "--only", name, "--json", str(told)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "STENOGRAM_BENCH_POLITE": "yes"},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(told.read_text())["results"]


def test_every_benchmark_is_known_here() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--list"], capture_output=True, text=True, check=True
    )
    assert tuple(ran.stdout.split()) == NAMES
