"""How rows of a view are found: by its indexes, in pages, in samples."""

from typing import Any

from ....domain.errors import Invalid, NotFound
from ....projections.authoring.shape import Row
from .scene import StoreFactory, claimed, raised, row, step


async def rows_are_found_by_their_indexes_in_pages(factory: StoreFactory) -> None:
    rows = [row(f"k-{n % 3}", n, size=float(n % 5), done=n % 2 == 0) for n in range(40)]
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 1, *rows))
        await store.promote(build.id)
        for order, column in (("", 0), ("-key", 0), ("size", 2), ("-size", 2), ("-at", 4)):
            expected = sorted([each for each in rows if each[3]], key=lambda r: (r[column], *r[:2]))
            expected = expected[::-1] if order.startswith("-") else expected
            found: list[Row] = []
            after: list[Any] | None = None
            while page := (await store.find("kept", {"done": True}, order=order, after=after, limit=7)).rows:
                found += page
                last = page[-1]
                after = list(dict.fromkeys((column, 0, 1)))
                after = [last[each] for each in after]
            assert found == expected, order
        for wrong in ({"tags": "x"}, {"nothing": 1}, {"at": 5}):
            assert await raised(Invalid, store.find("kept", wrong))
        assert await raised(Invalid, store.find("kept", order="-data"))
        assert await raised(Invalid, store.find("kept", after=[1]))


async def a_sample_is_even_along_a_column(factory: StoreFactory) -> None:
    rows = [row("k", n, size=float(n), done=n != 13) for n in range(100)]
    async with factory() as store:
        await store.commit(build := await claimed(store), step(build, 0, 1, *rows))
        await store.promote(build.id)
        edges = [10.0, 12.0, 20.0, 90.0, 200.0]
        found = await store.sample("kept", {"done": True}, "size", edges, most=12, before=2)
        assert [each[2] for each in found.ahead] == [9.0, 8.0]
        sizes = [[each[2] for each in stretch] for stretch in found.stretches]
        assert sizes == [[10.0, 11.0], [12.0, 14.0, 15.0], [20.0, 21.0, 22.0], [90.0, 91.0, 92.0]]
        assert found.full == {1, 2, 3}
        found = await store.sample("kept", {"done": True}, "size", [10.0, 11.0, 12.0, 20.0, 150.0], most=60, before=0)
        assert [len(stretch) for stretch in found.stretches] == [1, 1, 7, 51]
        assert found.full == {3}
        assert await raised(Invalid, store.sample("kept", {}, "data", [0.0, 1.0], most=1, before=1))
        assert await raised(NotFound, store.sample("other", {}, "size", [0.0, 1.0], most=1, before=1))


async def a_sample_is_bounded_by_bytes(factory: StoreFactory) -> None:
    rows = [row("k", n, size=float(n), done=True, data=bytes(20_000 if n >= 50 else 10)) for n in range(100)]
    async with factory() as store:
        await store.commit(build := await claimed(store), step(build, 0, 1, *rows))
        await store.promote(build.id)
        edges = [float(each) for each in range(20, 101, 20)]
        found = await store.sample("kept", {"done": True}, "size", edges, most=100, before=20, size=200_000)
        assert [len(each) for each in (found.ahead, found.stretches[0])] == [20, 20], "what is small is there"
        held = [each for stretch in found.stretches for each in stretch]
        assert 150_000 < sum(len(each[6]) for each in held) < 300_000
        assert found.full == {1, 2, 3}
        assert [each[2] for each in held] == sorted(each[2] for each in held)


async def pages_end_by_bytes(factory: StoreFactory) -> None:
    rows = [row(f"k-{n:03}", n, data=bytes(20_000 if n >= 50 else 10)) for n in range(100)]
    async with factory() as store:
        await store.commit(build := await claimed(store), step(build, 0, 1, *rows))
        await store.promote(build.id)
        page = await store.find("kept", limit=1_000, most=100_000)
        assert (50 < len(page.rows) < 60, page.more, page.rows) == (True, True, rows[: len(page.rows)])
