"""Transcripts of Claude Code as sessions while they grow: `stenogram record claude-code`.

    Recorder ── SessionRecording ── GrowingFile      what has come to a session's files
                     ├── Transcript                  the same mapping as the import's
                     ├── Spool                       what was read, in which order, and how much of it is written
                     └── Sink                        a gateway, or a log

Everything that is read goes into the spool before anything comes of it. A recorder that starts again reads the spool,
comes to the same commands with the same ids, and goes on behind those that were answered; one that was sent and not
answered is sent again, and done once. So nothing is lost or doubled by the death of the recorder, or of what it writes
to, nor when a file is replaced by another one.
"""

from .recorder import Followed, Recorder
from .sink import GatewaySink, Outcome, Sink

__all__ = ["Followed", "GatewaySink", "Outcome", "Recorder", "Sink"]
