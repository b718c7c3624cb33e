"""Checks of a log in PostgreSQL: server, role, schema, settings, connections, clock."""

import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors

from ....domain.errors import StenogramError
from ....log.postgres.address import Address
from ....log.postgres.arrays import ADAPTERS
from ....log.postgres.failures import reason_of
from ....log.postgres.migrations import NEWEST, check_condition, read_version
from .finding import Finding, fail, ok, warn
from .process_checks import clock_finding

NEEDED_CONNECTIONS = 13 + 9
"""Of a gateway and the process that folds its views, at most."""

_ABOUT = """
    SELECT
        current_user::text, has_database_privilege(current_database(), 'CREATE'),
        (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %(schema)s::text),
        current_setting('synchronous_commit'), current_setting('fsync'),
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,
        extract(epoch FROM clock_timestamp())::double precision, current_setting('server_version')
"""


async def check_database(url: str, tenants: bool) -> AsyncIterator[Finding]:
    """All of these; `tenants`: logs of tenants are to be made. Nothing is made or changed."""
    try:
        address = Address.parse(url)
        async with await AsyncConnection.connect(address.conninfo, autocommit=True, context=ADAPTERS) as connection:
            await check_condition(connection, writable=True)
            version = await read_version(connection, address.schema)
            asked_at = time.time()
            cursor = await connection.execute(_ABOUT, {"schema": address.schema})
            row = await cursor.fetchone()
            assert row is not None
            answered_at = time.time()
    except StenogramError as error:
        yield fail("database", error.detail, "do as it says")
        return
    except errors.InsufficientPrivilege as error:
        mend = "use the role that owns the schema, or grant this one all on it and on its tables"
        yield fail("schema", reason_of(error), mend)
        return
    except psycopg.Error as error:
        yield fail("database", reason_of(error), "mend --log (STENOGRAM_LOG), or start the server")
        return
    yield ok("database", f"{address.shown}, PostgreSQL {row[8]}, as {row[0]}")
    for finding in (*_of_schema(address, version, row, tenants), *_of_server(row)):
        yield finding
    yield clock_finding("clock", "the database's", row[7] - (asked_at + answered_at) / 2)


def _of_schema(address: Address, version: int | None, row: Any, tenants: bool) -> list[Finding]:
    role, may_create, owner, *_ = row
    schema = address.schema
    if version is None:
        if owner == role:
            return [ok("schema", f"{schema} is there and empty; a gateway makes the log when it starts")]
        if owner is not None:
            return [fail("schema", f"{schema} belongs to {owner}", f'ALTER SCHEMA "{schema}" OWNER TO {role}')]
        if may_create:
            return [ok("schema", f"there is no {schema} yet; a gateway makes it when it starts")]
        mend = f'CREATE SCHEMA "{schema}" AUTHORIZATION {role}'
        return [fail("schema", f"there is no {schema}, and {role} may not create it", mend)]
    if version < NEWEST:
        return [fail("schema", f"{schema} has version {version}, {NEWEST} is needed", "run `stenogram migrate`")]
    found = [ok("schema", f"{schema} has version {version}")]
    if tenants and not may_create:
        mend = f'for each: CREATE SCHEMA "{schema}@…" AUTHORIZATION {role}; or GRANT CREATE ON DATABASE'
        found.append(warn("tenants", f"{role} may not create schemas, so no log for a new tenant", mend))
    return found


def _of_server(row: Any) -> list[Finding]:
    found = []
    if row[4] == "off":
        found.append(fail("durability", "fsync is off: a crash of the machine can destroy the log", "set fsync = on"))
    if row[3] == "off":
        mend = "set synchronous_commit = on for this role"
        found.append(fail("durability", "synchronous_commit is off: a crash can lose acknowledged events", mend))
    if not found:
        found.append(ok("durability", f"fsync = {row[4]}, synchronous_commit = {row[3]}"))
    free = row[5] - row[6]
    said = f"{free} of {row[5]} connections are free"
    if free < NEEDED_CONNECTIONS:
        mend = f"raise max_connections: a gateway takes up to {NEEDED_CONNECTIONS}, with its views"
        found.append(warn("connections", said, mend))
    else:
        found.append(ok("connections", said))
    return found
