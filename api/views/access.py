"""Who may read which views.

A view by session is read by whoever may read the session. One that spans sessions takes the right to read them all.
What in it is not for everyone its projection shows to whom it may concern (`Projection.shown`).
"""

from ...domain.audience import Viewer
from ...domain.errors import Forbidden
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ..access.principal import EVERYTHING, Principal

SESSION = "session"


def by_session(projection: AnyProjection) -> bool:
    """Whether each document or row belongs to one session, and says to which."""
    if projection.key != SESSION:
        return False
    searchable = {*projection.shape.key, *[index[0] for index in projection.shape.indexes]}
    return isinstance(projection, DocProjection) or SESSION in searchable


async def viewer_of(principal: Principal, log: Log, projection: AnyProjection, key: str) -> Viewer:
    """Who looks at what a view holds under a key. Raises Forbidden for those who may not."""
    if by_session(projection):
        principal.require("read", key)
        return await principal.viewer(log, key)
    return viewer_of_all(principal, projection)


def viewer_of_all(principal: Principal, projection: AnyProjection) -> Viewer:
    """Who looks at a whole view that spans sessions. Raises Forbidden."""
    if principal.read != EVERYTHING:
        raise Forbidden(f"The view {projection.name} spans sessions; that takes the right to read all of them.")
    return principal.log_viewer
