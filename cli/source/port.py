"""The port through which every reading command reads.

Events come as the bytes that go over the wire, in pages, so that an export is exact and a command decodes only what it
shows. Two adapters: `file` reads a log at rest (safe beside the gateway that writes it), `gateway` asks over HTTP.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from ...domain.ids import SessionId, Version

Page = list[bytes]
"""Wire envelopes, in order."""


class Summary(NamedTuple):
    """A session in a list."""

    session: SessionId
    version: Version
    title: str | None
    status: str
    labels: dict[str, str]


class Source(Protocol):
    """A log to read. Errors: the StenogramError tree. Open inside `async with` (`opening.open_source`)."""

    async def __aenter__(self) -> Self:
        """Open it."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""

    def sessions(self, prefix: str) -> AsyncIterator[Summary]:
        """Sessions whose id begins with `prefix`, by id."""

    async def version(self, session: SessionId) -> Version:
        """The session's last version. Raises NotFound."""

    def read(self, session: SessionId, after: int, *, follow: bool = False) -> AsyncIterator[Page]:
        """The session's events after version `after`; with `follow` it goes on for ever with what happens.
        Raises NotFound, and BadCursor for a version that is not reached yet."""

    def read_all(self, after: str = "0", *, last: int | None = None, follow: bool = False) -> AsyncIterator[Page]:
        """The whole log after a cursor that a gateway or `Stenogram-To` gave, from its beginning, or from so many
        events (`last`) before its end. Raises BadCursor."""
