"""Who may read which views.

A view by session can be read by everyone who may read the session. One that spans sessions needs the right to read all
of them. What in it is not for everyone, its projection shows to whom it may concern (`Projection.shown`).
"""

from ...domain.audience import Viewer
from ...domain.errors import Forbidden
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ..access.principal import EVERYTHING, Principal

SESSION_KEY = "session"


def by_session(projection: AnyProjection) -> bool:
    """Whether each document or row belongs to one session, and says to which."""
    if projection.key != SESSION_KEY:
        return False
    leading = {*projection.shape.key, *[index[0] for index in projection.shape.indexes]}
    return isinstance(projection, DocProjection) or SESSION_KEY in leading


def searchable(projection: AnyProjection) -> list[str]:
    """The columns by which a view can be searched and ordered."""
    shape = projection.shape
    return list(dict.fromkeys((*shape.key, *[name for index in shape.indexes for name in index])))


async def viewer_of(principal: Principal, log: Log, projection: AnyProjection, key: str) -> Viewer:
    """The viewer of what a view holds under a key. Raises Forbidden for those who may not."""
    if by_session(projection):
        principal.require_read(key)
        return await principal.viewer(log, key)
    return viewer_of_all(principal, projection)


def viewer_of_all(principal: Principal, projection: AnyProjection) -> Viewer:
    """The viewer of a whole view that spans sessions. Raises Forbidden."""
    if principal.read != EVERYTHING:
        raise Forbidden(f"The view {projection.name} spans sessions; that takes the right to read all of them.")
    return principal.log_viewer
