"""The state of a session: what its concepts have folded, side by side.

It is persistent: evolving makes a new one that shares all that did not change, so that any earlier state stays valid
and costs nothing to keep.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from .concepts import (
    approvals,
    custom,
    document,
    floor,
    lifecycle,
    messages,
    presence,
    signals,
    stream_subscriptions,
    streams,
    tasks,
    tools,
)
from .concepts.approvals import Approvals
from .concepts.custom import Audiences
from .concepts.document import Document
from .concepts.floor import Floor
from .concepts.lifecycle import Session
from .concepts.messages import Messages
from .concepts.presence import Presence
from .concepts.signals import Signals
from .concepts.stream_subscriptions import StreamSubscriptions
from .concepts.streams import Streams
from .concepts.tasks import Tasks
from .concepts.tools import Calls
from .ids import SessionId, Version

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class State(NamedTuple):
    """A session folded up to `version`."""

    id: SessionId
    version: Version = Version(0)
    time: datetime = _EARLIEST
    """Of the last event; none is earlier than the one before it."""
    session: Session = lifecycle.EMPTY
    presence: Presence = presence.EMPTY
    messages: Messages = messages.EMPTY
    tools: Calls = tools.EMPTY
    document: Document = document.EMPTY
    tasks: Tasks = tasks.EMPTY
    signals: Signals = signals.EMPTY
    approvals: Approvals = approvals.EMPTY
    floor: Floor = floor.EMPTY
    custom: Audiences = custom.EMPTY
    streams: Streams = streams.EMPTY
    stream_subscriptions: StreamSubscriptions = stream_subscriptions.EMPTY
