"""`stenogram tenants`: which there are, and removing one, beside a gateway."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stenogram.api.server import Gateway
from stenogram.cli.main import run
from stenogram.log.location import Location
from stenogram.log.postgres.address import Address
from stenogram.testing import command

Start = Callable[..., Awaitable[Gateway]]
Stenogram = Callable[..., tuple[int, str, str]]
SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture(autouse=True)
def quiet() -> None:
    """A tenant that is removed under a gateway is a fault."""


@pytest.fixture
def stenogram(capsys: pytest.CaptureFixture[str]) -> Stenogram:
    """Runs a command: its exit code, and what it said."""

    def stenogram(*arguments: str) -> tuple[int, str, str]:
        import threading

        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(run(list(arguments))))  # a loop of its own
        thread.start()
        thread.join()
        said = capsys.readouterr()
        return codes[0], said.out, said.err

    return stenogram


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a log that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "team[1].db")
    made: str = request.getfixturevalue("fresh_log")()
    return made


async def _fill(start: Start, log: str, **tenants: int) -> Gateway:
    gateway = await start(log=log, jwt_secret=SECRET, views="", tenant_idle=0.2)
    await _write(gateway, **tenants)
    return gateway


async def _write(gateway: Gateway, **tenants: int) -> None:
    for name, events in tenants.items():
        tenant = await gateway.tenants.use(name)
        for number in range(events):
            await tenant.log.submit(command("session.open", f"s-{number}"))
        tenant.leave()


async def test_tenants_are_listed_with_what_they_have(start: Start, log: str, stenogram: Stenogram) -> None:
    for arguments in (("list",), ("drop", "acme")):
        code, out, said = stenogram("tenants", *arguments, "--log", log)
        assert (code, out) == (1, "")
        assert said.startswith("stenogram: There is no log ")
        assert "start a gateway, which makes it" in said
    gateway = await _fill(start, log)
    assert stenogram("tenants", "list", "--log", log) == (0, "", "No tenants.\n")
    await _write(gateway, acme=2, globex=3)
    code, said, _ = stenogram("tenants", "list", "--json", "--log", log)
    rows = {row["tenant"]: row for row in map(json.loads, said.splitlines())}
    assert code == 0
    assert {name: row["events"] for name, row in rows.items()} == {"acme": 2, "globex": 3}
    assert all(row["bytes"] > 10_000 and row["last"].endswith("+00:00") for row in rows.values())


async def test_a_tenant_that_cannot_be_read_hides_no_other(start: Start, stenogram: Stenogram, tmp_path: Path) -> None:
    log = str(tmp_path / "team.db")
    await _fill(start, log, acme=2)
    (tmp_path / "team@broken.db").write_bytes(b"no database at all " * 100)
    code, said, _ = stenogram("tenants", "list", "--log", log)
    lines = dict(line.split("\t", 1) for line in said.splitlines())
    assert code == 0
    assert set(lines) == {"acme", "broken"}
    assert "not a log" in lines["broken"]


async def test_a_tenant_is_removed_whole(start: Start, log: str, stenogram: Stenogram) -> None:
    await _fill(start, log, acme=2, globex=3)
    code, _, said = stenogram("tenants", "drop", "acme", "--log", log)
    assert (code, "--yes" in said) == (2, True)
    assert stenogram("tenants", "drop", "nobody", "--yes", "--log", log)[0] == 1
    if (file := Location.parse(log).file("acme")) is not None:
        await _until_closed(stenogram, log)
        left = [path.name for path in file.parent.iterdir() if "@acme" in path.name]
        assert left == []
    else:
        assert stenogram("tenants", "drop", "acme", "--yes", "--log", log)[:2] == (
            0,
            "Removed the tenant 'acme' with 2 events.\n",
        )
    listed = stenogram("tenants", "list", "--log", log)[1]
    assert [line.split("\t")[:2] for line in listed.splitlines()] == [["globex", "3"]]


@pytest.mark.postgres
async def test_a_name_that_was_cut_is_removed_by_the_name_itself(
    start: Start, fresh_log: Callable[[], str], stenogram: Stenogram
) -> None:
    log, name = fresh_log(), "a" * 100
    await _fill(start, log, **{name: 1})
    assert stenogram("tenants", "drop", "a" * 99, "--yes", "--log", log)[0] == 1
    assert stenogram("tenants", "drop", name, "--yes", "--log", log)[0] == 0
    assert Address.parse(log).schema
    assert stenogram("tenants", "list", "--log", log)[1] == ""


async def _until_closed(stenogram: Stenogram, log: str) -> None:
    """A file in use is refused, until the gateway has closed the tenant that nobody uses."""
    import asyncio

    code, out, said = stenogram("tenants", "drop", "acme", "--yes", "--log", log)
    while code:
        assert "writes this log" in said
        await asyncio.sleep(0.2)
        code, out, said = stenogram("tenants", "drop", "acme", "--yes", "--log", log)
    assert out == "Removed the tenant 'acme' with 2 events.\n"
