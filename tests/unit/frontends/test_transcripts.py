"""The transcripts of a log that are kept."""

from typing import Any

import pytest

from stenogram.api.frontends import transcript
from stenogram.api.frontends.transcript import Transcripts
from stenogram.domain.state import State


class Empty:
    """A log in which there is no session."""

    async def state(self, session: str) -> State:
        """As it is now."""
        return State(session)


async def test_sessions_that_there_are_not_take_no_memory_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "KEPT_BYTES", 100_000)
    log: Any = Empty()
    transcripts = Transcripts(log)
    for number in range(1_000):
        async with transcripts.now(f"s{number}") as (state, found):
            assert (state.version, found.version) == (0, 0)
    assert len(transcripts._kept) <= 100
