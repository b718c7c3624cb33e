"""Each error has a code of its own, and says the same over every face of the product."""

from collections.abc import Iterator

import orjson
import pytest

from stenogram.domain import errors
from stenogram.domain.errors import Conflict, StenogramError

STATUS = {
    "error": 500,
    "refused": 422,
    "invalid": 400,
    "unknown_command": 400,
    "too_large": 413,
    "too_deep": 400,
    "bad_cursor": 404,
    "conflict": 409,
    "no_change": 409,
    "stale_producer": 409,
    "session_closed": 409,
    "patch_failed": 409,
    "not_found": 404,
    "unauthenticated": 401,
    "forbidden": 403,
    "busy": 429,
    "log_error": 503,
    "log_in_use": 503,
    "log_replaced": 503,
    "log_read_only": 503,
    "log_unreadable": 503,
    "log_failed": 503,
    "fold_failed": 500,
    "views_failed": 503,
    "configuration": 500,
}


def _tree(root: type[StenogramError]) -> Iterator[type[StenogramError]]:
    yield root
    for branch in root.__subclasses__():
        if branch.__module__ == errors.__name__:
            yield from _tree(branch)


TREE = list(_tree(StenogramError))


def test_codes_and_statuses_are_a_promise() -> None:
    found = {error.code: error.status for error in TREE}
    assert len(found) == len(TREE), "two errors share a code"
    assert {code: found[code] for code in STATUS} == STATUS


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.code)
def test_every_error_is_explained_and_drawn_in_the_tree(error: type[StenogramError]) -> None:
    assert error.__doc__
    assert error.title
    assert error.close == 1009 or 4000 <= error.close <= 4999
    assert error.__name__ in (errors.__doc__ or "")


def test_a_problem_is_an_rfc_9457_object() -> None:
    problem = Conflict("It changed.", path="/a", version=3).problem()
    assert problem == {
        "type": "urn:stenogram:error:conflict",
        "title": "The session is not as expected",
        "status": 409,
        "code": "conflict",
        "detail": "It changed.",
        "path": "/a",
        "version": 3,
    }
    assert orjson.loads(orjson.dumps(problem)) == problem
    assert str(Conflict("It changed.")) == "It changed."
