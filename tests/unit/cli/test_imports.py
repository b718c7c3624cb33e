"""A command imports what it needs, and no more: starting it is most of what a short one costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PYDANTIC, RICH = {"pydantic", "pydantic_core"}, {"rich"}
DATABASE, HTTP = {"psycopg", "eventsourcing"}, {"aiohttp", "pydantic_settings", "jwt"}

BUILT = """
import stenogram.domain.catalogue
from pydantic import BaseModel
models = [BaseModel]
for each in models:
    models += each.__subclasses__()
print(*[each.__qualname__ for each in models if each.__module__.startswith("stenogram") and each.__pydantic_complete__])
"""


def imported(arguments: list[str]) -> set[str]:
    """The packages that a process imports for this."""
    ran = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True)
    names = [line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in names}


def test_help_needs_only_what_reads_the_command_line() -> None:
    packages = imported(["-m", "stenogram", "--help"])
    assert "click" in packages
    assert not packages & (PYDANTIC | RICH | DATABASE | HTTP)


@pytest.mark.parametrize("command", [["sessions"], ["tail", "--no-follow"], ["show", "trip-7"], ["export", "trip-7"]])
def test_a_log_in_a_file_needs_neither_a_database_nor_http(log: Path, command: list[str]) -> None:
    packages = imported(["-m", "stenogram", *command, "--log", str(log)])
    assert "pydantic" in packages
    assert not packages & (DATABASE | HTTP)


def test_models_of_events_are_built_when_they_are_first_used() -> None:
    """To build all of them takes longer than to show a short session."""
    told = subprocess.run([sys.executable, "-c", BUILT], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_a_gateway_over_files_needs_no_driver_of_a_database() -> None:
    packages = imported(["-c", "import stenogram.api.server"])
    assert packages >= {"aiohttp", "pydantic"}
    assert not packages & DATABASE


def test_the_client_needs_neither_a_log_nor_a_terminal() -> None:
    packages = imported(["-c", "import stenogram.client"])
    assert "aiohttp" in packages
    assert not packages & (DATABASE | RICH | {"click", "structlog", "pydantic_settings"})
