"""What is done to a database's logs from outside, by an operator: migrations, a new epoch after a restore, removing the
log of a tenant."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection

from ...domain.errors import LogUnreadable, NotFound
from . import sql
from .address import Address
from .arrays import ADAPTERS
from .failures import CHECK_ADDRESS, explain, reason_of
from .migrations import check_condition, migrate, read_version
from .sql import within


class Migrated(NamedTuple):
    """A log, by its schema, and the steps that it took; none if it was up to date."""

    schema: str
    steps: list[str]


async def migrate_all(url: str, *, new_epoch: bool = False) -> list[Migrated]:
    """Bring the log at `url` and those of its tenants to the newest schema, one after the other, making the first one
    where there is none. `new_epoch` makes every cursor of a whole log invalid that was handed out before.

    Raises the LogError tree; what was done until then stays done, and running it again goes on."""
    address = Address.parse(url)
    async with _connected(address) as connection:
        await check_condition(connection, writable=True)
        return [await _bring(connection, schema, new_epoch) for schema in await _logs(connection, address.schema)]


async def find_tenants(url: str) -> dict[str, int]:
    """The tenants of the log at `url`, with the bytes of each. A name that was cut is as its schema has it. Raises the
    LogError tree."""
    address = Address.parse(url)
    async with _connected(address) as connection:
        cursor = await connection.execute(sql.LIST_TENANTS, {"schema": address.schema})
        return {schema.removeprefix(f"{address.schema}@"): size for schema, size in await cursor.fetchall()}


async def has_log(url: str) -> bool:
    """Whether the schema that the URL names has a log. Raises the LogError tree."""
    address = Address.parse(url)
    async with _connected(address) as connection:
        return await read_version(connection, address.schema) is not None


async def drop_tenant(url: str, tenant: str) -> None:
    """Remove a tenant's schema, with its log and its views. Raises NotFound, and the LogError tree."""
    address = Address.parse(url).of_tenant(tenant)
    async with _connected(address) as connection:
        if not await read_version(connection, address.schema):
            raise NotFound(f"There is no log {address.schema!r} in the database.")
        await connection.execute(within(address.schema, sql.DROP_LOG))


@asynccontextmanager
async def _connected(address: Address) -> "AsyncIterator[AsyncConnection[Any]]":
    try:
        async with await AsyncConnection.connect(address.conninfo, autocommit=True, context=ADAPTERS) as connection:
            yield connection
    except psycopg.OperationalError as error:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise explain(error) from error
        raise LogUnreadable(f"{address.shown} cannot be opened: {reason_of(error)}. {CHECK_ADDRESS}") from error
    except psycopg.Error as error:
        raise explain(error) from error


async def _logs(connection: "AsyncConnection[Any]", schema: str) -> list[str]:
    cursor = await connection.execute(sql.LIST_LOGS, {"schema": schema})
    return list(dict.fromkeys([schema, *[name for (name,) in await cursor.fetchall()]]))


async def _bring(connection: "AsyncConnection[Any]", schema: str, new_epoch: bool) -> Migrated:
    steps = await migrate(connection, schema)
    if new_epoch:
        await connection.execute(within(schema, sql.RENEW_EPOCH), (secrets.token_hex(8),))
    return Migrated(schema, steps)
