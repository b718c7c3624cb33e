"""Subscriptions of streams: who is woken when, who is fenced, and what a retry waits for."""

from datetime import timedelta

import pytest

from stenogram.domain.concepts.stream_subscriptions import (
    EMPTY,
    MAX_STREAMS,
    MAX_WOKEN,
    AckWork,
    ClaimWork,
    CreateSubscription,
    DeleteSubscription,
    FailDelivery,
    LinkStreams,
    ReleaseWork,
    StreamLink,
    StreamPlace,
    StreamSubscriptions,
    Subscription,
    SubscriptionConfig,
    SubscriptionGrant,
    UnlinkStream,
    WakeWorker,
    backoff,
    evolve,
)
from stenogram.domain.conformance.check import violation
from stenogram.domain.errors import Conflict, Fenced, Invalid, NoChange, NotFound
from stenogram.domain.model import TIMEKEEPER, Actor, CommandData
from stenogram.domain.session import evolve as evolve_session
from stenogram.domain.state import State
from stenogram.testing.rehearsal import START, Rehearsal

ADA = Actor("ada", "user")
SESSION = "stream-subscription:1"
GRANT = SubscriptionGrant(kind="user", read=("*",))
PULL = SubscriptionConfig(delivery="pull-wake", pattern="events/*", wake_stream="wakes", lease_ms=30_000)
WEBHOOK = SubscriptionConfig(
    delivery="webhook", pattern="events/*", webhook="https://worker.example.com/", lease_ms=30_000
)
END = StreamPlace(session="events:a", place=3)
LINKS = (StreamLink(session="events:a", acked=1), StreamLink(session="events:b", acked=1))


def do(session: Rehearsal, data: CommandData, actor: Actor = ADA) -> list[str]:
    """What the gateway has done; what came of it."""
    command = session.command(actor, "presence.leave", {})
    return [each.type.partition(".")[2] for each in session.execute(command._replace(data=data))]


def created(config: SubscriptionConfig = PULL, grant: SubscriptionGrant = GRANT) -> CreateSubscription:
    """The command that creates one."""
    return CreateSubscription(name="s", config=config, grant=grant, base="http://127.0.0.1", links=LINKS)


def made(config: SubscriptionConfig = PULL, grant: SubscriptionGrant = GRANT) -> Rehearsal:
    """A subscription of two streams."""
    session = Rehearsal(SESSION, opened=False)
    do(session, created(config, grant))
    return session


def of(session: Rehearsal) -> Subscription:
    """The subscription."""
    found = session.state.stream_subscriptions.current(session.state.id)
    assert found is not None
    return found


def violations(session: Rehearsal) -> list[str]:
    """What an import would refuse of its events."""
    state, found = State(session.state.id), list[str]()
    for event in session.events:
        found += [wrong] if (wrong := violation(state, event)) is not None else []
        state = evolve_session(state, event)
    return found


def wake(id: str = "w1", *streams: StreamPlace) -> WakeWorker:
    """The command that wakes."""
    return WakeWorker(wake=id, streams=streams or (END,))


def claim(id: str = "w1", worker: str = "one") -> ClaimWork:
    """The command that claims."""
    return ClaimWork(wake=id, worker=worker, streams=(END,))


def test_it_is_for_its_participant_alone() -> None:
    session = made()
    do(session, wake(), TIMEKEEPER)
    do(session, claim())
    assert [each.type for each in session.events[:2]] == ["session.opened", "stream_subscription.created"]
    assert {each.audience for each in session.events[1:]} == {("ada",)}


def test_it_is_woken_once_until_that_is_over() -> None:
    session = made()
    assert do(session, wake("w1"), TIMEKEEPER) == ["woken"]
    with pytest.raises(NoChange):
        do(session, wake("w2"), TIMEKEEPER)
    do(session, claim())
    with pytest.raises(NoChange):
        do(session, wake("w2"), TIMEKEEPER)
    do(session, AckWork(generation=1, wake="w1", acks=(END,), done=True))
    assert (of(session).wake, of(session).links["events:a"].acked) == (None, 3)
    with pytest.raises(NoChange):  # there is nothing that is not done
        do(session, wake("w2"), TIMEKEEPER)
    assert do(session, wake("w2", StreamPlace(session="events:a", place=4)), TIMEKEEPER) == ["woken"]
    assert of(session).generation == 2


