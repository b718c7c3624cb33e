"""Addresses of logs in PostgreSQL."""

import pytest

from stenogram.domain.errors import ConfigurationError
from stenogram.log.location import Location
from stenogram.log.postgres.address import Address, in_schema
from stenogram.log.storage import Storage


def test_an_address_is_a_uri_of_libpq_with_two_parameters_more() -> None:
    address = Address.parse("postgresql://me:s%20x@db:5433/team?sslmode=require&schema=trips&pooler=yes")
    assert (address.schema, address.pooler) == ("trips", True)
    for part in ("host=db", "port=5433", "user=me", "password='s x'", "dbname=team", "sslmode=require"):
        assert part in address.conninfo


def test_several_servers_can_be_named() -> None:
    address = Address.parse("postgresql://a:1,b:2/team?target_session_attrs=read-write")
    assert "host=a,b" in address.conninfo
    assert "port=1,2" in address.conninfo


def test_what_the_address_says_wins_over_the_defaults() -> None:
    assert "application_name=mine" in Address.parse("postgresql:///team?application_name=mine").conninfo
    assert "application_name=stenogram" in Address.parse("postgresql:///team").conninfo


@pytest.mark.parametrize("url", ["postgresql://me:secret@db/team", "postgresql://db/team?user=me&password=secret"])
def test_what_is_shown_holds_no_password(url: str) -> None:
    assert str(Storage(url)) == "postgresql://db/team"


@pytest.mark.parametrize("query", ["schema=", f"schema={'x' * 64}", "schema=a%00b", "pooler=maybe", "sslmood=require"])
def test_what_cannot_be_used_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError):
        Storage(f"postgresql://db/team?{query}")


def test_each_tenant_has_a_schema_of_its_own() -> None:
    address = Address.parse("postgresql:///team")
    long = [address.of_tenant("x" * 100 + end).schema for end in ("a", "b")]
    assert address.of_tenant("acme").schema == "stenogram@acme"
    assert long[0] != long[1]
    assert all(len(each.encode()) <= 63 for each in long)


def test_another_log_in_the_same_database() -> None:
    url = "postgresql://me@db/team?sslmode=require&schema=trips"
    assert Address.parse(in_schema(url, "ü&x")).schema == "ü&x"
    assert "sslmode=require" in Address.parse(in_schema(url, "other")).conninfo
    assert Address.parse(Location.parse(url).snapshots.address).schema == "trips.snapshots"
    assert Location.parse("a.db").snapshots == Location("file", "a.db.snapshots")
