"""A PgBouncer in transaction mode before a PostgreSQL server, for tests.

    with pgbouncer(server.url) as url: ...

It runs from the machine's own binary, with its files and its socket in a directory that is removed at the end, and does
not outlive the process that started it. As root it runs as another user, for PgBouncer refuses to run as root.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from support.afterwards import afterwards
from support.postgres import server_user

_PORT = 6432  # of a socket in a directory of its own
_SERVER = ("host", "port", "user", "password")
_REMOVE = 'kill "$1"; rm -rf "$2"'
_SETTINGS = """
[databases]
* = {server}
[pgbouncer]
pool_mode = transaction
auth_type = any
unix_socket_dir = {directory}
listen_port = {port}
max_client_conn = 1000
default_pool_size = 20
"""


def find_pgbouncer() -> str | None:
    """The program, or None."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """The address of the database at `url` behind a pooler, for the time of the block. Needs the program."""
    program = find_pgbouncer()
    assert program is not None
    given = conninfo_to_dict(url)
    server = " ".join([f"{name}={_quoted(given[name])}" for name in _SERVER if given.get(name)])
    user = server_user()
    with tempfile.TemporaryDirectory(prefix="stenogram-pool-") as name:
        directory = Path(name)
        settings = directory / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(server=server, directory=directory, port=_PORT))
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
        with (directory / "log").open("w") as log:
            process = subprocess.Popen(
                [program, settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user and user.pw_uid
            )
        with process, afterwards("sh", "-c", _REMOVE, "sh", str(process.pid), directory):
            _wait(directory, process)
            place = f"host={quote(name, safe='')}&port={_PORT}&pooler=yes"
            yield f"postgresql://{given.get('user', '')}@/{given.get('dbname', '')}?{place}"


def _quoted(value: object) -> str:
    return "'{}'".format(str(value).replace("'", "''"))


def _wait(directory: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until it takes connections."""
    for _ in range(1_000):
        # The file is there between `bind` and `listen`, when connections are still refused: only one that works tells.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(directory / f".s.PGSQL.{_PORT}"))
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"PgBouncer did not start:\n{(directory / 'log').read_text()}")
