"""Administration of views: what the commands of `stenogram projections` do, given a log and a store."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from ...api.views.storage import NO_VIEWS, ViewStorage, make_projections
from ...domain.errors import NotFound, NotReady
from ...log.log import Log
from ...log.storage import Storage
from ...projections.administration import promote, rebuild
from ...projections.health import Health, healths
from ...projections.store import Build, Parked, ViewStore
from ...projections.store.records import Wish
from ...projections.verify import Verified, verify
from ..text.console import Bar, progress

POLL_S = 0.2
STOP_TIMEOUT_S = 10.0
"""Seconds without any runner after which nobody is waited for."""
PROMOTION_S = 3.0
"""Seconds within which what has caught up is promoted, if it is so without being asked for."""


class ViewAdmin:
    """A log, opened for reading, and its views."""

    def __init__(self, log: Log, store: ViewStore) -> None:
        self._log = log
        self._store = store

    async def healths(self, *, retired: bool = False) -> list[Health]:
        """How the builds are that are current, or are being made, and with `retired` those that readers saw before."""
        return await healths(self._log, self._store, retired=retired)

    async def parked(self) -> dict[int, list[Parked]]:
        """What is parked, by build."""
        builds = [each for each in await self._store.builds() if each.parked and each.state != "retired"]
        return {each.id: await self._store.parked(each.id) for each in builds}

    async def rebuild(self, view: str) -> Build:
        """Begin a build beside the current one. Raises NotFound."""
        return await rebuild(self._log, self._store, view)

    async def wait_until_built(self, build: Build) -> bool:
        """Wait until readers see a build; False when it has caught up and must be promoted by command. Raises NotReady
        when it stops, or nobody goes on with it."""
        with progress(f"building {build.name}", (await self._log.engine.head()).position) as bar:
            return await self._wait_until_seen(build, bar)

    async def wait_until_caught_up(self) -> None:
        """Wait until all builds have folded the whole log."""
        for each in await self.healths():
            with progress(each.build.name, (await self._log.engine.head()).position) as bar:
                await self._wait_until_seen(each.build, bar)

    async def promote(self, view: str, id: int | None, anyway: bool) -> Build:
        """Promote the newest build that is being made, or the one named. Raises NotFound, Conflict."""
        return await promote(self._log, self._store, view, id, anyway=anyway)

    async def wish(self, view: str, keys: Sequence[str], wish: Wish) -> list[str]:
        """Ask for a retry or a skip, of the builds in which the keys are parked. Raises NotFound."""
        found: list[str] = []
        for build in [each for each in await self._store.builds() if each.name == view and each.state != "retired"]:
            parked = [each.key for each in await self._store.parked(build.id)]
            for key in [key for key in parked if not keys or key in keys]:
                await self._store.wish(build.id, key, wish)
                found.append(key)
        missing = [key for key in keys if key not in found]
        if missing or not found:
            raise NotFound(f"In {view!r} nothing is parked{f' under {missing[0]!r}' if missing else ''}.")
        return list(dict.fromkeys(found))

    async def retry(self, view: str, keys: Sequence[str]) -> tuple[list[int], list[str]]:
        """Ask for a retry of keys, or without them of all that is parked and of builds that have stopped; which builds,
        and which keys. Raises NotFound."""
        builds = [each for each in await self._store.builds() if each.name == view and each.state != "retired"]
        stopped = [] if keys else [each.id for each in builds if each.stopped and not each.parked]
        for build in stopped:
            await self._store.stop(build, None)
        all_done = stopped and not any(each.parked for each in builds)
        return stopped, [] if all_done else await self.wish(view, keys, "retry")

    async def verify(self, view: str, sample: int | None, names: Sequence[str]) -> Verified:
        """Fold again and compare. Raises NotFound for a view that no projection is known of."""
        known = {each.name: each for each in make_projections("", names)}
        if view not in known:
            raise NotFound(f"There is no projection {view!r} here; name yours by --projection module:attribute.")
        with progress(f"verifying {view}", None) as bar:
            return await verify(self._log, self._store, known[view], sample=sample, progress=bar.reach)

    async def _wait_until_seen(self, build: Build, bar: Bar) -> bool:
        """Wait until readers see a build that has caught up; False when it waits for a command."""
        alone = waiting = 0.0
        while waiting < PROMOTION_S:
            found = await self.healths()
            current = {each.build.name: each.build for each in found if each.build.state == "current"}
            now = next((each for each in found if each.build.id == build.id), None)
            if now is None or now.build.stopped:
                raise NotReady(
                    f"Build {build.id} of {build.name} does not go on: {now.why if now else 'it was dropped'}."
                )
            bar.reach(now.build.checkpoint.position, now.build.checkpoint.position + now.behind)
            if not now.behind and now.build.state == "current":
                return True
            waiting += POLL_S if _waits(now, current.get(build.name)) else 0.0
            alone = 0.0 if now.build.held else alone + POLL_S
            if alone > STOP_TIMEOUT_S:
                raise NotReady(
                    f"Nobody goes on with version {build.version} of {build.name}; start a gateway that has it."
                )
            await asyncio.sleep(POLL_S)
        return False


def _waits(health: Health, seen: Build | None) -> bool:
    """Whether a build is as far as the one that readers see, and yet they do not see it."""
    if seen is None or health.build.state != "building":
        return False
    return not health.behind or (not seen.stopped and health.build.checkpoint.position >= seen.checkpoint.position)


@asynccontextmanager
async def open_view_admin(log: str, views: str, tenant: str) -> AsyncIterator[ViewAdmin]:
    """Open a log and its views. Raises what they raise, and NotFound where there are no views."""
    if log.startswith(("http://", "https://")):
        raise click.UsageError(f"This needs the log itself; --log is a gateway ({log}).")
    storage = ViewStorage(views, log)
    file = storage.file(tenant)
    if views == NO_VIEWS or (file is not None and not os.path.exists(file)):  # noqa: ASYNC240 - before anything runs
        raise NotFound(f"There are no views{f' at {file}' if file else ''}; a gateway makes and keeps them.")
    async with Log(Storage(log).engine(tenant, read_only=True)) as source, storage.store(tenant) as store:
        yield ViewAdmin(source, store)
