"""The store of views: where the runner writes and everybody reads, without blocking the loop.

    async with sqlite_views("stenogram.views.db") as store:
        found = await store.get("board", [("trip-7",)])

Commits of one process queue up behind each other; reads go beside them. All that is written of a view, its rows, its
checkpoint and what is parked, is written in one transaction.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, TypeVarTuple

from ...log.engine import PAGE_BYTES
from ..authoring.shape import Row, Shape
from . import builds, checkpoint_commit, reading
from .connections import ViewConnections
from .database import Database
from .records import Build, Checkpoint, Commit, Found, Parked, Sample, Snapshot, Wish

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ViewStore:
    """Views in a database. `database` makes of a connection what work is done with. Raises ViewsFailed when
    that fails; nothing of what failed was written."""

    def __init__(
        self, connections: ViewConnections, database: Callable[[Any], Database] = lambda connection: connection
    ) -> None:
        self._connections = connections
        self._database = database

    async def __aenter__(self) -> Self:
        self.enter()
        try:
            await self.prepare()
        except BaseException:
            self._connections.leave()
            raise
        return self

    def enter(self) -> None:
        """Open it, without looking whether its database can be used: `prepare` does that, until it succeeds."""
        self._connections.enter()

    async def prepare(self) -> None:
        """Make its tables, where there are none. Raises ViewsFailed."""
        await self._connections.writers.run(self._prepared)

    async def __aexit__(self, *exc: object) -> None:
        """Waits for what is being written, unless others use the same connections."""
        self._connections.leave()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """The store for reading what is there: nothing is made or changed. Raises ViewsFailed where there is none."""
        self._connections.enter()
        try:
            yield self
        finally:
            self._connections.leave()

    async def builds(self) -> list[Build]:
        """All builds of all views."""
        return await self._read(builds.read_builds)

    async def current(self, name: str) -> Build | None:
        """The build of a view that readers see; None while there is none yet."""
        return await self._read(builds.current_build, name)

    async def begin(self, name: str, version: int, shape: Shape, epoch: str, start: Checkpoint | None = None) -> Build:
        """A new build, which begins with the log's first event or at `start`; or the unfinished one of this version."""
        return await self._write(builds.begin_build, name, version, shape, start or Checkpoint(epoch))

    async def promote(self, build: int, *, even_if_behind: bool = True) -> bool:
        """Show readers this build from now on; the one they saw is retired. Without `even_if_behind` only if readers
        will not see anything go back. Whether it was done. Raises NotFound."""
        return await self._write(builds.promote_build, build, even_if_behind)

    async def drop(self, build: int) -> None:
        """Remove a build. Raises NotFound."""
        await self._write(builds.drop_build, build)

    async def stop(self, build: int, why: str | None) -> None:
        """Say why a build does not go on; with None, let it go on."""
        await self._write(builds.stop_build, build, why)

    async def beat(self, runner: str) -> None:
        """Say that a runner lives. One that does not for `LAPSE_S` seconds loses what it holds to any that asks."""
        await self._write(builds.beat, runner)

    async def claim(self, build: int, runner: str) -> Build | None:
        """Take a build that no other living runner holds; None when one does. The token that comes with it fences off
        the runners before."""
        return await self._write(builds.claim_build, build, runner)

    async def leave(self, runner: str) -> None:
        """Give everything back."""
        await self._write(builds.release_all, runner)

    async def commit(self, build: Build, commit: Commit) -> None:
        """Write rows and checkpoint. Raises CheckpointMoved when somebody else has moved the build."""
        await self._write(checkpoint_commit.write_commit, build, commit)

    async def fetch(self, build: Build, places: Collection[Row]) -> list[Row]:
        """Rows of a build, as its last commit left them."""
        return await self._read(reading.fetch_rows, build, places)

    async def get(self, name: str, places: Collection[Row]) -> Found:
        """Rows of a view by place. Raises NotFound while it has no build for readers."""
        return await self._read(reading.get_rows, name, places)

    async def whole(self, name: str) -> Found:
        """All of a view, for verifying it; everything is in memory then. Raises NotFound."""
        return await self._read(reading.read_whole, name)

    async def of_session(self, name: str, column: str, session: str) -> Found:
        """All rows of a view in which the column is the session's id. Raises NotFound."""
        return await self._read(reading.read_of_session, name, column, session)

    async def find(
        self,
        name: str,
        where: Mapping[str, Any] | None = None,
        *,
        order: str = "",
        after: Sequence[Any] | None = None,
        limit: int = 100,
        most: int = PAGE_BYTES,
    ) -> Found:
        """Rows of a view by indexed columns, in pages of up to `limit` rows and about `most` bytes
        (`reading.find_rows`). Raises NotFound, Invalid."""
        return await self._read(reading.find_rows, name, where or {}, order, after, limit, most)

    async def sample(
        self,
        name: str,
        where: Mapping[str, Any],
        column: str,
        edges: Sequence[Any],
        *,
        most: int,
        before: int,
        size: int = PAGE_BYTES,
    ) -> Sample:
        """A part of a view's rows, evenly along an indexed column (`reading.sample_rows`). Raises NotFound, Invalid."""
        return await self._read(reading.sample_rows, name, where, column, edges, most, before, size)

    async def parked(self, build: int) -> list[Parked]:
        """The parked keys of a build."""
        return await self._read(builds.read_parked, build)

    async def wish(self, build: int, key: str, wish: Wish) -> None:
        """Ask the build's runner to retry a parked key, or to skip the event that failed. Raises NotFound."""
        await self._write(builds.wish_for, build, key, wish)

    async def skipped(self, name: str, key: str) -> frozenset[int]:
        """The positions of events that were left out of a key of the view that readers see."""
        return await self._read(reading.read_skipped, name, key)

    async def snapshot(self, name: str, fingerprint: str, session: str, version: int) -> Snapshot | None:
        """The newest snapshot that is not after `version`."""
        return await self._read(reading.read_snapshot, name, fingerprint, session, version)

    async def keep(self, name: str, fingerprint: str, session: str, snapshots: Sequence[Snapshot]) -> None:
        """Keep snapshots."""
        await self._write(reading.put_snapshots, name, fingerprint, session, snapshots)

    async def _read(self, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        return await self._connections.readers.run(self._done, work, *args)

    async def _write(self, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        return await self._connections.writers.run(self._done, work, *args)

    def _done(self, connection: Any, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        return work(self._database(connection), *args)

    def _prepared(self, connection: Any) -> None:
        self._database(connection).prepare()
