"""Questions and answers: what can be answered, and whether an answer is one.

A question is answered by one of its `options` (by several, where it says so), in words of the answerer's own, where it
says that, by a `value` that matches its JSON Schema, or by what it takes of these together.
"""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, Strict, StringConstraints

from ...errors import Invalid, NotFound
from ...ids import Name
from ...json.answer_schema import check_schema, refuse_mismatch
from ...json.explained import Explained
from ...model import JsonObject

MAX_QUESTIONS = 16
"""How many can be asked at once."""
MAX_OPTIONS = 16
YES_NO = ("yes", "no")
QuestionText = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Option = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


def each_once(options: tuple[str, ...]) -> tuple[str, ...]:
    """The options without those that are there already."""
    return tuple(dict.fromkeys(options))


class _Shape(Explained):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Question(_Shape):
    """One of several questions that are asked at once."""

    name: Name
    """What its answer is called."""
    question: QuestionText
    """What is asked."""
    options: Annotated[tuple[Option, ...], Field(max_length=MAX_OPTIONS), AfterValidator(each_once)] = ()
    """What can be answered; absent: `yes` and `no`, or none if there is an `answer_schema` or `own_words`."""
    several: Annotated[bool, Strict()] = False
    """Whether several of the options can be chosen."""
    own_words: Annotated[bool, Strict()] = False
    """Whether it can be answered in words of one's own, with or without an option."""
    answer_schema: JsonObject | None = None
    """A JSON Schema of the value that an answer may have, and that an answer without options or words must have."""


class Answer(_Shape):
    """The answer to one of several questions."""

    options: Annotated[tuple[Option, ...], Field(max_length=MAX_OPTIONS)] = ()
    """What was chosen."""
    words: Words | None = None
    """What was said in words of one's own."""
    value: JsonValue = None
    """What matches the schema."""


Options = Annotated[tuple[Option, ...], Field(min_length=1, max_length=MAX_OPTIONS), AfterValidator(each_once)]


def _asked(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """The questions with what they leave out. Raises ValueError for a schema that is none."""
    for each in questions:
        if each.answer_schema is not None:
            check_schema(each.answer_schema)
    return tuple([each.model_copy(update={"options": options_of(each)}) for each in questions])


def options_of(question: Question) -> tuple[str, ...]:
    """What can be chosen: yes or no, where a question says nothing of how it is answered."""
    if question.options or question.own_words or question.answer_schema is not None:
        return question.options
    return YES_NO


Questions = Annotated[tuple[Question, ...], Field(min_length=1, max_length=MAX_QUESTIONS), AfterValidator(_asked)]
Answers = Annotated[dict[Name, Answer], Field(min_length=1, max_length=MAX_QUESTIONS)]


def refuse_wrong(what: str, question: Question, answer: Answer) -> None:
    """Raise NotFound for an option that there is not, and Invalid for what is otherwise no answer to the question."""
    if answer.words is not None and not question.own_words:
        raise Invalid(f"{what} takes no words of your own.")
    if answer.options or (question.options and answer.words is None):
        _refuse_other_options(what, question, answer.options)
    if question.answer_schema is None:
        if answer.value is not None:
            raise Invalid(f"{what} takes no value.")
        if not answer.options and answer.words is None:
            raise Invalid(f"{what} is answered in words of your own.")
    elif answer.value is not None or not (answer.options or answer.words):
        refuse_mismatch(question.answer_schema, answer.value)


def _refuse_other_options(what: str, question: Question, chosen: tuple[str, ...]) -> None:
    if not chosen or not {*chosen} <= {*question.options}:
        other = "words of your own" if question.own_words else "a value"
        there = f"there are {', '.join(question.options)}" if question.options else f"answer with {other}"
        raise NotFound(f"There is no such option; {there}.", options=question.options)
    if len(chosen) > 1 and not question.several:
        raise Invalid(f"{what} is answered by one option.")


def refuse_incomplete(what: str, questions: tuple[Question, ...], answers: dict[str, Answer]) -> None:
    """Raise Invalid or NotFound unless each question is answered, and nothing else."""
    names = [each.name for each in questions]
    if missing := [name for name in names if name not in answers]:
        raise Invalid(f"{what} is answered at once; {', '.join(missing)} has no answer.", missing=missing)
    if other := [name for name in answers if name not in names]:
        raise Invalid(f"{what} asks nothing called {', '.join(other)}.", questions=names)
    for each in questions:
        refuse_wrong(f"Question {each.name!r}", each, answers[each.name])
