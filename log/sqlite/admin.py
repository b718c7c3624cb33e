"""What is done to logs in files from outside, by an operator: which tenants there are, and removing one."""

from pathlib import Path

from ...domain.errors import NotFound
from .identity import identity_path
from .lock import WriterLock


def find_tenants(log: Path) -> dict[str, int]:
    """The tenants whose logs are beside this one, with the bytes of each."""
    beside = log.parent.glob(f"{_escaped(log.stem)}@*{_escaped(log.suffix)}")
    found = {path.stem.removeprefix(f"{log.stem}@"): path for path in beside}
    return {name: sum(_size(each) for each in _with_wal(path)) for name, path in sorted(found.items())}


def drop_log(log: Path) -> None:
    """Remove a log's file, and what stands beside it. Raises NotFound, and LogInUse while somebody writes it."""
    if not log.exists():
        raise NotFound(f"There is no log at {log}.")
    lock = WriterLock(log)
    lock.acquire()
    try:
        drop_file(log)
        drop_file(Path(f"{log}.snapshots"))
        identity_path(log).unlink(missing_ok=True)
        lock.path.unlink(missing_ok=True)
    finally:
        lock.release()


def drop_file(path: Path) -> None:
    """Remove a file of SQLite's, if it is there."""
    for each in _with_wal(path):
        each.unlink(missing_ok=True)


def _with_wal(path: Path) -> list[Path]:
    return [path, Path(f"{path}-wal"), Path(f"{path}-shm")]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _escaped(name: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
