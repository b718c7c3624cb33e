"""Streams: bytes, or JSON messages, that are appended to and read from any place; a session of a kind of its own.

    created → appended* → closed → deleted        created, or forked from another one

A session has one stream at a time. A deleted stream, or one that has expired, may be followed by another of the same
name, whose readers see nothing of the one before. Who appends may number what they send (`StreamProducer`): what comes
twice is recognised, what is missing is asked for, and an older epoch is refused.

A place in a stream is a version of its session, moved by `shift`: what a fork shares with its origin has the same
places in both. Nothing is copied; the fork names the parts of other sessions that it begins with.
"""

from .board import EMPTY, Producer, Stream, Streams
from .commands import (
    AppendToStream,
    CloseStream,
    CreateStream,
    DeleteStream,
    ForkStream,
    NoteFork,
    ProducerNumber,
    RenewStream,
)
from .content import Content, is_json, media_type
from .events import (
    MAX_TTL_S,
    SUBJECT,
    ForkPoint,
    InheritedPart,
    StreamAppended,
    StreamClosed,
    StreamCreated,
    StreamDeleted,
    StreamForked,
    StreamProducer,
    StreamRenewed,
)
from .fold import evolve
from .rules import closing, decide

__all__ = [
    "EMPTY",
    "MAX_TTL_S",
    "SUBJECT",
    "AppendToStream",
    "CloseStream",
    "Content",
    "CreateStream",
    "DeleteStream",
    "ForkPoint",
    "ForkStream",
    "InheritedPart",
    "NoteFork",
    "Producer",
    "ProducerNumber",
    "RenewStream",
    "Stream",
    "StreamAppended",
    "StreamClosed",
    "StreamCreated",
    "StreamDeleted",
    "StreamForked",
    "StreamProducer",
    "StreamRenewed",
    "Streams",
    "closing",
    "decide",
    "evolve",
    "is_json",
    "media_type",
]
