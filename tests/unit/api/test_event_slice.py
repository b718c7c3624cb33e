"""Events in columns know which of them are not for everyone, whatever the payloads hold."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from stenogram.api.delivery.event_slice import EventSlice

audiences = st.none() | st.lists(st.sampled_from(["ada", "agents"]), min_size=1, max_size=2)
texts = st.sampled_from(["", "[" * 9, '"audience":[', 'audience":["ada"]', "plain", "a[b]c"])
payloads = texts | st.lists(texts, max_size=4) | st.fixed_dictionaries({"audience": st.lists(texts, max_size=2)})


def wire(place: int, audience: list[str] | None, payload: object) -> bytes:
    restricted = {} if audience is None else {"audience": audience}
    type = "message.aborted" if place % 2 else "message.posted"
    return orjson.dumps(
        {"version": place, "type": type, "actor": f"a{place}", **restricted, "data": {"value": payload}}
    )


@given(st.lists(st.tuples(audiences, payloads), max_size=24))
def test_restrictions_are_those_of_the_envelopes(events: list[tuple[list[str] | None, object]]) -> None:
    wires = [wire(place, *event) for place, event in enumerate(events, 1)]
    run = EventSlice(range(1, len(wires) + 1), wires)
    assert run.restrictions == {
        place: tuple(audience) if place % 2 else (*audience, f"a{place}")
        for place, (audience, _) in enumerate(events, 1)
        if audience is not None
    }
