"""The processes that a gateway has started, and the file that the handlers of `rough_views` wait for."""

import contextlib
from pathlib import Path


def children(pid: int, program: bytes = b"") -> list[int]:
    """The processes that it has started and that live, of those whose command line has `program` in it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            rest = stat.read_text().rpartition(")")[2].split()
            if int(rest[1]) == pid and rest[0] != "Z" and program in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


def let_go(gate: Path) -> None:
    """Let handlers go on."""
    gate.touch()
