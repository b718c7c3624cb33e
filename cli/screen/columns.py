"""One participant's column: the last lines of what it said and did."""

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text

from ...domain.parts import text_of
from ...projections.views.transcript import TranscriptRow
from ..text.console import one_line, printable
from ..text.view_words import answered, arguments, outcome, reasoning_of

CARET = "▌"
TAIL_CHARACTERS = 6_000
"""How much of the the end of a message can be in sight."""


def column(entries: Iterable[TranscriptRow], width: int, height: int) -> Text:
    """The last `height` lines of these entries, wrapped to `width`."""
    lines: list[Text] = []
    for entry in entries:
        if lines:
            lines.append(Text(""))
        lines += _entry(entry, width)
    return Text("\n").join(lines[-height:])


def _entry(entry: TranscriptRow, width: int) -> list[Text]:
    match entry.kind:
        case "tool":
            return _call(entry, width)
        case "approval":
            return _question(entry, width)
        case _:
            return _message(entry, width)


def _question(question: TranscriptRow, width: int) -> list[Text]:
    waits = question.status == "open"
    lines = wrapped(Text(f"? {printable(question.question or '')}", "bold magenta" if waits else "magenta"), width)
    return [*lines, Text(one_line(f"  {answered(question)}", width), "bold blink" if waits else "dim")]


def _message(message: TranscriptRow, width: int) -> list[Text]:
    progress = message.kind == "progress"
    said, reasoning = text_of(message.parts), reasoning_of(message.parts)
    lines: list[Text] = []
    if message.audience:
        lines.append(Text(f"to {', '.join(message.audience)}", "dim italic", no_wrap=True))
    if reasoning and not said:
        lines += wrapped(Text(printable(reasoning[-TAIL_CHARACTERS:]), "dim italic"), width)
    text = Text(("– " if progress else "") + printable(said[-TAIL_CHARACTERS:]), "dim" if progress else "default")
    if message.status == "open":
        text.append(CARET, "bold blink")
    elif message.status == "aborted":
        text.append(f" ✕ {one_line(message.reason or 'aborted', 60)}", "red")
    return lines + wrapped(text, width)


def _call(call: TranscriptRow, width: int) -> list[Text]:
    style = {"open": "dim cyan", "returned": "dim"}.get(call.status, "red")
    return [
        Text(one_line(f"⚙ {call.tool}({arguments(call)})", width), "cyan"),
        Text(one_line(f"  {outcome(call)}", width), style),
    ]


def wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` cells, broken between words where there are any."""
    lines: list[Text] = []
    for paragraph in text.split("\n", allow_blank=True):
        lines += _broken(paragraph, max(width, 8))
    return lines


def _broken(paragraph: Text, width: int) -> list[Text]:
    plain = paragraph.plain
    cuts: list[int] = []
    start = space = cells = 0
    for place, sign in enumerate(plain):
        cells += cell_len(sign)
        if sign == " ":
            space = place + 1
        elif cells > width:
            if space > start:
                start, cells = space, cell_len(plain[space : place + 1])
                cuts.append(start)
            if cells > width:  # a word too long for a line, if only by half of a wide sign
                start, cells = place, cell_len(sign)
                cuts.append(start)
    lines = list(paragraph.divide(cuts)) if cuts else [paragraph]
    for line in lines:
        line.rstrip()
    return lines
