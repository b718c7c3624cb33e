"""Questions to people: asked, and answered once, from any device."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

from ..domain.concepts.approvals import Answer, Approval, Question
from ..domain.ids import new_id
from .arguments import To, drop_none, names
from .errors import Unanswered
from .session_port import SessionPort
from .transport.command_queue import unawaited


class ApprovalAnswer(NamedTuple):
    """What holds: one of the options, if there were any; the value, if it was asked with a schema; the words of the
    answerer's own, if those were asked for; or the answers to several questions, by their names."""

    option: str | None
    value: Any = None
    words: str | None = None
    answers: Mapping[str, Answer] = {}


class AskingAll(TypedDict, total=False):
    """Whom several questions are `of` (users), `to` whom they and the answers are shown besides, the `deadline`
    (seconds), and the id (`approval`)."""

    of: To
    to: To | None
    deadline: float | None
    approval: str | None


class Asking(AskingAll, total=False):
    """The same of one question; the option that holds by `default` at the deadline; and whether it can be answered in
    one's `own_words`."""

    default: str | None
    own_words: bool


class Approvals:
    """The questions of a session (`session.approvals`). One of those asked answers, for all; a later answer gets the
    first."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session

    @property
    def open(self) -> list[Approval]:
        """The questions that wait for an answer, the oldest first."""
        approvals = self._session.live.state.approvals
        return sorted(map(approvals.known.__getitem__, approvals.open), key=lambda each: each.since)

    async def next(self) -> Approval:
        """Wait until there is a question that waits for an answer; the oldest."""
        return (await self._session.live.until(lambda: self.open))[0]

    async def answer(self, approval: str, option: str, *, comment: str | None = None) -> str:
        """Answer; returns the option that holds, which is another's if that came first."""
        return str((await self.answer_with(approval, option=option, comment=comment)).option)

    async def answer_with(
        self,
        approval: str,
        value: Any = None,
        *,
        option: str | None = None,
        words: str | None = None,
        comment: str | None = None,
    ) -> ApprovalAnswer:
        """Answer with a value (a filled form, or, with an option, changes) or in `words` of your own, as it was asked.
        Returns the answer that holds, which is another's if that came first. Raises Invalid when the value does not
        match the schema, and for words that were not asked for."""
        return await self._answer(approval, option=option, value=value, words=words, comment=comment)

    async def answer_all(
        self, approval: str, answers: Mapping[str, Answer | str | Sequence[str]], *, comment: str | None = None
    ) -> Mapping[str, Answer]:
        """Answer several questions at once: each by its name, with an option, several options, or an `Answer`. Returns
        the answers that hold, which are another's if those came first. Raises Invalid when one is missing."""
        said = {name: _as_answer(each).model_dump(exclude_none=True) for name, each in answers.items()}
        return (await self._answer(approval, answers=said, comment=comment)).answers

    async def ask(self, question: str, options: Sequence[str] = ("yes", "no"), **how: Unpack[Asking]) -> str:
        """Ask, and wait for the answer: one of the options, or, with `own_words`, what was said instead. At the
        `deadline` (seconds) the `default` holds; without one, Unanswered is raised. When the wait is cancelled the
        question is withdrawn. `approval` names it; `of` are those who may answer, and `to` is who may see it and its
        answer, besides you and those who are asked."""
        answer = await self.ask_for(question, None, options=options, **how)
        return str(answer.words if answer.option is None else answer.option)

    async def ask_for(  # noqa: PLR0913  (keywords, few of which are used at once)
        self,
        question: str,
        schema: Mapping[str, Any] | None,
        *,
        options: Sequence[str] = (),
        of: To = "users",
        to: To | None = None,
        deadline: float | None = None,
        default: str | None = None,
        own_words: bool = False,
        approval: str | None = None,
    ) -> ApprovalAnswer:
        """Ask for a value that matches a JSON Schema: a text, a filled form, or, with `options`, the changes with which
        something is approved (the value may be left out then). Waits like `ask`."""
        what = drop_none(answer_schema=schema, default=default, own_words=own_words or None, within=deadline)
        if options or (schema is None and not own_words):
            what["options"] = list(options)
        return await self._ask(question, approval, of=names(of), audience=names(to), **what)

    async def ask_all(
        self,
        question: str,
        questions: Sequence[Question | Mapping[str, Any]],
        *,
        of: To = "users",
        to: To | None = None,
        deadline: float | None = None,
        approval: str | None = None,
    ) -> Mapping[str, Answer]:
        """Ask several questions at once; `question` says what they are about. Waits like `ask`; the answers, by the
        questions' names."""
        asked = [each.model_dump(exclude_none=True) if isinstance(each, Question) else each for each in questions]
        what = {"questions": asked, "of": names(of), "audience": names(to), "within": deadline}
        return (await self._ask(question, approval, **what)).answers

    async def configure(self, *, self_answer: bool = False, default_after: float | None = None) -> None:
        """Say what agents may do with questions of their own: whether they may answer them, and how many seconds
        (60 by default) these must leave before their default holds. Not for agents."""
        what = drop_none(self_answer=self_answer, default_after=default_after)
        await self._session.unless_known("approval.configure", what)

    async def _answer(self, approval: str, **said: Any) -> ApprovalAnswer:
        cause = self._session.live.began(f"approval:{approval}")
        ack = await self._session.do("approval.answer", {"approval": approval, **drop_none(**said)}, cause=cause)
        await self._session.live.reached(ack.versions[0])
        return _holds(self._session.live.state.approvals.known[approval])

    async def _ask(self, question: str, approval: str | None, **what: Any) -> ApprovalAnswer:
        approval = approval or new_id()
        try:
            await self._session.do("approval.request", drop_none(approval=approval, question=question, **what))
            return await self._answered(approval)
        except asyncio.CancelledError:
            # Sent behind the request, which may be on its way: nobody would wait for an answer any more.
            unawaited(self._session.commands.submit(self._session.id, "approval.withdraw", {"approval": approval}))
            raise

    async def _answered(self, id: str) -> ApprovalAnswer:
        def settled() -> Approval | None:
            known = self._session.live.state.approvals.known.get(id)
            return None if known is None or known.status == "open" else known

        approval = await self._session.live.until(settled)
        assert approval is not None
        if approval.status != "answered" and approval.option is None:
            why = "nobody answered in time" if approval.status == "expired" else "it was withdrawn"
            raise Unanswered(f"Question {id!r} has no answer: {why}.", approval=id, status_now=approval.status)
        return _holds(approval)


def _as_answer(said: Answer | str | Sequence[str]) -> Answer:
    if isinstance(said, Answer):
        return said
    return Answer(options=(said,) if isinstance(said, str) else tuple(said))


def _holds(approval: Approval) -> ApprovalAnswer:
    return ApprovalAnswer(approval.option, approval.value, approval.words, approval.answers)
