"""Which session a subscription is, and the paths of streams in bodies."""

import re
from hashlib import sha256

from ....domain.errors import Invalid
from ....domain.ids import NAME_PATTERN, ParticipantId, SessionId
from ..paths import ROOT, session_at

CONTROL = ROOT + "__ds/"
SUBSCRIPTIONS = CONTROL + "subscriptions/"
PREFIX = "stream-subscription:"
"""What the sessions of subscriptions begin with."""


def subscription_session(participant: ParticipantId, name: str) -> SessionId:
    """The session of a participant's subscription. It tells nothing of either, and each has names of their own. Raises
    Invalid."""
    if len(name) > 128 or not re.fullmatch(NAME_PATTERN, name):
        raise Invalid("A subscription's id is 1 to 128 of A-Z a-z 0-9 . _ : @ + -, beginning with a letter or digit.")
    return PREFIX + sha256(f"{participant}\n{name}".encode()).hexdigest()[:40]


def stream_session(path: str) -> SessionId:
    """The session of a stream that a body names. Raises Invalid."""
    session = session_at(path)
    if session.startswith(PREFIX):
        raise Invalid("A subscription is no stream to subscribe to.")
    return session


def path_of(session: SessionId) -> str:
    """The path of a session's stream."""
    return session.replace(":", "/")
