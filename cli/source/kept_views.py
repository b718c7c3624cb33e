"""Views of a session as they are kept beside a log: what a gateway has folded already need not be folded again.

They are taken only where they are what a fold would come to: of the projection's own version and columns, of this very
log, up to the session's last event at least, and with nothing of the session parked or skipped.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ...api.views.storage import ViewStorage
from ...domain.errors import NotFound, ViewsFailed
from ...domain.ids import SessionId
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.runner.checkpoints import OtherLog, check_log
from ...projections.store import ViewStore
from .folding import in_order


async def kept_views(
    log: Log, address: str, session: SessionId, version: int, projections: Sequence[AnyProjection]
) -> dict[str, Any]:
    """What is kept of the session, as it is at this version, its last one, by the names of the projections; those that
    must be folded are missing."""
    storage = ViewStorage("", address)
    file = storage.file("")
    if file is not None and not file.exists():
        return {}
    found: dict[str, Any] = {}
    with suppress(ViewsFailed):  # nobody keeps views there
        async with storage.store().opened() as store:
            for projection in projections:
                with suppress(NotFound, OtherLog):
                    found |= await _kept(log, store, projection, session, version)
    return found


async def _kept(
    log: Log, store: ViewStore, projection: AnyProjection, session: SessionId, version: int
) -> dict[str, Any]:
    column = "key" if isinstance(projection, DocProjection) else "session"
    found = await store.of_session(projection.name, column, session)
    build = found.build
    (last,) = await log.read_session(session, version - 1, 1)
    is_whole = session not in found.parked and not any(each.key == session for each in found.skipped)
    is_own = (build.version, build.shape) == (projection.version, projection.shape)
    if not (is_whole and is_own and build.checkpoint.position >= last.position):
        return {}
    await check_log(log, build.checkpoint)
    folder = projection.folder()
    values = {place: folder.values[place] for place in map(folder.load, found.rows)}
    return {projection.name: in_order(projection, values)}
