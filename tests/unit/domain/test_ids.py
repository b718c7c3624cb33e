"""Minted ids are UUIDs of version 7 that sort in the order of minting; names need no escaping anywhere."""

import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stenogram.domain.ids import NAME_PATTERN, Name, new_id

NAME = TypeAdapter(Name)


def test_an_id_is_a_uuid_of_version_7_made_now() -> None:
    before = time.time_ns() // 1_000_000
    id = uuid.UUID(new_id())
    assert (id.version, id.variant) == (7, uuid.RFC_4122)
    assert before <= id.int >> 80 <= time.time_ns() // 1_000_000 + 1_000
    assert NAME.validate_python(str(id)) == str(id)


def test_ids_sort_in_the_order_of_minting() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_ids_minted_by_several_threads_differ() -> None:
    with ThreadPoolExecutor(4) as threads:
        minted = list(threads.map(lambda _: [new_id() for _ in range(2_000)], range(4)))
    assert len({id for ids in minted for id in ids}) == 8_000
    assert all(ids == sorted(ids) for ids in minted)


FORK = """
import os, signal, threading
from stenogram.domain.ids import new_id

def mint():
    while True:
        new_id()

for _ in range(3):
    threading.Thread(target=mint, daemon=True).start()
for _ in range(20):
    if not (child := os.fork()):
        signal.alarm(10)  # as another thread may have been at it at that moment
        print(new_id(), flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    print(new_id(), flush=True)
"""


def test_a_child_mints_ids_of_its_own_whatever_its_parent_was_doing() -> None:
    ran = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    minted = ran.stdout.split()
    assert len({id[-17:] for id in minted}) == len(minted) == 40


@given(st.from_regex(re.compile(NAME_PATTERN), fullmatch=True).map(lambda name: name[:128].rstrip("\n")))
def test_a_name_stands_in_urls_and_json_as_it_is(name: str) -> None:
    assert NAME.validate_python(name) == name
    assert quote(name, safe=":@+") == name
    assert name.isascii()
    assert not set(name) & set('"\\/ ')


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "é", "a\n", "a\0", "a" * 129, '"', None, 1, "\ud800"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(name)