def test_a_claim_may_be_quicker_than_the_wake() -> None:
    session = made()
    assert do(session, claim()) == ["woken", "claimed"]
    with pytest.raises(Conflict) as refused:
        do(session, claim("w2", "two"))
    assert refused.value.extra["error"] == {"code": "ALREADY_CLAIMED", "current_holder": "one", "generation": 1}
    do(session, ReleaseWork(generation=1, wake="w1"))
    with pytest.raises(Conflict) as refused:
        do(session, ClaimWork(wake="w2", worker="two", streams=()))
    assert refused.value.extra["error"] == {"code": "NO_PENDING_WORK"}


def test_whoever_names_another_wake_is_fenced() -> None:
    session = made()
    do(session, claim())
    for generation, id in ((1, "w2"), (2, "w1"), (0, "w1")):
        for data in (AckWork(generation=generation, wake=id), ReleaseWork(generation=generation, wake=id)):
            with pytest.raises(Fenced):
                do(session, data)


def test_a_lease_ends_unless_its_worker_is_heard() -> None:
    session = made()
    do(session, claim())
    session.wait(25)
    assert do(session, AckWork(generation=1, wake="w1")) == ["acked"]
    session.wait(25)
    assert do(session, AckWork(generation=1, wake="w1", acks=(END,))) == ["acked"]
    session.wait(31)
    with pytest.raises(Fenced):
        do(session, AckWork(generation=1, wake="w1", done=True))
    more = StreamPlace(session="events:b", place=9)
    assert do(session, wake("w2", more), TIMEKEEPER) == ["woken"]
    with pytest.raises(Fenced):
        do(session, AckWork(generation=1, wake="w1", done=True))


def test_an_ack_never_goes_back_and_is_of_its_streams() -> None:
    session = made()
    do(session, claim())
    do(session, AckWork(generation=1, wake="w1", acks=(END,)))
    do(session, AckWork(generation=1, wake="w1", acks=(END.model_copy(update={"place": 2}),)))
    assert of(session).links["events:a"].acked == 3
    with pytest.raises(Invalid):
        do(session, AckWork(generation=1, wake="w1", acks=(StreamPlace(session="other", place=1),)))


def test_that_all_is_done_is_what_the_wake_told() -> None:
    session = made(WEBHOOK)
    do(session, wake(), TIMEKEEPER)
    do(session, AckWork(generation=1, wake="w1", snapshot=True, done=True))
    assert (of(session).links["events:a"].acked, of(session).links["events:b"].acked) == (3, 1)


def test_a_webhook_that_fails_is_tried_later_and_later() -> None:
    session = made(WEBHOOK)
    waits = []
    for turn in range(1, 9):
        do(session, wake(f"w{turn}"), TIMEKEEPER)
        do(session, FailDelivery(generation=turn, wake=f"w{turn}", reason="answer"), TIMEKEEPER)
        retry_at = of(session).retry_at
        assert retry_at is not None
        waits.append((retry_at - session.events[-1].time).total_seconds())
        with pytest.raises(NoChange):
            do(session, wake("too soon"), TIMEKEEPER) if waits[-1] > 1 else _nothing()
        session.wait(61)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    do(session, wake("w9"), TIMEKEEPER)
    do(session, AckWork(generation=9, wake="w9", done=True))
    assert (of(session).failures, of(session).retry_at) == (0, None)


def _nothing() -> None:
    raise NoChange("A second has passed with the command itself.")


def test_a_webhook_of_which_nothing_is_heard_has_failed_as_well() -> None:
    session = made(WEBHOOK)
    for turn in (1, 2, 3):
        do(session, wake(f"w{turn}"), TIMEKEEPER)
        at = of(session).may_wake_at()
        assert at is not None
        assert at - session.events[-1].time == timedelta(seconds=30 + 2 ** (turn - 1))
        session.wait(40)
    assert of(session).failures == 2


