"""An address says where a log is, and what belongs beside it."""

from pathlib import Path

import pytest

from stenogram.api.views.storage import ViewStorage
from stenogram.domain.errors import ConfigurationError
from stenogram.log.location import Location


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("stenogram.db", "file"),
        ("sqlite:///stenogram.db", "file"),
        ("sqlite:////var/lib/stenogram.db", "file"),
        ("postgresql://me@db/team?schema=trips", "postgres"),
        ("postgres:///team", "postgres"),
        ("memory:", "memory"),
        ("memory:trips", "memory"),
    ],
)
def test_an_address_is_of_one_kind(address: str, kind: str) -> None:
    location = Location.parse(address)
    assert location.kind == kind
    assert (location.file() is None) == (kind != "file")


@pytest.mark.parametrize("address", ["mysql://db/team", "redis://cache", "sqlite://stenogram.db"])
def test_an_address_that_no_engine_is_for_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="There is no engine for"):
        Location.parse(address)
    with pytest.raises(ConfigurationError, match="There is no engine for"):
        ViewStorage(address, "stenogram.db")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8600", "https://gateway.example.com"])
def test_a_gateway_is_told_from_a_log(url: str) -> None:
    with pytest.raises(ConfigurationError, match="the log itself, not a gateway"):
        Location.parse(url)


def test_one_file_has_one_identity_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = ["a.db", "./a.db", "sqlite:///a.db", str(tmp_path / "a.db"), f"sqlite:///{tmp_path}/x/../a.db"]
    assert {Location.parse(address).identity for address in written} == {str(tmp_path.resolve() / "a.db")}
    assert Location.parse("memory:trips").identity == "memory:trips"


def test_what_belongs_to_a_log_in_a_file_is_beside_it() -> None:
    location = Location.parse("sqlite:///data/a.db")
    assert location.file("acme") == Path("data/a@acme.db")
    assert location.views.file() == Path("data/a.views.db")
    assert location.views.file("acme") == Path("data/a.views@acme.db")
    assert location.snapshots.file() == Path("data/a.db.snapshots")


@pytest.mark.parametrize("address", ["memory:", "postgresql:///team"])
def test_views_of_other_logs_are_where_the_log_is(address: str) -> None:
    assert Location.parse(address).views == Location.parse(address)
