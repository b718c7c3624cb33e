"""The contract of a log over any engine.

    @pytest.mark.parametrize("sentence", ALL, ids=lambda sentence: sentence.__name__)
    async def test_log(sentence: Sentence) -> None:
        await sentence(factory)

`ALL` holds for every log, `SHARED` as well where several processes may write one; `sentences` picks what a factory has
to keep. `model.play` compares a log with a naive one, step by step, for tests that invent the steps.
"""

from . import ahead, failures, following, order, repetition, sameness
from .factory import LogFactory, Sentence

ALL: tuple[Sentence, ...] = order.ALL + ahead.ALL + repetition.ALL + sameness.ALL + failures.ALL + following.ALL
SHARED: tuple[Sentence, ...] = following.SHARED


def sentences(factory: LogFactory) -> tuple[Sentence, ...]:
    """The part of the contract that the factory's logs have to keep."""
    return ALL + SHARED if factory.shared else ALL


__all__ = ["ALL", "SHARED", "LogFactory", "Sentence", "sentences"]
