"""The port through which every reading command reads.

Events come as the bytes that go over the wire, in pages, so that an export is exact and a command decodes only what it
shows. Views come as JSON values. Two adapters: `local` reads a log at rest (safe beside the gateway that writes it),
`gateway` asks over HTTP.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ...domain.errors import BadCursor
from ...domain.ids import SessionId, Version

if TYPE_CHECKING:
    from ...projections.authoring.projection import AnyProjection

Page = list[bytes]
"""Wire envelopes, in order."""
AtMoment = int | datetime
"""A version of a session, or a time."""


class Summary(NamedTuple):
    """A session in a list."""

    session: SessionId
    version: Version
    title: str | None
    status: str
    labels: dict[str, str]


class Source(Protocol):
    """A log to read. Errors: the StenogramError tree. Open inside `async with` (`choosing.open_source`)."""

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

    async def origins(self, session: SessionId) -> list[SessionId]:
        """The session that it was forked from, and of those before it as many as its events say; none for a session
        that is no fork. Raises NotFound."""

    def read(self, session: SessionId, after: int, *, follow: bool = False) -> AsyncIterator[Page]:
        """The session's events after version `after`; with `follow` it never ends: new events come as they
        happen. Raises NotFound, and BadCursor for a version that is not reached yet."""

    async def views(
        self, session: SessionId, projections: "Sequence[AnyProjection]", at: AtMoment | None = None
    ) -> list[Any]:
        """What the view of each projection holds of the session, now or at a moment: a document (None where there is
        none), or a list of rows in the session's order. Documents and rows are models, or their JSON (`json_value`
        makes that of either). Raises NotFound and FoldFailed."""

    def read_all(self, after: str = "0", *, last: int | None = None, follow: bool = False) -> AsyncIterator[Page]:
        """The whole log after a cursor that a gateway or `Stenogram-To` gave, from its beginning, or from so many
        events (`last`) before its end. Raises BadCursor."""


def json_value(value: Any) -> Any:
    """A document or rows as JSON."""
    if isinstance(value, list):
        return list(map(json_value, value))
    return value if value is None or isinstance(value, dict) else value.model_dump(mode="json", by_alias=True)


async def reached_version(source: Source, session: SessionId, *versions: int | None) -> Version:
    """The session's last version. Raises NotFound, and BadCursor if one of `versions` comes after it."""
    head = await source.version(session)
    if late := [each for each in versions if each is not None and each > head]:
        raise BadCursor(f"Session {session!r} stands at version {head}; {late[0]} is not reached yet.")
    return head
