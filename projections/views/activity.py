"""The view `activity`: the timeline from far away. How much each participant did in each bucket of time, counted at
several widths, so that a session of any length is drawn from a few hundred rows."""

from pydantic import BaseModel

from ...domain.audience import Viewer, visible
from ...domain.concepts.messages import MessageDelta
from ...domain.concepts.tools import ToolOutput
from ...domain.model import EventData
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import TableProjection

WIDTHS = (10, 120, 1_800, 28_800)
"""Seconds. At 500 buckets to a screen: 80 minutes, 16 hours, 10 days, 5 months."""


class ActivityBucket(BaseModel):
    """What `actor` did in the `width` seconds from `start` (seconds since 1970): how many events of a `family`
    (`message`, `tool` …) for the same readers. Deltas are not counted."""

    session: str
    width: int
    start: int
    actor: str
    family: str
    audience: str
    """Who may know of it: names with commas between them; empty: everyone."""
    events: int = 0


activity = TableProjection(
    "activity",
    ActivityBucket,
    key_columns=("session", "width", "start", "actor", "family", "audience"),
    version=2,
)
activity.handlers.pass_over(MessageDelta, ToolOutput)


@activity.shown
def _(bucket: ActivityBucket, viewer: Viewer) -> ActivityBucket | None:
    readers = tuple(bucket.audience.split(",")) if bucket.audience else None
    return bucket if visible(readers, viewer) else None


@activity.on
def _(rows: Rows[ActivityBucket], event: EventData, meta: Meta) -> None:
    second = int(meta.time.timestamp())
    family, audience = meta.type.partition(".")[0], ",".join(meta.readers or ())
    for width in WIDTHS:
        rows.add(meta.session, width, second // width * width, meta.actor, family, audience, events=1)
