"""Whether views are kept current, told from outside: from the store and the log alone, whichever process runs them.

A checkpoint at the log's head proves nothing about a runner that has stopped: nothing may have been appended since. So
what counts besides is when the runner was last heard of, by the store's clock, and when the build last moved.
"""

from typing import Literal, NamedTuple

from ..domain.ids import Position
from ..log.log import Log
from .store import Build, ViewStore

FROZEN_AFTER_S = 10.0
"""Seconds without a step, while there is something to fold, after which a build is unhealthy."""

Verdict = Literal["healthy", "degraded", "unhealthy"]


class Health(NamedTuple):
    """How one build of a view is. `why` is for people; empty when all is well."""

    build: Build
    behind: int
    """Events of the log that are not folded yet."""
    verdict: Verdict
    why: str = ""

    @property
    def remaining(self) -> float | None:
        """Seconds until it has caught up at its present rate; None when that cannot be told, or nobody advances it."""
        if not self.behind:
            return None if self.build.state == "retired" else 0.0
        return self.behind / self.build.rate if self.build.rate > 0 and self.build.held else None


async def healths(log: Log, store: ViewStore, *, retired: bool = False) -> list[Health]:
    """How the builds are that are current or are being made, and with `retired` those that readers saw before. The log
    is asked where it ends, not its tail."""
    builds = await store.builds()
    head = (await log.engine.head()).position
    return [health(build, head) for build in builds if retired or build.state != "retired"]


def health(build: Build, head: Position) -> Health:
    """How a build is, where the log ends at `head`."""
    behind = max(0, head - build.checkpoint.position)
    if build.state == "retired":
        return Health(build, behind, "healthy", f"readers saw it until {build.ended or 0:.0f} s ago")
    why = _trouble(build, behind)
    if why:
        return Health(build, behind, "unhealthy", why)
    if build.parked:
        return Health(build, behind, "degraded", f"{build.parked} parked; see `stenogram projections status`")
    return Health(build, behind, "healthy")


def _trouble(build: Build, behind: int) -> str:
    if build.stopped:
        return f"stopped: {build.stopped}"
    if build.beat is None:
        return "no runner advances it"
    if not build.held:
        return f"its runner was last heard of {build.beat:.0f} s ago"
    if behind and build.still > FROZEN_AFTER_S:
        return f"it has not moved for {build.still:.0f} s, and {behind} events wait"
    return ""
