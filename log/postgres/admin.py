"""What is done to a database's logs from outside, by an operator: migrations, and a new epoch after a restore."""

import secrets
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection

from ...domain.errors import LogUnreadable
from . import sql
from .address import Address
from .arrays import ADAPTERS
from .failures import explain
from .migrations import check_condition, migrate
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
    try:
        async with await AsyncConnection.connect(address.conninfo, autocommit=True, context=ADAPTERS) as connection:
            await check_condition(connection, writable=True)
            return [await _bring(connection, schema, new_epoch) for schema in await _logs(connection, address.schema)]
    except psycopg.OperationalError as error:
        raise LogUnreadable(f"{address.shown} cannot be opened: {error}") from error
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
