"""Messages: posted whole, or started, streamed and finished.

    started → delta* → completed | aborted

Several participants stream at once, each into messages of its own. A delta carries its index, so that a repeat is
recognised and a hole is refused. The event that finishes a message carries its parts whole, so that nobody must
collect deltas to know what was said; a message that is aborted keeps the partial text.
"""

from .board import EMPTY, Message, Messages
from .commands import AbortMessage, CompleteMessage, PostMessage, StartMessage, StreamDelta
from .events import (
    MAX_MESSAGE_BYTES,
    FewParts,
    MessageAborted,
    MessageCompleted,
    MessageDelta,
    MessageKind,
    MessagePosted,
    MessageStarted,
    Parts,
    Text,
)
from .fold import evolve
from .rules import aborted, decide

__all__ = [
    "EMPTY",
    "MAX_MESSAGE_BYTES",
    "AbortMessage",
    "CompleteMessage",
    "FewParts",
    "Message",
    "MessageAborted",
    "MessageCompleted",
    "MessageDelta",
    "MessageKind",
    "MessagePosted",
    "MessageStarted",
    "Messages",
    "Parts",
    "PostMessage",
    "StartMessage",
    "StreamDelta",
    "Text",
    "aborted",
    "decide",
    "evolve",
]
