"""Writes to an engine as the log's committer does: every record, position and head in its place."""

from typing import NamedTuple

from ...domain.ids import Position, SessionId, Version
from ...log.engine import Engine
from ...log.records import ANYTHING, Batch, Record


class BatchEvent(NamedTuple):
    """What a test has to say of an event; the writer adds the rest."""

    session: SessionId = "s-1"
    subject: str = "message:m1"
    key: str | None = None
    data: bytes = b'{"id":"e-1","type":"message.delta"}'


class BatchWriter:
    """Knows the log's position because it alone writes to it."""

    def __init__(self, engine: Engine, position: int = 0) -> None:
        self.engine = engine
        self.position = Position(position)
        self.heads: dict[tuple[SessionId, str], Version] = {}

    def batch(self, *lines: BatchEvent) -> Batch:
        """The batch that writes these events; the writer does not move by it."""
        records: list[Record] = []
        heads: dict[tuple[SessionId, str], Version] = {}
        for position, line in enumerate(lines, self.position + 1):
            anything = (line.session, ANYTHING)
            version = Version(heads.get(anything, self.heads.get(anything, 0)) + 1)
            heads[anything] = heads[line.session, line.subject] = version
            records.append(
                Record(
                    position=Position(position),
                    session=line.session,
                    version=version,
                    subject=line.subject,
                    type="message.delta",
                    data=line.data,
                    key=line.key,
                    time=1_767_225_600_000_000 + position,
                )
            )
        return Batch(self.position, records, heads, producers={}, tracking={}, live={})

    async def write(self, *lines: BatchEvent) -> list[Record]:
        """Write these events in one batch; returns their records."""
        return await self.commit(self.batch(*lines))

    async def commit(self, batch: Batch) -> list[Record]:
        """Write a batch, and move on if that succeeds."""
        await self.engine.write(batch)
        self.position = Position(self.position + len(batch.records))
        self.heads |= batch.heads
        return batch.records

    async def check_refused(self, kind: type[Exception], batch: Batch) -> None:
        """Assert that the batch is refused, that nothing of it is in the log, and that the log goes on."""
        try:
            await self.engine.write(batch)
        except kind:
            pass
        else:
            raise AssertionError(f"the batch was written; it should be refused with {kind.__name__}")
        assert (await self.engine.head()).position == self.position
        assert len(await self.engine.read_log(0, 1000)) == self.position
        others = {head for head in batch.heads if head not in self.heads}
        assert await self.engine.read_heads(others) == {}
        assert await self.engine.read_heads(self.heads) == self.heads
        await self.write(BatchEvent("after"))