def test_a_worker_that_was_heard_has_not_failed() -> None:
    session = made(WEBHOOK)
    do(session, wake(), TIMEKEEPER)
    do(session, AckWork(generation=1, wake="w1"))
    with pytest.raises(NoChange):
        do(session, FailDelivery(generation=1, wake="w1", reason="timeout"), TIMEKEEPER)


def test_jitter_is_a_fifth() -> None:
    assert [round(backoff(1, jitter), 1) for jitter in (-1, 0, 1)] == [0.8, 1.0, 1.2]
    assert backoff(10_000, 1) == 72


def test_nobody_is_woken_by_a_token_that_has_expired() -> None:
    expires = START.timestamp() + 10
    session = made(grant=GRANT.model_copy(update={"expires": expires}))
    session.wait(20)
    with pytest.raises(NoChange):
        do(session, wake(), TIMEKEEPER)
    assert do(session, created()) == ["confirmed"]
    assert do(session, wake(), TIMEKEEPER) == ["woken"]


def test_the_same_is_confirmed_and_another_is_a_conflict() -> None:
    session = made()
    with pytest.raises(NoChange):
        do(session, created())
    with pytest.raises(Conflict):
        do(session, created(WEBHOOK))


def test_the_next_of_a_name_goes_on_counting() -> None:
    session = made()
    do(session, claim())
    do(session, DeleteSubscription())
    for data in (AckWork(generation=1, wake="w1"), wake("w2"), DeleteSubscription()):
        with pytest.raises(NotFound):
            do(session, data)
    assert do(session, created(WEBHOOK)) == ["created"]
    with pytest.raises(Fenced):
        do(session, AckWork(generation=1, wake="w1"))
    do(session, wake("w2"), TIMEKEEPER)
    assert of(session).generation == 2


def test_a_stream_that_was_named_stays_if_the_pattern_matches_it() -> None:
    session = made()
    named = tuple([StreamLink(session=each, explicit=True, acked=7) for each in ("events:a", "x")])
    assert do(session, LinkStreams(links=named)) == ["linked"]
    assert (of(session).links["events:a"].explicit, of(session).links["events:a"].acked) == (True, 1)
    with pytest.raises(NoChange):
        do(session, LinkStreams(links=named))
    for each in ("events:a", "x"):
        do(session, UnlinkStream(stream=each))
        with pytest.raises(NoChange):
            do(session, UnlinkStream(stream=each))
    assert sorted(of(session).links) == ["events:a", "events:b"]


def test_there_are_so_many_streams() -> None:
    session = made()
    many = tuple([StreamLink(session=f"x{number}") for number in range(MAX_STREAMS - 1)])
    with pytest.raises(Conflict):
        do(session, LinkStreams(links=many))
    assert do(session, LinkStreams(links=many, gone=("events:a",))) == ["linked"]
    places = [StreamPlace(session=each.session, place=1) for each in many]
    do(session, wake("w1", *places), TIMEKEEPER)
    under_way = of(session).wake
    assert under_way is not None
    assert len(under_way.streams) == MAX_WOKEN


def test_whoever_closed_or_stopped_something_there_has_no_say() -> None:
    session = Rehearsal(SESSION, opened=False)
    session.do("eve", "session.open", {})
    session.do(ADA, "presence.join", {})
    session.do("eve", "session.close", {})
    assert do(session, created()) == ["created"]
    assert do(session, claim()) == ["woken", "claimed"]
    assert not violations(session)  # or no log could be imported that has such a session
    assert session.refusal("eve", "session.reopen").code == "conflict"
    assert session.refusal(ADA, "message.post", message="m", text=".").code == "conflict"


def test_what_others_have_written_breaks_nothing() -> None:
    session = made()
    do(session, claim())
    do(session, AckWork(generation=1, wake="w1", acks=(END,)))
    for event in session.events:
        assert evolve(EMPTY, event).last is None or event.type == "stream_subscription.created"
    deleted = StreamSubscriptions(of(session)._replace(deleted=True, wake=None))
    assert [evolve(deleted, event) for event in session.events[2:]] == [deleted] * (len(session.events) - 2)
