"""Moments that were folded, for all who read them: folded once at a time, a few at once, and kept while memory allows.

A moment is kept as its session had it, not as anybody was shown it: who sees what of it is decided for each reader. One
of the same session that comes later goes on from it.
"""

import asyncio
import logging
from collections.abc import Hashable
from datetime import datetime
from typing import Any, NamedTuple

from ...domain.errors import FoldFailed
from ...domain.ids import SessionId, Version
from ...log.log import Log
from ...log.single_flight import SingleFlight
from ...log.weighted_cache import WeightedCache
from ...projections.authoring.projection import AnyProjection
from ...projections.moment_fold import MomentRows
from ...projections.moments import Moments
from ...projections.seek import version_at
from ...projections.store import ViewStore

KEPT_BYTES = 64 * 2**20
FOLDED_AT_ONCE = 2
"""Moments that are folded at the same time, so that a short one need not wait for a long one."""

_logger = logging.getLogger(__name__)


class MomentKey(NamedTuple):
    """A session's part of a view at a version. `of` is all but the version."""

    of: Hashable
    version: Version


class MomentCache:
    """The moments of all tenants of a process."""

    def __init__(self) -> None:
        self._kept = WeightedCache[MomentKey, MomentRows](KEPT_BYTES, group=lambda key: key.of)
        self._flights = SingleFlight[MomentKey, MomentRows]()
        self._folding = asyncio.Semaphore(FOLDED_AT_ONCE)

    async def at(
        self,
        tenant: str,
        log: Log,
        store: ViewStore,
        projection: AnyProjection,
        session: SessionId,
        at: int | datetime | None,
    ) -> MomentRows:
        """The view at a version or a time, or now. Raises Invalid for a view that has no moments, NotFound, BadCursor,
        FoldFailed."""
        moments = Moments(log, store, projection)
        reached = await version_at(log, session, at)
        skipped = await moments.skipped(session)
        # The tenant as well: a log that was copied has the epoch, and so the fingerprints, of the original.
        key = MomentKey((tenant, moments.fingerprint, session, skipped), reached)
        kept = self._kept.use(key)
        if kept is not None:
            return kept
        return await self._flights.do(key, lambda: self._fold(moments, key, session, skipped))

    async def _fold(
        self, moments: Moments[Any, Any], key: MomentKey, session: SessionId, skipped: frozenset[int]
    ) -> MomentRows:
        async with self._folding:
            begin = self._latest_before(key)
            try:
                found = await moments.rows(session, key.version, skipped, begin)
            except FoldFailed as failed:
                _logger.warning("%s", failed)  # clients are not told what the handler's exception says
                raise
        self._kept.put(key, found, found.size)
        return found

    def _latest_before(self, key: MomentKey) -> MomentRows | None:
        versions = [each.version for each in self._kept.keys_of(key.of) if each.version <= key.version]
        return self._kept.use(key._replace(version=max(versions))) if versions else None
