"""A log's address: `postgresql://user@host/database?schema=stenogram&pooler=yes`, libpq's with two parameters more."""

import hashlib
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ...domain.errors import ConfigurationError

_LONGEST_NAME = 63  # bytes, PostgreSQL's NAMEDATALEN less one
_YES_OR_NO = {"yes": True, "no": False}

_DEFAULTS = {
    "application_name": "stenogram",
    "connect_timeout": "5",
    # A peer that vanished without a word is given up after about half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class Address(NamedTuple):
    """Where a database is, and the schema of the log in it.

    `pooler`: a pooler in transaction mode (PgBouncer) stands between. `shown` is for people: it holds no password.
    """

    conninfo: str
    schema: str
    pooler: bool
    shown: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Raises ConfigurationError for what libpq cannot read. Libpq's own parameters and variables all hold."""
        theirs, own = _split(url)
        schema, pooler = own.get("schema", "stenogram"), own.get("pooler", "no")
        if not schema or len(schema.encode()) > _LONGEST_NAME or "\0" in schema:
            raise ConfigurationError(f"?schema= is a name of 1 to {_LONGEST_NAME} bytes, not {schema!r}.")
        if pooler not in _YES_OR_NO:
            raise ConfigurationError(f"?pooler= is yes or no, not {pooler!r}.")
        try:
            given = conninfo_to_dict(theirs)
        except ProgrammingError as error:
            raise ConfigurationError(f"This is no address of a PostgreSQL database: {str(error).strip()}.") from None
        host = urlsplit(url).netloc.rpartition("@")[2] or given.get("host", "")
        shown = f"postgresql://{host}/{given.get('dbname', '')}" + (f"?schema={schema}" if "schema" in own else "")
        settings: dict[str, Any] = {**_DEFAULTS, **given}
        return cls(make_conninfo("", **settings), schema, _YES_OR_NO[pooler], shown)

    def of_tenant(self, tenant: str) -> "Address":
        """The tenant's log: `stenogram@acme`, in the same database. A name that is too long is cut, and told from
        others by its hash."""
        name = f"{self.schema}@{tenant}"
        if len(name.encode()) > _LONGEST_NAME:
            digest = hashlib.sha256(tenant.encode()).hexdigest()[:24]
            name = f"{name.encode()[: _LONGEST_NAME - 25].decode(errors='ignore')}~{digest}"
        return self._replace(schema=name)


def in_schema(url: str, schema: str) -> str:
    """The address of another log in the same database."""
    theirs, own = _split(url)
    return _with(theirs, {**own, "schema": schema})


def _split(url: str) -> tuple[str, dict[str, str]]:
    """The URI without the parameters that are ours, and these."""
    address, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in given if name in ("schema", "pooler")}
    theirs = {name: value for name, value in given if name not in own}
    return _with(address, theirs), own


def _with(url: str, parameters: dict[str, str]) -> str:
    if not parameters:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters, quote_via=quote, safe='')}"
