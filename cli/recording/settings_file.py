"""A settings file of somebody else's program, replaced as a whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from .hook_settings import Changed

EMPTY = "{}\n"
"""What a file that is not there says."""


def change_settings(path: Path, change: Callable[[str], Changed]) -> list[str]:
    """Change a file, and return the events that have changed in it; without any it is not touched, or made.

    Whoever reads it finds it as it was or as it is to be. It keeps its mode; a symbolic link stays one. Raises OSError,
    and ClickException for what cannot be read, which is left as it is.
    """
    path = path.resolve()
    given = path.read_bytes() if path.exists() else None
    try:
        changed = change(EMPTY if given is None else given.decode())
    except ValueError as error:
        raise click.ClickException(
            f"{path} is not as Claude Code's settings are: {error}. It is left as it was; correct it, and try again."
        ) from None
    if changed.events:
        _replace(path, changed.text.encode())
    return changed.events


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            _take_after(path, number)
            file.flush()
            os.fsync(number)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _take_after(path: Path, number: int) -> None:
    """Give a file the mode and the owner of the one that it replaces, or those of a new file."""
    try:
        old = path.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(number, 0o666 & ~mask)
        return
    with contextlib.suppress(PermissionError):
        os.fchown(number, old.st_uid, old.st_gid)
    os.fchmod(number, old.st_mode & 0o7777)
