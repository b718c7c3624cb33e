"""Projections of an application, loaded by name in the tests of views."""

from pydantic import BaseModel

from stenogram.domain.audience import Viewer, including, visible
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.parts import text_of
from stenogram.projections import DocProjection, Meta, Rows, TableProjection


class Words(BaseModel):
    """How many words somebody has said, in all sessions."""

    words: int = 0


class Mention(BaseModel):
    """A word that begins with @, where it was said."""

    session: str
    name: str
    times: int = 0
    actor: str = ""
    audience: tuple[str, ...] | None = None


poison = True
"""Whether `words` fails at what is poisonous."""
words = DocProjection("words", Words, key="actor", indexes=("words",))
mentions = TableProjection("mentions", Mention, key_columns=("session", "name"), indexes=[("name",)])


@words.on
def _(doc: Words, event: MessagePosted) -> None:
    said = text_of(event.parts).split()
    if poison and "poison" in said:
        raise ValueError("this cannot be swallowed")
    doc.words += len(said)


@mentions.shown
def _(row: Mention, viewer: Viewer) -> Mention | None:
    return row if visible(including(row.audience, row.actor), viewer) else None


@mentions.on
def _(rows: Rows[Mention], event: MessagePosted, meta: Meta) -> None:
    for word in text_of(event.parts).split():
        if word.startswith("@"):
            rows.upsert(Mention(session=meta.session, name=word[1:], times=1, actor=meta.actor, audience=meta.audience))


all_of_them = [words, mentions]
