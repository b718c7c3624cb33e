"""Random sessions in which each thing that is said holds a word of its own, so that it is known who may read it.

    play = played(7)
    play.sessions                       # a session and its forks, also forks of forks
    secrets(play, Viewer("eve", "user"))    # the words that this viewer must not be shown

A word is known to those who may see the event that said it first, if they are meant to: what is said about a thing (a
task, a question, a signal, a message, a call, a name at the top of the shared state) is meant for those who may see the
thing, and nothing that an agent without the floor says is meant for people.
"""

import random
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from stenogram.domain.audience import Viewer, readers, visible
from stenogram.domain.concepts.floor import has_floor
from stenogram.domain.concepts.streams import NoteFork, RenewStream
from stenogram.domain.errors import Refused
from stenogram.domain.model import TIMEKEEPER, Actor, CommandData, Event
from stenogram.testing.rehearsal import Rehearsal

STEPS = 130
WITH_STREAMS = 3
"""One session of so many begins as one with a stream."""
ACTORS = [Actor("ada", "user"), Actor("bob", "user"), Actor("hotels", "agent"), Actor("rooms", "agent")]
VIEWERS = [*(Viewer(*actor) for actor in ACTORS), Viewer("eve", "user"), Viewer("taxis", "agent")]
AUDIENCES: list[list[str] | None] = [None, ["users"], ["agents"], ["agents"], ["ada"], ["bob", "hotels"], ["rooms"]]
WORD = re.compile(rb"w\d+w")


