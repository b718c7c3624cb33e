"""An open session to play in, and hypothesis settings that suit a shared machine."""

import pytest
from hypothesis import HealthCheck, settings

from stenogram.testing.rehearsal import Rehearsal

settings.register_profile("domain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("domain")


@pytest.fixture
def session() -> Rehearsal:
    """A session that was just opened."""
    return Rehearsal()
