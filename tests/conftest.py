"""What all tests share: in CI, a test that needs a server, or something from a package index, may not be skipped.

A skip is fine on a laptop without PostgreSQL or a network. In CI it would mean that a whole engine went
untested while the run stayed green, so with ``CI=true`` such a skip is reported as a failure. A skip of a
whole module hides the marks of its tests; it fails as well.

`postgres` is the address of a PostgreSQL server, one for all workers of a run, and `fresh_log` makes addresses of logs
in it that do not exist yet; those of `pooled_log` lead there through a PgBouncer. `stored_log` is the address of one
in a file, and then in PostgreSQL. `server` is one for a test alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from support.postgres import PostgresServer

# How long an example takes says how busy the machine is.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

MUST_RUN_IN_CI = ("postgres", "fetched", "faketime", "web", "deploy")


def pytest_configure() -> None:
    """Hear Ctrl-C, also where a shell has made its background deaf to it: so would be what the tests start, and
    interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: one that began last would be waited for by all workers."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test that must run in CI into a failure."""
    report = yield
    marks = [mark for mark in MUST_RUN_IN_CI if item.get_closest_marker(mark)]
    if _in_ci() and report.skipped and not hasattr(report, "wasxfail") and marks:
        report.outcome = "failed"
        report.longrepr = f"A test marked {', '.join(marks)} was skipped in CI: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module in CI into a failure."""
    report = yield
    if _in_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped as a whole in CI: {_reason(report)}"
    return report


@pytest.fixture
def held_port() -> Iterator[int]:
    """A port for a server that goes and comes back: nobody else is given it meanwhile."""
    from support.ports import held_port

    with held_port() as port:
        yield port


@pytest.fixture(scope="session")
def _postgres_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the workers of a run share."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "postgres"


@pytest.fixture(scope="session")
def postgres(_postgres_folder: Path) -> Iterator[str]:
    """The server that STENOGRAM_TEST_POSTGRES names, or else one from local binaries."""
    from support.postgres import drop_logs, find_binaries, shared_server

    given = os.environ.get("STENOGRAM_TEST_POSTGRES")
    if given:
        yield given
        drop_logs(given)
        return
    if find_binaries() is None:
        pytest.skip("no PostgreSQL: name one by STENOGRAM_TEST_POSTGRES, or install the server (Debian: postgresql)")
    with shared_server(_postgres_folder) as url:
        yield url


@pytest.fixture
def server(_postgres_folder: Path) -> Iterator[PostgresServer]:
    """A server of one's own, which may be stopped, crash, and lose what it has."""
    from support.postgres import PostgresServer, find_binaries, new_files

    if find_binaries() is None:
        pytest.skip("no PostgreSQL that can be stopped: install the server (Debian: postgresql)")
    with PostgresServer.temporary(new_files(_postgres_folder)) as server:
        yield server


@pytest.fixture
def fresh_log(postgres: str) -> Callable[[], str]:
    """Makes the address of a log that does not exist yet."""
    from support.postgres import new_log

    return lambda: new_log(postgres)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def stored_log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a log that does not exist yet: in a file, and in PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    address: str = request.getfixturevalue("fresh_log")()
    return address


@pytest.fixture(scope="session")
def _pooler(postgres: str) -> Iterator[str]:
    from support.pgbouncer import find_pgbouncer, pgbouncer

    if find_pgbouncer() is None:
        pytest.skip("no PgBouncer: install it (Debian: pgbouncer)")
    with pgbouncer(postgres) as url:
        yield url


@pytest.fixture
def pooled_log(_pooler: str) -> Callable[[], str]:
    """Makes the address of a log that does not exist yet, behind PgBouncer in transaction mode."""
    from support.postgres import new_log

    return lambda: new_log(_pooler)


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return str(where[2]) if isinstance(where, tuple) else str(where)