class Play:
    """One random session and its forks."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.streams = random.Random(seed) if seed % WITH_STREAMS == 1 else None
        """Chance of its own, by which something happens to streams besides."""
        self.session = Rehearsal("s-0", opened=self.streams is None)
        self.forks: list[Rehearsal] = []
        self.known: dict[bytes, tuple[str, ...] | None] = {}
        """By word, who may see the event that said it first."""
        self.meant: dict[bytes, list[tuple[str, ...]]] = {}
        """By word, those who alone may see it: each of these."""
        self.things: dict[str, tuple[str, ...] | None] = {}
        """By thing, who may see it and all about it."""
        self.refusals: list[tuple[Actor, bytes]] = []
        self.done: set[str] = set()
        self._words = 0
        self._ids = 0
        self._streams = 0
        if self.streams is not None:
            self._carry_out("stream.create", {"content": {"text": self.word()}})

    @property
    def sessions(self) -> list[Rehearsal]:
        """The session and its forks, each behind the one that it was forked from."""
        return sorted([self.session, *self.forks], key=lambda each: int(each.state.id.partition("-")[2]))

    def word(self) -> str:
        """A word that nobody has said."""
        self._words += 1
        return f"w{self._words}w"

    def new(self, kind: str) -> str:
        """An id that nothing has."""
        self._ids += 1
        return f"{kind}{self._ids}"

    def any(self, known: Any, kind: str) -> str:
        """The id of something that there is, one of the newest. A map has its ids in another order in each process."""
        ids = sorted(known, key=lambda id: (len(id), id))[-4:]
        return self.random.choice(ids) if ids else f"{kind}0"

    def step(self) -> None:
        """Something happens; or is refused, which is as good."""
        if self.streams is not None and self.streams.random() < 0.2:
            self._stream(self.streams)
        do = self.random.choice(WEIGHTED)
        if do == "wait":
            self.session.wait(self.random.choice([1, 6, 20, 70]))
        elif do == "session.fork":
            self._fork()
        else:
            data = {name: value for name, value in DATA[do](self).items() if value is not None}
            self._carry_out(do, data)
        for event in self.session.events[-40:]:
            self._learn(event)

    def _stream(self, chance: random.Random) -> None:
        do = chance.choice(STREAM_STEPS)
        if do in OF_GATEWAY:
            self._of_gateway(OF_GATEWAY[do](self), chance.choice(ACTORS))
            return
        streams = self.session.state.streams
        data = {name: value for name, value in STREAM_DATA[do](self, chance).items() if value is not None}
        if do != "stream.create" and streams.last is None:
            return
        self._carry_out(do, data)

    def _of_gateway(self, data: CommandData, actor: Actor) -> None:
        """What no client can send."""
        command = self.session.command(actor, "presence.leave", {})
        actor = actor if isinstance(data, NoteFork) else TIMEKEEPER
        try:
            self.session.execute(command._replace(data=data, actor=actor))
        except Refused as refusal:
            self.refusals.append((actor, orjson.dumps(refusal.problem(), default=str)))
            return
        self.session.wait(1)

    def _carry_out(self, do: str, data: dict[str, Any]) -> None:
        actor, under = self.random.choice(ACTORS), None
        if self.random.random() < 0.7:
            actor = self._fitting(do, data) or actor
        speaks = has_floor(self.session.state.floor, actor)
        held = [task for task in sorted(self.session.state.tasks.claimed) if self._owner(task) == actor.id]
        if held and do in UNDER and self.random.random() < 0.5:
            under = held[0]
        try:
            if under is None:
                self.session.do(actor, do, data)
            else:
                self.session.under(under, self.session.state.tasks.known[under].attempt, actor, do, data)
        except Refused as refusal:
            self.refusals.append((actor, orjson.dumps(refusal.problem(), default=str)))
            return
        self.done.add(do)
        self._mean(actor, do, data, speaks)

    def _mean(self, actor: Actor, do: str, data: dict[str, Any], speaks: bool) -> None:
        """Take note of whom it was for, by what was asked and not by what came of it."""
        meant = []
        self._streams += do == "stream.create"
        for thing in [*things(do, data), *([f"stream:{self._streams}"] if do.startswith("stream.") else [])]:
            if thing not in self.things:
                self.things[thing] = self._audience(actor, do, data, speaks)
            meant.append(self.things[thing])
        if not speaks and do not in BEGUN_WITH_THE_FLOOR:
            meant.append(TEAM)
        for word in WORD.findall(orjson.dumps(data)):
            self.meant[word] = [each for each in meant if each is not None]

    def _audience(self, actor: Actor, do: str, data: dict[str, Any], speaks: bool) -> tuple[str, ...] | None:
        audience, target = data.get("audience"), data.get("target", "")
        if audience is None and data.get("parent"):
            audience = self.things.get(f"task:{data['parent']}")
        if audience is None and target.startswith("task:"):
            audience = self.things.get(target)
        if audience is None:
            return None
        state = self.session.state
        named = [*data.get("of", []), data.get("assignee", actor.id)]
        if do == "signal.raise":
            named += state.signals.known[data["signal"]].addressees
        if do == "approval.request":
            named += data.get("of", ["users"])
        if not speaks:
            team = [each.id for each in state.presence.values() if each.kind != "user"]
            audience = [name for name in audience if name in ("agents", *team)] or ["agents"]
        return (*audience, actor.id, *named)

    def _fitting(self, do: str, data: dict[str, Any]) -> Actor | None:
        """Who may do it, as a rule."""
        state = self.session.state
        message, call = state.messages.known.get(data.get("message", "")), state.tools.known.get(data.get("call", ""))
        id = message.author if message else call.caller if call else self._owner(data.get("task", ""))
        if "approval" in data and (asked := state.approvals.known.get(data["approval"])):
            id = "ada" if do == "approval.answer" else asked.requester
        if "signal" in data and (signal := state.signals.known.get(data["signal"])):
            id = min(signal.waiting, default=None)
            if do == "signal.withdraw":
                id = signal.raiser
        if "status" in data:
            id = next((each.id for each in state.presence.values() if each.stalled), None)
        return next((actor for actor in ACTORS if actor.id == id), None)

    def _owner(self, task: str) -> str | None:
        known = self.session.state.tasks.known.get(task)
        return known.owner if known else None

    def _fork(self) -> None:
        """Anybody forks; the play goes on in the fork, or in the origin."""
        at = self.random.choice([None, None, self.random.randint(1, len(self.session.events))])
        try:
            fork = self.session.fork(self.random.choice(ACTORS), self.new("s-"), at)
        except Refused:
            return
        fork._commands = 1_000 * self._ids
        self.done.add("session.fork")
        for event in fork.events:
            self._learn(event)
        self.forks.append(self.session if self.random.random() < 0.5 else fork)
        if self.forks[-1] is self.session:
            self.session = fork

    def _learn(self, event: Event) -> None:
        for word in WORD.findall(event.data.json_bytes()):
            self.known.setdefault(word, readers(event.type, event.audience, event.actor))


def things(do: str, data: dict[str, Any]) -> list[str]:
    """What a command is about."""
    found = [f"{kind}:{data[kind]}" for kind in ("message", "call", "approval", "signal") if kind in data]
    if do.startswith("task."):
        found.append(f"task:{data['task']}")
    if do.startswith("state."):
        found += [f"state:{name}" for name in data.get("patch", ()) if isinstance(name, str)]
        paths = [data.get("path"), *[each["path"] for each in data.get("patch", ()) if isinstance(each, dict)]]
        found += [f"state:{path.split('/')[1]}" for path in paths if path]
    return found


def said(play: Play, kind: str) -> dict[str, Any]:
    return {kind: play.new(kind[0]), "audience": play.random.choice(AUDIENCES)}


def message(play: Play) -> str:
    """A message, which may be open."""
    known = play.session.state.messages.known
    return play.any([id for id, each in known.items() if each.status == "open"] or known, "m")


def index(play: Play) -> dict[str, Any]:
    id = message(play)
    known = play.session.state.messages.known.get(id)
    return {"message": id, "index": known.index if known else 0, "text": play.word() + " "}


def task(play: Play) -> dict[str, Any]:
    tasks, known = play.session.state.tasks, play.session.state.tasks.known
    held = play.random.random() < 0.5
    id = play.any(tasks.claimed if held and tasks.claimed else [*tasks.open, *tasks.claimed], "t")
    return {"task": id, "attempt": max(1, known[id].attempt) if id in known else 1}


def promises(play: Play) -> dict[str, Any]:
    """What is to become of a task when things go wrong."""
    known = play.session.state.tasks.known
    return {
        "needs": [play.any(known, "t")] if known and play.random.random() < 0.3 else [],
        "on_need_failed": pick(play, "block", "fail"),
        "assignee": pick(play, None, None, None, None, "rooms"),
        "assignee_timeout": pick(play, None, 5.0),
        "max_attempts": pick(play, None, None, 2),
        "backoff": pick(play, None, None, 3.0),
        "within": pick(play, None, None, None, 30.0),
        "stall_after": pick(play, 5, 5, 60),
        "on_stall": pick(play, "tell", "tell", "tell", "release", "nothing"),
    }


def usage(play: Play) -> dict[str, Any]:
    """What something took."""
    return {"model": play.word(), play.word(): 3}


def reports(play: Play) -> dict[str, Any]:
    """What is said of how it went, besides; mostly nothing."""
    return pick(play, {}, {}, {"usage": usage(play), "metadata": {"m": play.word()}})  # type: ignore[no-any-return]


def call(play: Play) -> str:
    """A tool call, which may be open."""
    known = play.session.state.tools.known
    return play.any([id for id, each in known.items() if each.open] or known, "c")


def output(play: Play) -> dict[str, Any]:
    """The next piece of what a tool puts out."""
    id = call(play)
    known = play.session.state.tools.known.get(id)
    return {"call": id, "index": known.index if known else 0, "text": play.word() + " "}


def question(play: Play) -> dict[str, Any]:
    """What is asked: one thing, or several."""
    several = [
        {"name": name, "question": play.word(), "options": ["yes", play.word()], "own_words": True} for name in "ab"
    ]
    one = {
        "options": ["yes", play.word()],
        "answer_schema": pick(play, None, {"type": "string", "title": play.word()}),
        "own_words": pick(play, True, False),
    }
    return pick(play, one, one, {"questions": several})  # type: ignore[no-any-return]


def answer(play: Play) -> dict[str, Any]:
    """An answer of the kind that was asked for."""
    id = approval(play)
    known = play.session.state.approvals.known.get(id)
    if known and known.questions:
        answers = {each.name: {"options": [each.options[0]], "words": play.word()} for each in known.questions}
        return {"approval": id, "answers": answers, "comment": play.word()}
    said = {"value": play.word()} if known and known.answer_schema else {}
    words = {"words": play.word()} if known and known.own_words else {}
    return {
        "approval": id,
        "option": pick(play, "yes", None) if said else "yes",
        "comment": play.word(),
        **said,
        **words,
    }


def target(play: Play) -> str:
    kind = play.random.choice(["session", "agent", "agent", "task", "message"])
    ids: dict[str, Callable[[], str]] = {
        "agent": lambda: play.random.choice(["hotels", "rooms", "late"]),
        "task": lambda: str(task(play)["task"]),
        "message": lambda: message(play),
    }
    return kind if kind == "session" else f"{kind}:{ids[kind]()}"


def interruption(play: Play) -> dict[str, Any]:
    """A signal; instructions are for tasks, mostly."""
    kind = pick(play, "cancel", "pause", "resume", "steer", "steer", "reroute")
    return {
        "signal": play.new("s"),
        "kind": kind,
        "target": f"task:{task(play)['task']}" if kind == "steer" and play.random.random() < 0.7 else target(play),
        "body": play.word(),
        "grace": pick(play, None, 0, 0, 3) if kind != "steer" else None,
    }


def signal(play: Play) -> str:
    signals = play.session.state.signals
    return play.any(signals.open or signals.known, "s")


def approval(play: Play) -> str:
    approvals = play.session.state.approvals
    return play.any(approvals.open or approvals.known, "a")


def name(play: Play) -> str:
    """A name at the top of the shared state."""
    return str(pick(play, *list(play.session.state.document.value)[-5:], *[play.new("k")] * 2))


def change(play: Play) -> dict[str, Any]:
    """Whom new names in the shared state are for, and on what a change depends."""
    guard = pick(play, {}, {}, {"if_version": play.session.state.version // 2}, {"if_unchanged": {f"/{name(play)}": 5}})
    return {"audience": play.random.choice(AUDIENCES), **guard}


def pick(play: Play, *values: Any) -> Any:
    return play.random.choice(values)


DATA: dict[str, Callable[[Play], dict[str, Any]]] = {
    "session.open": lambda play: {"title": play.word()},
    "session.describe": lambda play: {"title": play.word(), "metadata": {"m": play.word()}},
    "session.label": lambda play: {"set": {"l": play.word()}},
    "session.close": lambda play: {"reason": play.word()},
    "session.reopen": lambda play: {"reason": play.word()},
    "presence.join": lambda play: {
        "name": play.word(),
        "lease": pick(play, 5, 50, 3_000, 3_000),
        "new_run": pick(play, True, None),
    },
    "presence.status": lambda play: {
        "status": pick(play, "working", "idle", "waiting-for-tool"),
        "activity": play.word(),
    },
    "presence.leave": lambda play: {"reason": play.word()},
    "message.post": lambda play: {**said(play, "message"), "text": play.word()},
    "message.start": lambda play: {**said(play, "message"), "metadata": {"m": play.word()}},
    "message.delta": index,
    "message.complete": lambda play: {
        "message": message(play),
        "parts": [{"kind": "text", "text": play.word()}],
        **reports(play),
    },
    "message.abort": lambda play: {"message": message(play), "reason": play.word(), **reports(play)},
    "tool.call": lambda play: {
        **said(play, "call"),
        "tool": play.word(),
        "arguments": play.word(),
        "metadata": {"m": play.word()},
    },
    "tool.output": output,
    "tool.return": lambda play: {
        "call": call(play),
        "result": play.word(),
        "error": pick(play, None, play.word()),
        **reports(play),
    },
    "state.patch": lambda play: {
        "patch": [
            {"op": "add", "path": f"/{name(play)}", "value": play.word()},
            *pick(play, [], [{"op": "copy", "from": f"/{name(play)}", "path": f"/{name(play)}"}]),
        ],
        **change(play),
    },
    "state.merge": lambda play: {"patch": {name(play): play.word()}, **change(play)},
    "state.increment": lambda play: {"path": f"/{name(play)}", "by": 1, **change(play)},
    "task.create": lambda play: {
        "task": play.new("t"),
        "title": play.word(),
        "input": play.word(),
        "parent": pick(play, None, task(play)["task"]) if play.session.state.tasks.known else None,
        "dedupe_key": pick(play, *[None] * 8, "d1", "d2"),
        "audience": pick(play, None, None, play.random.choice(AUDIENCES)),
        "metadata": {"m": play.word()},
        **promises(play),
    },
    "task.claim": lambda play: {"task": task(play)["task"], "lease": pick(play, 5, 500, 500)},
    "task.progress": lambda play: {**task(play), "note": play.word(), "usage": usage(play)},
    "task.complete": lambda play: {**task(play), "output": play.word(), **reports(play)},
    "task.fail": lambda play: {
        **task(play),
        "error": play.word(),
        "retryable": pick(play, True, False),
        **reports(play),
    },
    "task.release": lambda play: {**task(play), "reason": play.word(), **reports(play)},
    "task.reroute": lambda play: {
        "task": task(play)["task"],
        "input": pick(play, None, play.word()),
        "needs": pick(play, None, [], [play.any(play.session.state.tasks.known, "t")]),
        "to": pick(play, None, "rooms"),
    },
    "task.cancel": lambda play: {"task": task(play)["task"], "reason": play.word()},
    "signal.raise": interruption,
    "signal.deliver": lambda play: {"signal": signal(play)},
    "signal.honour": lambda play: {"signal": signal(play), "reason": play.word()},
    "signal.refuse": lambda play: {"signal": signal(play), "reason": play.word()},
    "signal.withdraw": lambda play: {"signal": signal(play), "reason": play.word()},
    "approval.request": lambda play: {
        "approval": play.new("a"),
        "question": play.word(),
        **question(play),
        "within": pick(play, None, 3.0, 30.0),
        "of": pick(play, None, ["ada"], ["bob", "rooms"], ["agents"]),
        "audience": play.random.choice(AUDIENCES),
    },
    "approval.configure": lambda play: {"self_answer": pick(play, True, False)},
    "approval.answer": answer,
    "approval.withdraw": lambda play: {"approval": approval(play), "reason": play.word()},
    "floor.move": lambda play: {"speakers": pick(play, None, ["hotels"], [])},
    "custom.record": lambda play: {
        "type": "x.note",
        "data": {"text": play.word()},
        "audience": play.random.choice(AUDIENCES),
    },
}
"""How a command of each kind is made up. `session.fork` has a way of its own."""
STREAM_DATA: dict[str, Callable[[Play, random.Random], dict[str, Any]]] = {
    "stream.create": lambda play, chance: {
        "content_type": f"text/x-{play.word()}",
        "audience": chance.choice(AUDIENCES),
        "content": {"text": play.word()},
        "ttl": chance.choice([None, 60, 600]),
    },
    "stream.append": lambda play, chance: {
        "content": {"text": play.word()},
        "producer": chance.choice([None, {"id": play.word(), "epoch": 0, "seq": 0}]),
        "closed": chance.random() < 0.05,
    },
    "stream.close": lambda play, chance: {},
    "stream.delete": lambda play, chance: {},
}
OF_GATEWAY: dict[str, Callable[[Play], CommandData]] = {
    "stream.renew": lambda play: RenewStream(),
    "stream.note_fork": lambda play: NoteFork(
        fork=play.new("fork-"), since=play.session.state.streams.last.since if play.session.state.streams.last else 0
    ),
}
STREAM_STEPS = [*["stream.create"] * 2, *["stream.append"] * 6, "stream.close", "stream.delete", *OF_GATEWAY]
TEAM = ("agents", *(actor.id for actor in ACTORS if actor.kind == "agent"))
BEGUN_WITH_THE_FLOOR = ("message.delta", "message.complete", "message.abort", "tool.output", "tool.return")
"""What goes on with something that may have been begun when its author had the floor."""
UNDER = ("message.post", "message.start", "tool.call", "approval.request", "custom.record")
_OFTEN = {
    "message.start": 6,
    "message.delta": 12,
    "tool.call": 4,
    "tool.output": 6,
    "signal.withdraw": 3,
    "approval.answer": 2,
    "task.create": 4,
    "task.claim": 10,
    "signal.raise": 5,
    "signal.honour": 4,
    "presence.join": 8,
    "presence.status": 3,
    "task.progress": 6,
    "task.complete": 2,
    "task.fail": 2,
    "approval.request": 2,
    "session.reopen": 4,
    "wait": 6,
}
WEIGHTED = [do for do in [*DATA, "session.fork", "wait"] for _ in range(_OFTEN.get(do, 1))]


@cache
def played(seed: int) -> Play:
    """A play to its end."""
    play = Play(seed)
    for _ in range(STEPS):
        play.step()
    return play


def secrets(play: Play, viewer: Viewer) -> set[bytes]:
    """The words that a viewer must not be shown."""
    hidden = {word for word, may in play.known.items() if not visible(may, viewer)}
    return hidden | {word for word, meant in play.meant.items() if not all(visible(may, viewer) for may in meant)}
