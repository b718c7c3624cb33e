"""The view `metadata`: what an application says of a session beside its title and labels.

It may be large and hardly ever changes, so it is not in `sessions`, which is written whenever something happens.
"""

from pydantic import BaseModel, JsonValue

from ...domain.concepts.lifecycle import Session, SessionDescribed, SessionForked, SessionOpened, evolve
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class Metadata(BaseModel):
    """The metadata, and the version that changed it last."""

    value: dict[str, JsonValue] = {}
    version: int = 0


metadata = DocProjection("metadata", Metadata)


@metadata.on
def _(doc: Metadata, event: SessionOpened | SessionForked | SessionDescribed, meta: Meta) -> None:
    now = evolve(Session("open", metadata=doc.value), meta.event(event))
    if now.metadata != doc.value:
        doc.value, doc.version = now.metadata, meta.version
