"""The view `state`: the shared state of a session, as the domain folds it."""

from immutables import Map
from pydantic import BaseModel, JsonValue

from ...domain.audience import Viewer, visible
from ...domain.concepts.document import Document, StateIncremented, StateMerged, StatePatched, evolve
from ...domain.concepts.last_written import NEVER
from ...domain.ids import Version
from ...domain.json.pointer import tokens
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class Restricted(BaseModel):
    """Who may see a name at the top, and the version that changed it last."""

    audience: tuple[str, ...]
    version: int


class SharedState(BaseModel):
    """The shared state, and the version that changed it last. `restricted` are the names at the top, as JSON Pointers,
    that are not for everyone."""

    value: dict[str, JsonValue] = {}
    version: int = 0
    restricted: dict[str, Restricted] = {}


state = DocProjection("state", SharedState, version=2)


@state.shown
def _(doc: SharedState, viewer: Viewer) -> SharedState:
    seen = {name: each for name, each in doc.restricted.items() if visible(each.audience, viewer)}
    gone = {tokens(name)[0] for name in doc.restricted.keys() - seen.keys()}
    value = {name: each for name, each in doc.value.items() if name not in gone}
    version = max([doc.version, *[each.version for each in seen.values()]])
    return SharedState(value=value, version=version, restricted=seen)


@state.on
def _(doc: SharedState, event: StatePatched | StateMerged | StateIncremented, meta: Meta) -> None:
    now = evolve(Document(doc.value, Version(doc.version), NEVER, Map()), meta.event(event))
    doc.value = now.value
    if meta.audience is None:
        doc.version = now.version
    else:
        restricted = Restricted(audience=meta.audience, version=meta.version)
        doc.restricted |= dict.fromkeys(event.keys, restricted)
