"""Questions to people: asked, and answered once, from any device."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..domain.concepts.approvals import Approval
from ..domain.ids import new_id
from .arguments import To, drop_none, names
from .errors import Unanswered
from .session_port import SessionPort
from .transport.command_queue import unawaited


class ApprovalAnswer(NamedTuple):
    """What holds: one of the options, if there were any; and the value, if it was asked with a schema."""

    option: str | None
    value: Any = None


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
        self, approval: str, value: Any = None, *, option: str | None = None, comment: str | None = None
    ) -> ApprovalAnswer:
        """Answer with a value: a text, a filled form, or, with an option, changes. Returns the answer that holds, which
        is another's if that came first. Raises Invalid when the value does not match the schema."""
        said = drop_none(approval=approval, option=option, value=value, comment=comment)
        ack = await self._session.do("approval.answer", said, cause=self._session.live.began(f"approval:{approval}"))
        await self._session.live.reached(ack.versions[0])
        known = self._session.live.state.approvals.known[approval]
        return ApprovalAnswer(known.option, known.value)

    async def ask(
        self,
        question: str,
        options: Sequence[str] = ("yes", "no"),
        *,
        of: To = "users",
        to: To | None = None,
        deadline: float | None = None,
        default: str | None = None,
        approval: str | None = None,
    ) -> str:
        """Ask, and wait for the answer: one of the options. At the deadline (seconds) the default holds; without one,
        Unanswered is raised. When the wait is cancelled the question is withdrawn. `approval` names it; `to` is who may
        see it and its answer, besides you and those who are asked."""
        answer = await self.ask_for(
            question, None, options=options, of=of, deadline=deadline, default=default, approval=approval, to=to
        )
        return str(answer.option)

    async def ask_for(
        self,
        question: str,
        schema: Mapping[str, Any] | None,
        *,
        options: Sequence[str] = (),
        of: To = "users",
        deadline: float | None = None,
        default: str | None = None,
        approval: str | None = None,
        to: To | None = None,
    ) -> ApprovalAnswer:
        """Ask for a value that matches a JSON Schema: a text, a filled form, or, with `options`, the changes with which
        something is approved (the value may be left out then). Waits like `ask`."""
        approval = approval or new_id()
        asked = {"question": question, "answer_schema": schema, "of": names(of), "audience": names(to)}
        what = drop_none(**asked, within=deadline, default=default)
        if options or schema is None:
            what["options"] = list(options)
        try:
            await self._session.do("approval.request", {"approval": approval, **what})
            return await self._answered(approval)
        except asyncio.CancelledError:
            # Sent behind the request, which may be on its way: nobody would wait for an answer any more.
            unawaited(self._session.commands.submit(self._session.id, "approval.withdraw", {"approval": approval}))
            raise

    async def configure(self, *, self_answer: bool = False, default_after: float | None = None) -> None:
        """Say what agents may do with questions of their own: whether they may answer them, and how many seconds
        (60 by default) these must leave before their default holds. Not for agents."""
        what = drop_none(self_answer=self_answer, default_after=default_after)
        await self._session.unless_known("approval.configure", what)

    async def _answered(self, id: str) -> ApprovalAnswer:
        def settled() -> Approval | None:
            known = self._session.live.state.approvals.known.get(id)
            return None if known is None or known.status == "open" else known

        approval = await self._session.live.until(settled)
        assert approval is not None
        if approval.status != "answered" and approval.option is None:
            why = "nobody answered in time" if approval.status == "expired" else "it was withdrawn"
            raise Unanswered(f"Question {id!r} has no answer: {why}.", approval=id, status_now=approval.status)
        return ApprovalAnswer(approval.option, approval.value)
