"""The views of one log, to be read: which there are, and what is stored of them."""

from collections.abc import Sequence

from ...domain.errors import Invalid, NotFound, NotReady
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.store import Build, Found, ViewStore
from .access import by_session


class ViewReader:
    """Reads the views of an open log, of these projections, in an open store."""

    def __init__(self, log: Log, store: ViewStore, projections: Sequence[AnyProjection]) -> None:
        self.log = log
        self.store = store
        self.projections = {each.name: each for each in sorted(projections, key=lambda each: each.version)}

    def named(self, name: str) -> AnyProjection:
        """The projection of that name, in its newest version. Raises NotFound."""
        projection = self.projections.get(name)
        if projection is None:
            known = ", ".join(self.projections) or f"none: {self._why_none()}"
            raise NotFound(f"There is no view {name!r}; there are {known}.")
        return projection

    def _why_none(self) -> str:
        if self.log.engine.writable:
            return "this gateway keeps no views"
        return "this gateway only reads, and keeps views where STENOGRAM_VIEWS names a place for them"

    def followed(self, name: str) -> AnyProjection:
        """The same, to be followed under a key. Raises NotFound, and Invalid for one of rows that is not by session."""
        projection = self.named(name)
        if not isinstance(projection, DocProjection) and not by_session(projection):
            raise Invalid(f"{name} is not kept by session; follow the events that change it.")
        return projection

    async def current(self, name: str) -> Build:
        """The build that readers see. Raises NotReady while there is none."""
        build = await self.store.current(name)
        if build is None:
            raise NotReady(f"The view {name} is being built; try again in a moment.", retry_after=1.0)
        return build

    async def get(self, projection: AnyProjection, key: str) -> Found:
        """The document of a key. Raises NotReady."""
        await self.current(projection.name)
        return await self.store.get(projection.name, [(key,)])
