"""A session as one file: what of it is in there, for whom, and as what."""

import json
import re
from datetime import UTC, datetime
from html import unescape

import jwt
import orjson
import pytest
from support.random_play import VIEWERS, WORD, played, secrets

from stenogram.cli.exporting.page import as_page
from stenogram.cli.exporting.recording import Recording
from stenogram.cli.options import Place
from stenogram.domain.audience import visible
from stenogram.domain.envelope import readers_of
from stenogram.domain.ids import Position, Version
from stenogram.log.records import Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GATEWAY = "http://127.0.0.1:8600"
HOSTILE = "</title></script><script>alert(1)</script><!--<script>\u2028{title}{0}&amp;\"'"


@pytest.mark.parametrize("seed", range(8))
def test_it_is_folded_from_what_its_reader_may_see_alone(seed: int) -> None:
    play = played(seed)
    for session in play.sessions:
        for viewer in VIEWERS:
            recording = Recording(session.state.id)
            for version, stored in enumerate(session.stored, 1):
                if visible(readers_of(stored), viewer):
                    recording.add(
                        [Record(Position(version), session.state.id, Version(version), "", "", stored, None, 0).wire()]
                    )
            told = set(WORD.findall(recording.json(NOW, viewer.id)))
            assert told
            assert not told & secrets(play, viewer)


def test_no_text_ends_what_it_is_in() -> None:
    recording = orjson.dumps({"session": "trip", "events": [{"text": HOSTILE}]})
    page = as_page("trip", HOSTILE, recording).decode()
    assert len(re.findall("<script", page)) == 2, "what is recorded, and what shows it"
    assert len(re.findall("</script", page)) == 2
    assert "<!--" not in page
    said = re.search(r"<title>(.*)</title>", page)
    assert said is not None
    assert unescape(said[1]) == HOSTILE
    recorded = page.split('id="recorded"')[1].split(">", 1)[1].split("</script>")[0]
    assert json.loads(recorded)["events"] == [{"text": HOSTILE}]


def test_it_says_for_whom_it_was_made() -> None:
    token = jwt.encode({"sub": "ada"}, "a secret of at least thirty-two bytes", "HS256")
    assert Place(GATEWAY, token=token).reader == "ada"
    assert Place(GATEWAY, participant="ada").reader == "ada"
    assert Place("team.db", participant="ada").reader is None, "who has the log reads everything"
    assert json.loads(Recording("trip").json(NOW, "ada"))["reader"] == "ada"
