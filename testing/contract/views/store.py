"""The contract of a store of views, over a factory of stores.

    @pytest.mark.parametrize("sentence", ALL, ids=lambda sentence: sentence.__name__)
    async def test_store(sentence: Sentence) -> None:
        await sentence(factory)

`SHARED` holds where a store can be opened a second time beside the first, as another process would.
"""

import asyncio

from ....domain.errors import NotFound
from ....domain.ids import Position
from ....projections.store import Checkpoint, CheckpointMoved, Parked, Skipped
from ....projections.store.records import KeyedSnapshots, Snapshot
from .pages import (
    a_sample_is_bounded_by_bytes,
    a_sample_is_even_along_a_column,
    pages_end_by_bytes,
    rows_are_found_by_their_indexes_in_pages,
)
from .scene import EPOCH, LAPSE, SHAPE, Sentence, StoreFactory, claimed, raised, row, step


async def a_view_has_nothing_for_readers_before_it_is_promoted(factory: StoreFactory) -> None:
    async with factory() as store:
        assert await raised(NotFound, store.get("kept", [("a", 1)]))
        build = await claimed(store)
        await store.commit(build, step(build, 0, 5, row("a", 1)))
        assert await raised(NotFound, store.get("kept", [("a", 1)]))
        assert await store.current("kept") is None
        await store.promote(build.id)
        found = await store.get("kept", [("a", 1), ("b", 1)])
        assert (found.rows, found.build.checkpoint) == ([row("a", 1)], Checkpoint(EPOCH, Position(5), "mark-5"))


async def rows_are_read_as_they_were_written(factory: StoreFactory) -> None:
    texts = ["", "Grüße", "'; --", "%s ?", "\n\t", "😀"]
    rows = [row(text, 2**62, size=0.1, done=True, tags=f'["{number}"]') for number, text in enumerate(texts)]
    rows.append(row("least", -(2**63), data=b""))
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 1, *rows))
        assert sorted(await store.fetch(build, [each[:2] for each in rows])) == sorted(rows)
        assert await store.fetch(build, []) == []


async def rows_are_put_in_each_others_stead_and_deleted(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 1, row("a", 1), row("a", 2), row("b", 1)))
        await store.commit(build, step(build, 1, 2, row("a", 1, size=2.5), delete=(("b", 1), ("none", 7))))
        found = await store.fetch(build, [("a", 1), ("a", 2), ("b", 1)])
        assert sorted(found) == [row("a", 1, size=2.5), row("a", 2)]


async def a_commit_applies_to_one_place_only(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 10, row("a", 1)))
        within = step(build, 10, 10)
        within = within._replace(to=within.to._replace(shared=7))
        await store.commit(build, within)
        for wrong in (within, step(build, 10, 11)):
            assert await raised(CheckpointMoved, store.commit(build, wrong))
        (now,) = await store.builds()
        assert now.checkpoint == within.to
        await store.commit(build, step(build, 10, 10)._replace(after=within.to))
        wrong_epoch = step(build, 10, 11, row("b", 1))
        wrong_epoch = wrong_epoch._replace(to=Checkpoint("epoch-2", Position(11)))
        for wrong in (step(build, 0, 12, row("b", 1)), step(build, 9, 12, row("b", 1)), wrong_epoch):
            assert await raised(CheckpointMoved, store.commit(build, wrong))
        assert await store.fetch(build, [("b", 1)]) == []
        (now,) = await store.builds()
        assert now.checkpoint.position == 10
        await store.commit(build, step(build, 10, 12, row("b", 1)))


