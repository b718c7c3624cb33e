"""Input with very many faults is refused as quickly as with few: reading each of them took longer than all else."""

import time
from typing import Any

import pytest

from stenogram.api.recording.recorded_commands import read_recorded
from stenogram.domain.commands import parse_json_command
from stenogram.domain.errors import Invalid

MANY = 300_000


def test_members_that_no_command_has_are_not_looked_at_one_by_one() -> None:
    data = {"message": "m", **{f"k{number}": 1 for number in range(MANY)}}
    began = time.thread_time()
    with pytest.raises(Invalid, match="300,001 members"):
        parse_json_command("message.post", data)
    assert time.thread_time() - began < 1


def test_many_faults_are_counted_and_not_read() -> None:
    with pytest.raises(Invalid, match="it has 300,001 faults"):
        parse_json_command("message.post", {"message": "m", "text": "Hi", "audience": [1] * MANY})


def test_of_many_parts_the_first_fault_is_told() -> None:
    with pytest.raises(Invalid, match=r"parts\.0: should be an object\.$"):
        parse_json_command("message.post", {"message": "m", "parts": [1] * MANY})


@pytest.mark.parametrize(
    "members",
    [
        {"commands": [[]] * MANY},
        {"here": [1] * MANY},
        {f"k{number}": 1 for number in range(MANY)},
        {"commands": [{f"k{number}": 1 for number in range(MANY)}]},
    ],
)
def test_what_cannot_be_recorded_is_refused_at_its_first_fault(members: Any) -> None:
    began = time.thread_time()
    with pytest.raises(Invalid, match="cannot be recorded") as refused:
        read_recorded(members)
    assert time.thread_time() - began < 1
    assert len(str(refused.value)) < 300
