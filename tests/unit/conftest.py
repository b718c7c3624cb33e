"""What unit tests of several wings share."""

from typing import Any

import pytest


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each reading of a session gave."""
    from stenogram.log.lineage import Lineage

    found: list[int] = []
    whole = Lineage.read_session

    async def counted(self: Lineage, *where: Any) -> Any:
        records = await whole(self, *where)
        found.append(len(records))
        return records

    monkeypatch.setattr(Lineage, "read_session", counted)
    return found