async def a_commit_that_cannot_be_written_leaves_nothing(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        broken = ("c", 1, 0.0, None, None, None, None)
        assert await raised(Exception, store.commit(build, step(build, 0, 10, row("a", 1), broken)))
        assert await store.fetch(build, [("a", 1)]) == []
        await store.commit(build, step(build, 0, 10, row("a", 1)))


async def a_later_claim_fences_off_the_one_before(factory: StoreFactory) -> None:
    async with factory() as store:
        first = await claimed(store)
        assert await store.claim(first.id, "r-2") is None
        await asyncio.sleep(LAPSE * 1.5)
        (lapsed,) = await store.builds()
        assert not lapsed.held
        second = await claimed(store, runner="r-2")
        assert second.token > first.token
        assert await raised(CheckpointMoved, store.commit(first, step(first, 0, 5)))
        await store.commit(second, step(second, 0, 5))
        await store.beat("r-1")
        assert await store.claim(first.id, "r-1") is None


async def what_is_given_back_is_free_at_once(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        (now,) = await store.builds()
        assert now.held
        assert now.runner == "r-1"
        await store.leave("r-1")
        await store.beat("r-2")
        assert await store.claim(build.id, "r-2") is not None
        assert await raised(CheckpointMoved, store.commit(build, step(build, 0, 5)))


async def a_runner_may_claim_again_what_it_holds(factory: StoreFactory) -> None:
    async with factory() as store:
        first = await claimed(store)
        await store.commit(first, step(first, 0, 5))
        again = await claimed(store)
        assert again.checkpoint.position == 5
        await store.commit(again, step(again, 5, 6))


async def an_unfinished_build_is_begun_once(factory: StoreFactory) -> None:
    async with factory() as store:
        first = await store.begin("kept", 1, SHAPE, EPOCH)
        again, other, later = await asyncio.gather(
            store.begin("kept", 1, SHAPE, EPOCH),
            store.begin("other", 1, SHAPE, EPOCH),
            store.begin("kept", 2, SHAPE, EPOCH),
        )
        assert again.id == first.id
        assert len({first.id, other.id, later.id}) == 3
        await store.promote(first.id)
        assert (await store.begin("kept", 1, SHAPE, EPOCH)).id != first.id
        assert first.shape == SHAPE


async def a_promoted_build_retires_the_one_before(factory: StoreFactory) -> None:
    async with factory() as store:
        old, new = await claimed(store), await claimed(store, version=2)
        await store.commit(old, step(old, 0, 1, row("old", 1)))
        await store.commit(new, step(new, 0, 1, row("new", 1)))
        for chosen, key in ((old, "old"), (new, "new"), (old, "old")):
            await store.promote(chosen.id)
            found = await store.find("kept")
            assert [each[0] for each in found.rows] == [key]
        states = {build.id: build.state for build in await store.builds()}
        assert states == {old.id: "current", new.id: "retired"}


async def readers_do_not_see_a_view_go_back(factory: StoreFactory) -> None:
    async with factory() as store:
        old, new = await claimed(store), await claimed(store, version=2)
        await store.commit(old, step(old, 0, 5))
        await store.promote(old.id)
        await store.commit(new, step(new, 0, 4))
        assert not await store.promote(new.id, even_if_behind=False)
        assert (await store.find("kept")).build.id == old.id
        await store.commit(new, step(new, 4, 5))
        assert await store.promote(new.id, even_if_behind=False)
        await store.commit(old, step(old, 5, 6))
        assert not await store.promote(old.id, even_if_behind=False), "it is of an earlier version"
        assert (await store.find("kept")).build.id == new.id


async def a_dropped_build_is_gone(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.drop(build.id)
        assert await store.builds() == []
        assert await raised(NotFound, store.drop(build.id))
        assert await raised(NotFound, store.promote(build.id))
        assert await raised(CheckpointMoved, store.commit(build, step(build, 0, 5)))
        await claimed(store)


async def parked_keys_are_kept_with_what_is_wished_for_them(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        parked = Parked("a", Position(3), "s-1", "message.posted", "KeyError: 'm\0'")
        await store.commit(build, step(build, 0, 5, row("b", 1), park=(parked,), stopped="at a\0"))
        (now,) = await store.builds()
        assert (now.parked, now.stopped) == (1, "at a�")
        await store.stop(build.id, "at 'm\0'")
        (now,) = await store.builds()
        assert now.stopped == "at 'm�'"
        assert await raised(NotFound, store.wish(build.id, "b", "retry"))
        await store.wish(build.id, "a", "skip")
        (kept,) = await store.parked(build.id)
        assert kept == parked._replace(error="KeyError: 'm�'", age=kept.age, wish="skip")
        (now,) = await store.builds()
        assert now.stopped is None
        await store.commit(build, step(build, 5, 6, unpark=("a",)))
        assert await store.parked(build.id) == []


async def what_was_skipped_is_kept_with_its_build(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        skip = (Skipped("a", Position(3)), Skipped("b", Position(4)))
        await store.commit(build, step(build, 0, 5)._replace(skip=skip))
        await store.commit(build, step(build, 5, 6)._replace(skip=skip[:1]))
        assert await store.skipped("kept", "a") == frozenset()
        await store.promote(build.id)
        assert await store.skipped("kept", "a") == {3}
        assert (await store.get("kept", [])).skipped == (await store.whole("kept")).skipped == set(skip)
        await store.drop(build.id)
        again = await claimed(store)
        await store.promote(again.id)
        assert await store.skipped("kept", "a") == frozenset()


async def what_is_passed_over_is_counted_with_its_build(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 5, passed_over=3))
        await store.commit(build, step(build, 5, 6))
        await store.commit(build, step(build, 6, 9, passed_over=2))
        assert await raised(CheckpointMoved, store.commit(build, step(build, 6, 9, passed_over=2)))
        other = await claimed(store, version=2)
        assert [each.passed_over for each in await store.builds()] == [5, 0]
        await store.drop(build.id)
        assert [each.id for each in await store.builds()] == [other.id]


async def a_build_begins_where_it_is_told_to(factory: StoreFactory) -> None:
    async with factory() as store:
        start = Checkpoint(EPOCH, Position(7), "digest")
        build = await store.begin("kept", 1, SHAPE, EPOCH, start)
        assert build.checkpoint == start
        assert (await store.begin("kept", 1, SHAPE, EPOCH)).id == build.id


async def snapshots_are_kept_of_one_state_of_the_code(factory: StoreFactory) -> None:
    async with factory() as store:
        await store.keep("kept", "f-1", "s-1", [Snapshot(1000, b"one"), Snapshot(2000, b"two")])
        assert await store.snapshot("kept", "f-1", "s-1", 999) is None
        assert await store.snapshot("kept", "f-1", "s-1", 1999) == Snapshot(1000, b"one")
        assert await store.snapshot("kept", "f-1", "s-2", 1999) is None
        await store.keep("kept", "f-2", "s-1", [Snapshot(1000, b"new")])
        assert await store.snapshot("kept", "f-1", "s-1", 1999) is None
        assert await store.snapshot("kept", "f-2", "s-1", 1999) == Snapshot(1000, b"new")


async def a_commit_keeps_snapshots_of_keys_that_lack_nothing(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.keep("kept", "f-1", "whole", [Snapshot(2, b"old")])
        parked = Parked("parked", Position(4), "s-1", "x.fails", "no")
        lacking = {"park": (parked,), "skip": (Skipped("skipped", Position(3)),)}
        await store.commit(build, step(build, 0, 5, **lacking))
        taken = tuple([(key, Snapshot(7, key.encode())) for key in ("whole", "parked", "skipped")])
        await store.commit(build, step(build, 5, 9, snapshots=KeyedSnapshots("f-2", taken)))
        assert await store.snapshot("kept", "f-2", "whole", 9) == Snapshot(7, b"whole")
        assert await store.snapshot("kept", "f-2", "parked", 9) is None
        assert await store.snapshot("kept", "f-2", "skipped", 9) is None
        assert await store.snapshot("kept", "f-1", "whole", 9) == Snapshot(2, b"old")
        refused = step(build, 5, 12, snapshots=KeyedSnapshots("f-2", (("late", Snapshot(9, b"late")),)))
        assert await raised(CheckpointMoved, store.commit(build, refused))
        assert await store.snapshot("kept", "f-2", "late", 9) is None
        await store.commit(build, step(build, 9, 12, snapshots=KeyedSnapshots("f-2", (), forget_others=True)))
        assert await store.snapshot("kept", "f-1", "whole", 9) is None
        assert await store.snapshot("kept", "f-2", "whole", 9) == Snapshot(7, b"whole")


async def of_two_stores_that_commit_at_once_one_succeeds(factory: StoreFactory) -> None:
    async with factory() as store, factory.beside(store) as other:
        build = await claimed(store)
        for position in range(0, 20, 2):
            both = step(build, position, position + 2, row("a", position))
            rivals = [each.commit(build, both) for each in (store, other)]
            outcomes = await asyncio.gather(*rivals, return_exceptions=True)
            assert sorted(type(each).__name__ for each in outcomes) == ["CheckpointMoved", "NoneType"]
        assert [each.checkpoint.position for each in await other.builds()] == [20]
        assert len(await store.fetch(build, [("a", n) for n in range(20)])) == 10


async def of_two_stores_that_claim_at_once_one_succeeds(factory: StoreFactory) -> None:
    async with factory() as store, factory.beside(store) as other:
        build = await store.begin("kept", 1, SHAPE, EPOCH)
        await asyncio.gather(store.beat("r-1"), other.beat("r-2"))
        taken = await asyncio.gather(store.claim(build.id, "r-1"), other.claim(build.id, "r-2"))
        assert len([each for each in taken if each is not None]) == 1


async def of_two_stores_that_begin_at_once_both_get_the_same_build(factory: StoreFactory) -> None:
    async with factory() as store, factory.beside(store) as other:
        begun = [each.begin("kept", 1, SHAPE, EPOCH) for each in (store, other) * 3]
        assert len({build.id for build in await asyncio.gather(*begun)}) == 1


async def a_reopened_store_is_as_it_was_left(factory: StoreFactory) -> None:
    async with factory() as store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 5, row("a", 1)))
        await store.promote(build.id)
        async with factory.beside(store) as again:
            found = await again.get("kept", [("a", 1)])
            assert (found.rows, found.build.checkpoint.position) == ([row("a", 1)], 5)


ALL: tuple[Sentence, ...] = (
    a_view_has_nothing_for_readers_before_it_is_promoted,
    rows_are_read_as_they_were_written,
    rows_are_put_in_each_others_stead_and_deleted,
    a_commit_applies_to_one_place_only,
    a_commit_that_cannot_be_written_leaves_nothing,
    a_later_claim_fences_off_the_one_before,
    what_is_given_back_is_free_at_once,
    a_runner_may_claim_again_what_it_holds,
    an_unfinished_build_is_begun_once,
    a_promoted_build_retires_the_one_before,
    readers_do_not_see_a_view_go_back,
    a_dropped_build_is_gone,
    parked_keys_are_kept_with_what_is_wished_for_them,
    what_was_skipped_is_kept_with_its_build,
    what_is_passed_over_is_counted_with_its_build,
    a_build_begins_where_it_is_told_to,
    rows_are_found_by_their_indexes_in_pages,
    a_sample_is_bounded_by_bytes,
    a_sample_is_even_along_a_column,
    pages_end_by_bytes,
    snapshots_are_kept_of_one_state_of_the_code,
    a_commit_keeps_snapshots_of_keys_that_lack_nothing,
)

SHARED: tuple[Sentence, ...] = (
    of_two_stores_that_commit_at_once_one_succeeds,
    of_two_stores_that_claim_at_once_one_succeeds,
    of_two_stores_that_begin_at_once_both_get_the_same_build,
    a_reopened_store_is_as_it_was_left,
)
