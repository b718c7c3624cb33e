"""The view `facets`: by what sessions can be found, a row for each label and each participant of a session."""

from pydantic import BaseModel

from ...domain.concepts.lifecycle import SessionLabelled, SessionOpened
from ...domain.concepts.presence import PresenceJoined
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import TableProjection
from .text import storable


class Facet(BaseModel):
    """Something by which a session can be found: `label:stage` is `planning`, `participant:hotels` is an `agent`."""

    session: str
    facet: str
    value: str


facets = TableProjection("facets", Facet, key_columns=("session", "facet"), indexes=[("facet", "value")])


def of_label(name: str) -> str:
    """The facet of a label."""
    return f"label:{storable(name)}"


def of_participant(participant: str) -> str:
    """The facet of a participant."""
    return f"participant:{participant}"


@facets.on
def _(rows: Rows[Facet], event: SessionOpened, meta: Meta) -> None:
    for name, value in (event.labels or {}).items():
        rows.upsert(Facet(session=meta.session, facet=of_label(name), value=storable(value)))


@facets.on
def _(rows: Rows[Facet], event: SessionLabelled, meta: Meta) -> None:
    for name, value in event.set.items():
        rows.upsert(Facet(session=meta.session, facet=of_label(name), value=storable(value)))
    for name in event.remove:
        rows.delete(meta.session, of_label(name))


@facets.on
def _(rows: Rows[Facet], event: PresenceJoined, meta: Meta) -> None:
    rows.upsert(Facet(session=meta.session, facet=of_participant(event.participant), value=event.kind))
