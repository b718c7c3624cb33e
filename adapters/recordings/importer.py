"""What a format of recordings is, and how one is found by its name."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from ...domain.errors import ConfigurationError

GROUP = "stenogram.importers"
"""The group of entry points that formats are registered in."""


class ImportOptions(NamedTuple):
    """How to read. `session` is the id that the only session gets; None: the format chooses. `as_recorded`: keep what
    cannot be read as it is, where the format can, instead of raising. `say` tells people one line."""

    session: str | None
    as_recorded: bool
    say: Callable[[str], None]


class Importer(Protocol):
    """Reads recordings, and yields the events of their sessions as lines of JSON, as `stenogram export` writes them.

    The same recordings must give the same lines, ids included, so that importing them again changes nothing. Raise
    `Invalid`, naming file and line, for what cannot be read; then nothing is imported. Yield as you read: a recording
    may be larger than memory.
    """

    def __call__(self, paths: Sequence[Path], options: ImportOptions, /) -> Iterator[bytes]: ...


def importer_names() -> list[str]:
    """The formats that are installed."""
    return sorted({each.name for each in entry_points(group=GROUP)})


def find_importer(name: str) -> Importer | None:
    """The importer of a format; None where no such format is installed. Raises ConfigurationError where its package
    cannot be loaded."""
    for each in entry_points(group=GROUP, name=name):
        try:
            return cast(Importer, each.load())
        except Exception as error:
            raise ConfigurationError(f"The format {name} ({each.value}) cannot be loaded", fault=repr(error)) from error
    return None
