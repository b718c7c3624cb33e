"""The view `state`: the shared state of a session, as the domain folds it."""

from pydantic import BaseModel, JsonValue

from ...domain.concepts.document import Document, StateIncremented, StateMerged, StatePatched, evolve
from ...domain.concepts.last_written import NEVER
from ...domain.ids import Version
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class SharedState(BaseModel):
    """The shared state, and the version that changed it last."""

    value: dict[str, JsonValue] = {}
    version: int = 0


state = DocProjection("state", SharedState)


@state.on
def _(doc: SharedState, event: StatePatched | StateMerged | StateIncremented, meta: Meta) -> None:
    now = evolve(Document(doc.value, Version(doc.version), NEVER), meta.event(event))
    doc.value, doc.version = now.value, now.version
