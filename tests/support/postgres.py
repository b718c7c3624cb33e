"""A PostgreSQL server for tests, and fresh logs in one.

    with PostgresServer.temporary() as server:
        async with Log(PostgresEngine(Database(new_log(server.url)))) as log: ...

The server runs from the machine's own binaries, in a directory that is removed at the end, and is reached by a socket
in there only. It does not outlive the process that made it, however that ends. Its data is not synced to the disk: it
outlives a crash of the server, not of the machine.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

from stenogram.log.postgres.address import Address, in_schema
from stenogram.log.postgres.sql import LIST_LOGS
from support.afterwards import afterwards

_BINARIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_NAMES = ("initdb", "pg_ctl", "postgres")
_SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "log_line_prefix": "'%m [%p] '",
}

# The main process takes its file away when it is the last.
_REMOVE = """
read pid <"$1/data/postmaster.pid" && kill -QUIT "$pid" && while test -e "$1/data/postmaster.pid"; do sleep 0.02; done
rm -rf "$1"
"""
_INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")

Mode = Literal["smart", "fast", "immediate"]


def find_binaries() -> Path | None:
    """The directory of the newest server's programs, or None."""
    on_path = shutil.which("pg_ctl")
    found = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _BINARIES:
        found += sorted(Path("/").glob(pattern.lstrip("/")), key=_release, reverse=True)
    return next((each for each in found if all((each / name).exists() for name in _NAMES)), None)


_made: list[str] = []


def new_log(url: str) -> str:
    """The address of a log that does not exist yet, in the database at `url`."""
    _made.append(f"test-{secrets.token_hex(6)}")
    return in_schema(url, _made[-1])


def drop_logs(url: str) -> None:
    """Remove from a server that stays what this process got addresses for, with the logs of its tenants."""
    with psycopg.connect(Address.parse(url).conninfo, autocommit=True) as connection:
        for schema in _made:
            for (name,) in connection.execute(LIST_LOGS, {"schema": schema}).fetchall():
                connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))


class PostgresServer:
    """A server of one's own. As root it runs as another user, for PostgreSQL refuses to run as root.

    `settings` are those of postgresql.conf. Needs the server's programs (`find_binaries`)."""

    def __init__(self, directory: Path, **settings: str) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise FileNotFoundError("PostgreSQL's programs are not here; install them (Debian: postgresql).")
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self._binaries = binaries
        self._settings = _SETTINGS | {"unix_socket_directories": f"'{directory}'"} | settings
        self._user = server_user()

    @classmethod
    @contextmanager
    def temporary(cls, files: Path | None = None, **settings: str) -> Iterator[Self]:
        """A new server, running, for the time of the block; quicker with `new_files`."""
        server = cls(Path(tempfile.mkdtemp(prefix="stenogram-pg-")), **settings)
        with server._removed_afterwards():
            server.create(files)
            server.start()
            yield server

    @classmethod
    @contextmanager
    def standby_of(cls, primary: "PostgresServer") -> Iterator[Self]:
        """A hot standby that follows another server, running, for the time of the block."""
        server = cls(directory := Path(tempfile.mkdtemp(prefix="stenogram-pg-")))
        with server._removed_afterwards():
            source = ("-h", primary.directory, "-U", "postgres")
            server.run("pg_basebackup", "-D", server.data, *source, "-R", "-X", "stream", "-c", "fast", "--no-sync")
            with (server.data / "postgresql.conf").open("a") as file:
                file.write(f"unix_socket_directories = '{directory}'\n")
            server.start()
            yield server

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.directory), safe='')}"

    def create(self, files: Path | None = None) -> None:
        """Make its files, or copy them."""
        self._take_over_directory()
        if files is None:
            self.run("initdb", "-D", self.data, *_INITDB)
        else:
            _copy(files, self.data)
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in self._settings.items())

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "30", "start")

    def stop(self, mode: Mode = "fast") -> None:
        """Stop, if it runs; `immediate` is what a crash does."""
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def copy_data(self) -> Path:
        """Stop in good order, copy its files, and start again: what a standby has that then hears nothing more."""
        self.stop()
        copy = self.directory / f"copy-{secrets.token_hex(4)}"
        _copy(self.data, copy)
        self.start()
        return copy

    def fall_back(self, copy: Path) -> None:
        """Crash, and go on at the same address with a copy made before: what was written since is lost."""
        self.stop("immediate")
        shutil.rmtree(self.data)
        _copy(copy, self.data)
        self.start()

    @property
    def pid(self) -> int:
        """The number of the main process."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    @contextmanager
    def _removed_afterwards(self) -> Iterator[None]:
        """At the end of the block, or of this process, stop it as a crash does, and remove what it has."""
        self._take_over_directory()
        with afterwards("sh", "-c", _REMOVE, "sh", self.directory):
            yield

    def _take_over_directory(self) -> None:
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs as the server's user. Raises RuntimeError with what it said if it fails."""
        with tempfile.TemporaryFile("w+") as said:  # no pipe: the server, which pg_ctl starts, would keep it open
            done = subprocess.run(
                [self._binaries / program, *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                user=self._user and self._user.pw_uid,
                group=self._user and self._user.pw_gid,
                check=False,
            )
            if done.returncode:
                said.seek(0)
                log = self.log.read_text() if self.log.exists() else ""
                raise RuntimeError(f"{program} failed with {done.returncode}:\n{said.read()}{log}")


def _copy(files: Path, to: Path) -> None:
    """With their owner and modes."""
    subprocess.run(["cp", "-a", files, to], check=True)


def _release(path: Path) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, str(path)))
    return int(digits or 0), str(path)


def server_user() -> pwd.struct_passwd | None:
    """Whom servers are run as that refuse to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("There is no user `postgres` or `nobody` that the server could run as.")


def new_files(folder: Path) -> Path:
    """The files of a new server, made once for all processes that name the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "files"
    with (folder / "making").open("a") as making, tempfile.TemporaryDirectory(prefix="stenogram-pg-") as directory:
        fcntl.flock(making, fcntl.LOCK_EX)
        if not files.exists():
            server = PostgresServer(Path(directory))
            server._take_over_directory()
            server.run("initdb", "-D", server.data, *_INITDB)
            _copy(server.data, files)
    return files


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """The address of a server that all processes share which name the same folder, such as the workers of one test run.

    The first one starts it. It is stopped and removed when none of them is left, however they ended: each holds a lock
    for as long as it lives, and a process beside them waits for all of these locks to go."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("a") as users, (folder / "starting").open("a") as starting:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        known = folder / "directory"
        if not known.exists():
            server = PostgresServer(Path(tempfile.mkdtemp(prefix="stenogram-pg-")))
            server.create(new_files(folder))
            server.start()
            _start_reaper(folder, server.directory)
            known.write_text(str(server.directory))
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield PostgresServer(Path(known.read_text())).url


def _start_reaper(folder: Path, directory: Path) -> None:
    """Through a shell that leaves it alone, so that it is nobody's child when its starter ends."""
    command = [sys.executable, "-m", __name__, str(folder), str(directory)]
    subprocess.run(
        ["sh", "-c", '"$@" >/dev/null 2>&1 </dev/null &', "sh", *command], check=True, start_new_session=True
    )


def _reap(folder: Path, directory: Path) -> None:
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        (folder / "directory").unlink(missing_ok=True)
        PostgresServer(directory).stop("immediate")
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _reap(Path(sys.argv[1]), Path(sys.argv[2]))
