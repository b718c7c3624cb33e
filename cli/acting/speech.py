"""`stenogram say` and `stenogram answer`: a person's words in a session."""

from typing import TYPE_CHECKING, Any

import click

from ..options import RECIPIENT, SESSION, NameType, Place, examples, json_option
from .gateway import acting, gateway_options, printed
from .values import text_of, value_of, whole_id

if TYPE_CHECKING:
    from ...client import Session
    from ...domain.concepts.approvals import Approval


@click.command(
    short_help="Post a message.",
    epilog=examples(
        "stenogram say trip-7 Please look for something with a view.",
        "stenogram say trip-7 --to hotels 'Only you see this.'",
        "git diff | stenogram say trip-7 -                what comes on stdin",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("text", nargs=-1, required=True, metavar="TEXT…")
@click.option(
    "--to",
    type=RECIPIENT,
    multiple=True,
    metavar="WHO",
    help="Who may see it: users, agents, a participant's id; may be repeated.",
)
@click.option(
    "--reply-to", type=NameType("message id"), metavar="MESSAGE", help="The id of the message that this answers."
)
@json_option
@gateway_options
async def say(
    session: str, text: tuple[str, ...], to: tuple[str, ...], reply_to: str | None, as_json: bool, place: Place
) -> None:
    """Post TEXT as a message in a SESSION; - takes it from stdin."""
    said = text_of(text)
    async with acting(place, session) as here:
        posted = await here.post(said, to=to or None, reply_to=reply_to)
    printed(as_json, f"Posted, as version {posted.version} of {session}.", session=session, **posted._asdict())


@click.command(
    short_help="Answer a question.",
    epilog=examples(
        "stenogram answer trip-7 yes                      the one question that is open",
        "stenogram answer trip-7                          which are open",
        "stenogram answer trip-7 book --question 4f2a1c --comment 'The one with the view.'",
        "stenogram answer trip-7 --value '{\"nights\": 3}'",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("option", required=False, metavar="[OPTION]")
@click.option("--question", "id", metavar="ID", help="Which question; its end is enough.")
@click.option("--value", metavar="JSON", help="The value that the question asks for, or a text.")
@click.option("--comment", metavar="TEXT", help="What to say with it.")
@json_option
@gateway_options
async def answer(
    session: str,
    option: str | None,
    id: str | None,
    value: str | None,
    comment: str | None,
    as_json: bool,
    place: Place,
) -> int:
    """Answer a question of a SESSION with one of its options, a value, or both; without any, list what is open.

    The first answer counts, whoever gives it. When another was first, it says which one holds, and the exit code is 1.
    """
    async with acting(place, session, follow=True) as here:
        if option is None and value is None:
            _list(here, as_json)
            return 0
        question = _chosen(here, id)
        given = None if value is None else value_of(value)
        held = await here.approvals.answer_with(question.id, given, option=option, comment=comment)
    mine = (option, given) == (held.option, held.value)
    shown = held.option if held.value is None else f"{held.option or ''} {held.value!r}".strip()
    about = f"{question.requester} had asked: {question.question}"
    told = f"Answered {shown}. {about}" if mine else f"Somebody was first, and {shown} holds. {about}"
    printed(as_json, told, session=session, approval=question.id, **held._asdict(), first=mine)
    return 0 if mine else 1


def _list(session: "Session", as_json: bool) -> None:
    from ..text.short_forms import short

    if not session.approvals.open and not as_json:
        click.echo(f"No question is open in {session.id}.", err=True)
    for each in session.approvals.open:
        what = " / ".join(each.options) or "a value (--value)"
        told: dict[str, Any] = {"approval": each.id, "actor": each.requester, "question": each.question}
        printed(
            as_json,
            f"{short(each.id)}  {each.requester} asks: {each.question}  [{what}]",
            **{**told, "options": each.options, "schema": each.answer_schema, "default": each.default},
        )


def _chosen(session: "Session", id: str | None) -> "Approval":
    """The question that is meant: also one that was answered, so that it is said what holds."""
    from ...domain.errors import Conflict, NotFound
    from ..text.short_forms import short

    known, waiting = session.live.state.approvals.known, session.approvals.open
    if id is not None:
        whole = whole_id(id, "question", list(known))
        if whole not in known:
            raise NotFound(f"There is no question {id!r} in {session.id}; `stenogram answer {session.id}` lists them.")
        return known[whole]
    if len(waiting) == 1:
        return waiting[0]
    if not waiting:
        raise Conflict(f"No question is open in {session.id}.")
    listed = "; ".join(f"{short(each.id)} ({each.requester} asks: {each.question})" for each in waiting)
    raise Conflict(f"{len(waiting)} questions are open, say which by --question: {listed}")
