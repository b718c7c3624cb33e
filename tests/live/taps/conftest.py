"""What frameworks log themselves."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet_frameworks(quiet: None, caplog: pytest.LogCaptureFixture) -> None:
    """ADK advises to cache contexts, and logs that models fail."""
    caplog.set_level(logging.CRITICAL, "google_adk")
