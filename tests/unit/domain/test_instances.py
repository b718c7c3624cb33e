"""A participant may be several processes at once: each joins, holds work and is lost by itself."""

from typing import Any

import pytest

from stenogram.domain.concepts.presence import LoseParticipant
from stenogram.domain.errors import Refused
from stenogram.domain.model import TIMEKEEPER, Actor, Command, Event
from stenogram.domain.session import deadlines
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


class Runs(Rehearsal):
    """A session in which processes of `hotels` act: `r1`, `r2`, and one without a name."""

    def by(self, run: str | None, do: str, *, under: tuple[str, int] | None = None, **fields: Any) -> list[str]:
        """What a command of that process comes to: the types of the events."""
        task, attempt = under or (None, None)
        command = self.command("hotels", do, fields)._replace(run=run, task=task, attempt=attempt)
        return [event.type for event in self.execute(command)]

    def refused(self, run: str | None, do: str, **fields: Any) -> str:
        """The code of the refusal that it meets."""
        with pytest.raises(Refused) as refusal:
            self.by(run, do, **fields)
        return refusal.value.code

    def lose(self, run: str) -> list[Event]:
        """The gateway has heard nothing of that process for its lease."""
        joined = self.state.presence["hotels"].instances[run].joined
        data = LoseParticipant(participant="hotels", joined=joined)
        last = self.events[-1].time
        return list(self.execute(Command(f"lose-{joined}", self.state.id, TIMEKEEPER, last, data)))

    @property
    def here(self) -> set[str]:
        """Which processes are here."""
        return set(self.state.presence["hotels"].instances)


@pytest.fixture
def two() -> Runs:
    """Two processes, with a task, a message, a tool call and a question each."""
    session = Runs()
    session.by("r1", "presence.join", new_run=True, beside=True)
    session.by("r2", "presence.join", new_run=True, beside=True)
    for run in ("r1", "r2"):
        session.do("planner", "task.create", task=f"t-{run}", title="T", stall_after=60)
        session.by(run, "task.claim", task=f"t-{run}", lease=3_600)
        session.by(run, "message.start", message=f"m-{run}")
        session.by(run, "message.delta", message=f"m-{run}", index=0, text="«said»")
        session.by(run, "tool.call", call=f"c-{run}", tool="search")
        session.by(run, "approval.request", approval=f"a-{run}", question="Book it?")
    return session


def test_one_that_is_lost_takes_nothing_of_the_other_with_it(two: Runs) -> None:
    lost, *further = two.lose("r1")
    assert (lost.type, lost.data.model_dump()["run"], lost.data.model_dump()["others"]) == ("presence.lost", "r1", True)
    ended = {event.data.subject() for event in further}
    assert ended == {"task:t-r1", "message:m-r1", "tool:c-r1", "approval:a-r1"}
    assert (two.here, two.state.presence["hotels"].present) == ({"r2"}, True)
    assert (two.state.tasks.known["t-r2"].owner, two.state.tasks.known["t-r2"].run) == ("hotels", "r2")
    assert two.by("r2", "task.complete", task="t-r2", attempt=1) == ["task.completed"]


def test_a_participant_is_gone_when_the_last_of_its_processes_is(two: Runs) -> None:
    two.lose("r1")
    lost = two.lose("r2")[0]
    assert lost.data.model_dump(exclude_none=True).keys() == {"participant", "after", "reason"}
    assert not two.state.presence["hotels"].present
    assert not two.state.tasks.claimed


def test_each_has_a_lease_of_its_own(two: Runs) -> None:
    leases = [each.silence for each in deadlines(two.state) if isinstance(each.data, LoseParticipant)]
    assert leases == ["hotels/r1", "hotels/r2"]
    tasks = {each.silence for each in deadlines(two.state) if each.data.do == "task.expire"}
    assert tasks == {"hotels/r1", "hotels/r2"}


def test_one_that_leaves_leaves_the_other(two: Runs) -> None:
    assert "presence.left" in two.by("r1", "presence.leave")
    assert two.here == {"r2"}
    assert two.refused("r1", "presence.leave") == "no_change"


def test_a_new_run_that_is_not_beside_ends_all_others(two: Runs) -> None:
    types = two.by("r3", "presence.join", new_run=True)
    assert (types.count("presence.left"), types.count("task.released")) == (1, 2)
    assert two.here == {"r3"}


def test_one_that_comes_back_joins_beside_the_other(two: Runs) -> None:
    two.lose("r1")
    assert two.by("r1", "presence.join") == ["presence.joined"]
    assert two.refused("r1", "presence.join") == "no_change"
    assert two.here == {"r1", "r2"}


def test_what_one_says_of_itself_is_no_word_about_the_other(two: Runs) -> None:
    two.wait(1)
    two.by("r1", "presence.status", status="waiting-for-human")
    two.by("r2", "presence.status", status="working", activity="Rooms")
    here = two.state.presence["hotels"]
    assert (here.status, here.activity) == ("working", "Rooms")
    assert here.instances["r1"].status == "waiting-for-human"
    two.lose("r2")
    assert two.state.presence["hotels"].status == "waiting-for-human"


def test_the_attempt_fences_and_not_the_process(two: Runs) -> None:
    """A task has one holder and one attempt; that number is the token, whichever process shows it."""
    assert two.by("r2", "task.progress", task="t-r1", attempt=1) == ["task.progressed"]
    two.lose("r1")
    two.by("r2", "task.claim", task="t-r1")
    assert two.refused("r1", "task.complete", task="t-r1", attempt=1) == "fenced"


def test_a_process_that_was_to_stop_stays_fenced_and_those_that_began_since_are_not() -> None:
    session = Runs()
    session.by("r1", "presence.join", new_run=True)
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:hotels", grace=0)
    assert session.refused("r1", "message.post", message="m", text="On I go.") == "fenced"
    session.by("r2", "presence.join", new_run=True, beside=True)
    session.by("r3", "presence.join", new_run=True, beside=True)
    for run in ("r2", "r3"):
        assert session.by(run, "message.post", message=f"m-{run}", text="Here.") == ["message.posted"]
    assert session.refused("r1", "message.post", message="m", text="On I go.") == "fenced"


def test_a_process_without_a_name_is_one_of_them() -> None:
    session = Runs()
    session.by(None, "presence.join")
    session.by("r1", "presence.join")
    assert session.here == {"", "r1"}
    session.by("r1", "presence.leave")
    assert session.here == {""}
    session.by(None, "presence.status", status="working")
    session.by(None, "presence.leave")
    assert not session.state.presence["hotels"].present


def test_one_that_has_no_name_speaks_for_all_where_it_did_not_join(two: Runs) -> None:
    types = two.by(None, "presence.leave")
    assert (types.count("presence.left"), types.count("task.released")) == (1, 2)
    assert not two.state.presence["hotels"].present


def test_a_stall_is_of_the_process_that_holds_the_task(two: Runs) -> None:
    two.by("r2", "presence.status", status="waiting-for-human")
    due = {each.under for each in deadlines(two.state) if each.data.do == "presence.stall"}
    assert due == {"t-r1"}


def test_what_one_streams_is_no_progress_of_the_other(two: Runs) -> None:
    before = two.state.tasks.known
    two.wait(1)
    two.by("r2", "message.delta", message="m-r2", index=1, text="«said»")
    after = two.state.tasks.known
    assert before["t-r1"].active == after["t-r1"].active
    assert before["t-r2"].active < after["t-r2"].active
