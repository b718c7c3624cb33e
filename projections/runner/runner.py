"""Keeps views current: the one object that a process starts.

    async with sqlite_views("stenogram.views.db") as store, asyncio.TaskGroup() as tasks:
        tasks.create_task(Runner(log, store, [board]).run())

Any number of runners may work on the same views. Each build of a view is claimed by one of them; a runner that is not
heard of for `LAPSE_S` seconds loses its claims to the others. Should it still live, it is fenced: its commits are
refused, since they name the place and the claim that they follow on.

Before all else it stores where effects begin that are new. Once a second the runner does a round: it begins builds for
projections whose version has none, claims what nobody holds, passes on what operators have asked for, and drops what
was retired long ago.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...domain.errors import ConfigurationError, LogFailed, StenogramError
from ...domain.ids import new_id
from ...log.log import Log
from ..authoring.projection import Projection
from ..authoring.shape import Shape
from ..store import Build, Checkpoint, CheckpointMoved, ViewStore
from .announced import Announce, Announced
from .checkpoints import OtherLog, end_of
from .effects import SHAPE as EFFECTS_SHAPE
from .effects import SUFFIX as EFFECTS
from .effects import Effects
from .log_reader import LogReader
from .worker import Worker

POLL_S = 1.0
"""Between two rounds, and between two beats."""
KEEP_RETIRED_S = 600.0
"""For which a retired build is kept, for readers who are in the midst of it and for those who turn back."""

_logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """What a runner claims builds for: a view, or effects."""

    name: str
    version: int
    shape: Shape
    worker: Callable[[Build], Worker | Effects]
    is_effects: bool = False


class Runner:
    """Runs projections over one log. `promote`: show a new build to readers as soon as it has caught up; otherwise that
    waits for a command, where they see another. `effects`: carry them out; otherwise only views are kept. `announce` is
    called with the build whose code runs now. `id`: what it claims builds as."""

    def __init__(
        self,
        log: Log,
        store: ViewStore,
        projections: Sequence[Projection[Any, Any]],
        *,
        promote: bool = True,
        effects: bool = True,
        poll: float = POLL_S,
        announce: Announce | None = None,
        id: str | None = None,
    ) -> None:
        """Raises ConfigurationError when two projections have the same name and version."""
        self.id = id or new_id()
        self.projections = {(each.name, each.version): each for each in projections}
        if len(self.projections) < len(projections):
            raise ConfigurationError("Two projections have the same name and version; rename one of them.")
        self._log = log
        self._store = store
        self._promote = promote
        self._poll = poll
        self._announce = announce
        self._pages = LogReader(log)
        self._jobs = {(job.name, job.version): job for job in self._all_jobs(effects)}
        self._working: dict[int, Worker | Effects] = {}
        self._effects_from: Checkpoint | None = None
        self.stopped: tuple[str, ...] | None = None
        """The views that do not go on before somebody does something, as the last round found them."""

    async def run(self) -> None:
        """Work until cancelled; then what is being written is finished, and the claims are given back. Raises LogFailed
        when the log ends."""
        try:
            await self.begin_effects()
            with self._pages:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._beat())
                    tasks.create_task(self._tend_builds(tasks))
        finally:
            # After the workers have ended: given back before, a build could be claimed while a commit is under way.
            with contextlib.suppress(StenogramError):  # the claims lapse by themselves
                await self._store.leave(self.id)

    async def begin_effects(self) -> None:
        """Store where effects begin that are new here: behind all that the log has by now. Events that come after this
        has returned have their effects, whenever the runner runs. Where the store fails the place is kept, and stored
        when it can be."""
        effects = [job for job in self._jobs.values() if job.is_effects]
        if self._effects_from is not None or not effects:
            return
        try:
            self._effects_from = await end_of(self._log)
            builds = await self._store.builds()
            for job in effects:
                if _wants_build(job, builds):
                    await self._begin(job)
        except StenogramError as error:
            _logger.warning("where effects begin could not be stored yet: %s", error)

    async def _beat(self) -> None:
        while True:  # a task of its own: a round that waits for the store must not cost the claims
            try:
                await self._store.beat(self.id)
            except StenogramError as error:
                _logger.warning("a beat was missed: %s", error)
            await asyncio.sleep(self._poll)

    async def _tend_builds(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            if not self._log.working:
                raise LogFailed("The log is closed, or its work has ended; open it again.")
            try:
                await self._round(tasks)
            except StenogramError as error:
                _logger.warning("the builds of views could not be tended: %s", error)
            await asyncio.sleep(self._poll)

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        builds = await self._store.builds()
        for job in self._jobs.values():
            if _wants_build(job, builds):
                builds.append(await self._begin(job))
        self.stopped = tuple(sorted({each.name for each in builds if each.stopped and each.state != "retired"}))
        ours = {name for name, _ in self._jobs}
        for build in builds:
            try:
                await self._tend(tasks, build, drop=build.name in ours and _is_done_with(build, builds))
            except StenogramError as error:  # one whose lock is held elsewhere must not keep the others waiting
                _logger.warning("%s could not be tended: %s", build, error)

    async def _tend(self, tasks: asyncio.TaskGroup, build: Build, *, drop: bool) -> None:
        job = self._jobs.get((build.name, build.version))
        if build.id in self._working:
            self._pass_on(self._working[build.id], build)
        elif job is not None and build.state != "retired" and not build.stopped:
            await self._claim(tasks, job, build)
        elif drop:
            await self._store.drop(build.id)

    def _pass_on(self, worker: Worker | Effects, build: Build) -> None:
        if build.state == "retired":
            worker.finish()
        elif build.parked:
            worker.look_for_wishes()

    async def _claim(self, tasks: asyncio.TaskGroup, job: Job, build: Build) -> None:
        if build.shape != job.shape:
            await self._store.stop(
                build.id, "its columns, or who sees it, are others than when it was built: raise its version"
            )
        elif not build.held or build.runner == self.id:
            claimed = await self._store.claim(build.id, self.id)
            if claimed is not None:
                tasks.create_task(self._work(job, claimed))

    async def _work(self, job: Job, build: Build) -> None:
        """Let a worker work; a build whose worker ends is claimed again in the next round."""
        try:
            worker = self._working[build.id] = job.worker(build)
            await (worker.run() if self._announce is None else Announced(worker.run(), build.id, self._announce))
        except CheckpointMoved as moved:
            _logger.warning("%s: another runner has taken over", moved)
        except OtherLog as replaced:
            _logger.warning("%s is built again from the start: %s", build, replaced)
            await self._store.stop(build.id, str(replaced))
            if build.state == "building":
                await self._store.drop(build.id)
            await self._begin(job)
        except StenogramError as error:
            _logger.warning("%s: %s", build, error)
        except Exception:  # one view's fault must not be the others' end
            _logger.exception("%s failed", build)
        finally:
            self._working.pop(build.id, None)  # or the next round would take the build for one that is worked on

    async def _begin(self, job: Job) -> Build:
        start = None
        if job.is_effects:
            start = self._effects_from = self._effects_from or await end_of(self._log)
        return await self._store.begin(job.name, job.version, job.shape, self._log.epoch, start)

    def _all_jobs(self, effects: bool) -> Iterator[Job]:
        """A view for each projection, and the effects of the newest version of each that has some."""
        newest = {name: self.projections[name, version] for name, version in sorted(self.projections)}
        for projection in self.projections.values():
            yield Job(projection.name, projection.version, projection.shape, partial(self._view, projection))
        for projection in newest.values():
            if effects and len(projection.effects):
                yield Job(projection.name + EFFECTS, 1, EFFECTS_SHAPE, partial(self._effects, projection), True)

    def _view(self, projection: Projection[Any, Any], build: Build) -> Worker:
        return Worker(projection, self._log, self._store, self._pages, build, self._caught_up)

    def _effects(self, projection: Projection[Any, Any], build: Build) -> Effects:
        return Effects(projection, self._log, self._store, self._pages, build)

    async def _caught_up(self, build: Build) -> bool:
        current = await self._store.current(build.name)
        if current is not None and current.id == build.id:
            return True
        if current is not None and not self._promote:
            return False
        if not await self._store.promote(build.id, even_if_behind=False):
            return False
        level = logging.DEBUG if current is None else logging.INFO  # the first of a view replaces nothing
        _logger.log(level, "%s is what readers see now", build)
        return True


def _wants_build(job: Job, builds: list[Build]) -> bool:
    """Whether there is no build of this version, nor one that readers see of a later version."""
    own = [build for build in builds if build.name == job.name]
    return not any(
        build.version == job.version or (build.state == "current" and build.version > job.version) for build in own
    )


def _is_done_with(build: Build, builds: list[Build]) -> bool:
    """Whether a build was retired long ago in favour of a later one. (One that was retired in favour of an earlier one
    is what tells that somebody has turned back.)"""
    if build.state != "retired" or build.ended is None or build.ended < KEEP_RETIRED_S:
        return False
    return any(each.name == build.name and each.state == "current" and each.id > build.id for each in builds)
