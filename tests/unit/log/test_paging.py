"""Reading on after a place gives each event once, in order, and stops where it should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.domain.ids import Position, SessionId, Version
from stenogram.log import paging
from stenogram.log.paging import read_range, session_pages
from stenogram.log.records import Record

PAGE_BYTES = 10


class Reader:
    """A session with events of these versions and sizes, in pages as engines give them."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.records = [
            Record(Position(n), "s", Version(n), "custom", "x.y", b"x" * size, None, 0)
            for n, size in sorted(sizes.items())
        ]
        self.reads = 0

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        assert limit > 0
        self.reads += 1
        page: list[Record] = []
        for record in self.records:
            if record.version > after and len(page) < limit and sum(len(each.data) for each in page) < PAGE_BYTES:
                page.append(record)
        return page


@given(
    sizes=st.dictionaries(st.integers(0, 12), st.integers(0, 12)),
    after=st.integers(-1, 13),
    upto=st.integers(-1, 14),
    size=st.integers(1, 5),
)
async def test_each_event_between_two_places_comes_once_and_in_order(
    sizes: dict[int, int], after: int, upto: int, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE_BYTES", PAGE_BYTES)
        reader = Reader(sizes)
        pages = [page async for page in session_pages(reader, "s", after, upto, size=size)]
        whole = await read_range(reader, "s", after, upto)
    wanted = [record for record in reader.records if after < record.version <= upto]
    assert [record for page in pages for record in page] == whole == wanted
    assert all(1 <= len(page) <= size for page in pages)


async def test_a_page_that_shows_that_nothing_follows_is_the_last() -> None:
    reader = Reader(dict.fromkeys(range(1, 6), 1))
    assert [len(page) async for page in session_pages(reader, "s", 0, size=3)] == [3, 2]
    assert reader.reads == 2
