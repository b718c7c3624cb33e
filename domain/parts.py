"""What messages are made of, and how streamed text becomes parts."""

from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from .json.explained import Explained
from .unchecked import new_unchecked

StreamedKind = Literal["text", "reasoning"]
Short = Annotated[str, StringConstraints(max_length=2_000)]


class _Part(Explained):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextPart(_Part):
    """What is said."""

    kind: Literal["text"] = "text"
    text: str
    """The words, as Markdown or plain text."""


class ReasoningPart(_Part):
    """What was thought on the way."""

    kind: Literal["reasoning"] = "reasoning"
    text: str
    """The words."""


class DataPart(_Part):
    """A JSON value for programs; `name` says which."""

    kind: Literal["data"] = "data"
    data: JsonValue = None
    """The value."""
    name: Short | None = None
    """Which value it is."""


class CitationPart(_Part):
    """Where something comes from."""

    kind: Literal["citation"] = "citation"
    source: Short
    """An address or other name of the source."""
    title: Short | None = None
    """What the source is called."""
    quote: str | None = None
    """What it says."""


Part = Annotated[TextPart | ReasoningPart | DataPart | CitationPart, Field(discriminator="kind")]


class Streamed(NamedTuple):
    """The text of an open message so far: its last chunk and, through `before`, all earlier ones, which older states
    share. `length` counts the UTF-8 bytes of them all."""

    before: "Streamed | None"
    kind: StreamedKind
    text: str
    length: int


def extend(streamed: Streamed | None, kind: StreamedKind, text: str) -> Streamed:
    """Append one chunk.

    It takes in the chunks before it that are no longer than itself. So n tokens of about one length, and of one kind,
    are a chain of about log n chunks: appending stays cheap, and neither memory nor the depth of the chain grows with
    the tokens. Each of those that are taken in is copied once, however long they are.
    """
    length, size, chunks = len(text) if text.isascii() else len(text.encode()), len(text), [text]
    if streamed is not None:
        length += streamed.length
    while streamed is not None:
        before, its_kind, its_text, _ = streamed
        if its_kind != kind or len(its_text) > size:
            break
        chunks.append(its_text)
        size += len(its_text)
        streamed = before
    if len(chunks) > 1:
        chunks.reverse()
        text = "".join(chunks)
    return new_unchecked(Streamed, (streamed, kind, text, length))


def assemble(streamed: Streamed | None) -> tuple[TextPart | ReasoningPart, ...]:
    """Join the chunks: consecutive chunks of one kind make one part."""
    runs: list[tuple[StreamedKind, list[str]]] = []
    while streamed is not None:
        if not runs or runs[-1][0] != streamed.kind:
            runs.append((streamed.kind, []))
        runs[-1][1].append(streamed.text)
        streamed = streamed.before
    return tuple(
        (TextPart if kind == "text" else ReasoningPart)(text="".join(reversed(chunks)))
        for kind, chunks in reversed(runs)
    )


def text_bytes(parts: "tuple[Part, ...]") -> int:
    """UTF-8 bytes of what is said and thought in these parts, streamed or not."""
    return sum([len(part.text.encode()) for part in parts if isinstance(part, TextPart | ReasoningPart)])


def text_of(parts: "tuple[Part, ...]") -> str:
    """The words of a message: its text parts, joined."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))
