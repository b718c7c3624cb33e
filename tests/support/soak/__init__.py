"""What a soak is made of: recorded teams that play, followers that move, readers of the past, and what is measured.

Everything goes by raw connections. Players and followers share a process; those who read the past have their own.
"""

from support.soak.figures import Acks, Memory, Phase, report
from support.soak.followers import Digest, DigestFollower, Follow, by_socket, by_stream, follow_moving
from support.soak.play import Play
from support.soak.readers import Readers

__all__ = [
    "Acks",
    "Digest",
    "DigestFollower",
    "Follow",
    "Memory",
    "Phase",
    "Play",
    "Readers",
    "by_socket",
    "by_stream",
    "follow_moving",
    "report",
]
