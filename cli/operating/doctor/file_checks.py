"""Checks of a log in a file: the file, the disk, who writes it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from ....domain.errors import StenogramError
from ....log.engine import LogHead
from ....log.sqlite.engine import SqliteEngine
from .finding import Finding, fail, ok, warn

LITTLE_BYTES = 2**30
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


async def check_file(path: Path) -> AsyncIterator[Finding]:
    """All of these. Nothing is made or changed."""
    for finding in _folder(path):
        yield finding
        if finding.level == "fail":
            return
    if (absent := _absent(path)) is not None:
        yield absent
        return
    engine = SqliteEngine(path, read_only=True)
    try:
        head = await engine.open()
    except StenogramError as error:
        yield fail("log", error.detail, "restore a backup, or name another file")
        return
    await engine.close()
    yield _log(path, head)


def _folder(path: Path) -> Iterator[Finding]:
    folder = path.resolve().parent
    if not folder.is_dir():
        yield fail("log", f"the directory {folder} does not exist", "create it, or mend --log (STENOGRAM_LOG)")
    elif not os.access(folder, os.W_OK):
        yield fail("log", f"{folder} cannot be written by this user", "give it to the gateway's user")
    elif (kind := _file_system(folder)) in NETWORK:
        yield fail("disk", f"{folder} is on a network ({kind})", "keep the log on a local disk, or use PostgreSQL")
    else:
        yield _disk(folder)


def _absent(path: Path) -> Finding | None:
    return None if path.exists() else ok("log", f"there is none at {path} yet; a gateway makes it when it starts")


def _log(path: Path, head: LogHead) -> Finding:
    if path.stat().st_mode & 0o077:
        return warn(
            "log",
            f"{path}: {head.position:,} events; other users of this machine may read it",
            f"chmod 600 {path}",
        )
    return ok("log", f"{path}: {head.position:,} events")


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    said = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} are free for {folder}"
    if usage.free < LITTLE_BYTES:
        return warn("disk", said, "make room: on a full disk commands are refused; nothing is ever deleted")
    return ok("disk", said)


def _file_system(folder: Path) -> str:
    """The kind of file system that holds a folder, where the system says so."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    found = [(point, kind) for _, point, kind, *_ in mounts if Path(point) in (folder, *folder.parents)]
    return max(found, key=lambda each: len(each[0]), default=("", ""))[1]
