"""What users need to test against Stenogram: a log in memory, a session played by the rules, sentences about
projections, the contracts.

    async with memory_log() as log:
        await log.submit(command("session.open", "trip-7"))
"""

from .command import command
from .given import event, given, recorded
from .memory import memory_log
from .rehearsal import Rehearsal

__all__ = ["Rehearsal", "command", "event", "given", "memory_log", "recorded"]
