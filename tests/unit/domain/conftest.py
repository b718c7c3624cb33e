"""An open session to play in."""

import pytest

from stenogram.testing.rehearsal import Rehearsal


@pytest.fixture
def session() -> Rehearsal:
    """A session that was just opened."""
    return Rehearsal()
