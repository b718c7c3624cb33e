"""Patterns of texts, each with the words by which a refusal says it: a regular expression tells people little."""

_WORDS: dict[str, str] = {}


def pattern(regex: str, words: str) -> str:
    """The regular expression, of which refusals say that a text should be `words`."""
    _WORDS[regex] = words
    return regex


def words_of(regex: str) -> str:
    """What a text should be that has to match; without words, what it matches."""
    return _WORDS.get(regex, f"text that matches {regex}")


NO_NUL = pattern(r"^[^\x00]*$", "text without the character NUL")
