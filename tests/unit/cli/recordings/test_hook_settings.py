"""Our hooks get into the settings of Claude Code and out again, and all else there stays as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stenogram.cli.recording.hook_settings import EVENTS, HOOK, hook_settings, with_hooks, without_hooks

COMMAND = f"{HOOK} --state /var/lib/recorder"
SPACE = st.sampled_from(["", " ", "  ", "\t", "\n", "\n    ", "\r\n  "])
TEXTS = st.one_of(st.text(max_size=5), st.sampled_from(["matcher", "hooks", "command", "type", "Stop", 'é"\\\u2028']))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
HANDLERS = st.fixed_dictionaries(
    {
        "type": st.just("command"),
        "command": st.sampled_from(["make lint", "stenogram record claude-code --hooked", ""]),
    },
    optional={"timeout": st.integers(1, 60), "x": VALUES},
)
ENTRIES = st.one_of(
    st.fixed_dictionaries({"hooks": st.lists(HANDLERS, max_size=2)}, optional={"matcher": TEXTS, "y": VALUES}), VALUES
)
OF_EVENTS = st.dictionaries(
    st.sampled_from([*EVENTS, "SubagentStop", "é"]), st.lists(ENTRIES, min_size=1, max_size=3), min_size=1, max_size=4
)


@st.composite
def texts_of(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> str:
    """JSON, however somebody may have written it."""

    def written(value: Any) -> str:
        if isinstance(value, dict) and value:
            items = [f"{written(name)}{draw(SPACE)}:{draw(SPACE)}{written(each)}" for name, each in value.items()]
        elif isinstance(value, list) and value:
            items = [written(each) for each in value]
        else:
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
        inside = ",".join(f"{draw(SPACE)}{item}{draw(SPACE)}" for item in items)
        return f"{{{inside}}}" if isinstance(value, dict) else f"[{inside}]"

    return f"{draw(SPACE)}{written(draw(values))}{draw(SPACE)}"


@st.composite
def settings_of(draw: st.DrawFn, hooks: st.SearchStrategy[Any] = OF_EVENTS) -> Any:
    """Settings, with hooks of others among them or not."""
    settings = draw(st.dictionaries(TEXTS.filter(lambda name: name != "hooks"), VALUES, max_size=3))
    items = list(settings.items())
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), ("hooks", draw(hooks)))
    return dict(items)


@given(texts_of(settings_of()))
@example("{}")
@example('{"a": 1}')
@example('{\n\t"a": 1\n}\n')
@example('{"hooks":{"Stop":[{"hooks":[]}]}}')
def test_what_was_added_and_removed_leaves_the_file_as_it_was(text: str) -> None:
    added = with_hooks(text, COMMAND)
    assert added.events == [*EVENTS]
    assert without_hooks(added.text) == (text, [*_order(added.text)])
    assert without_hooks(text) == (text, [])


@given(texts_of(settings_of()))
def test_twice_is_once(text: str) -> None:
    added = with_hooks(text, COMMAND).text
    assert with_hooks(added, COMMAND) == (added, [])
    removed = without_hooks(added).text
    assert without_hooks(removed) == (removed, [])


@given(texts_of(settings_of(st.dictionaries(st.sampled_from(EVENTS), st.lists(ENTRIES, max_size=2), max_size=3))))
def test_all_that_others_have_there_stays_in_its_order(text: str) -> None:
    was, now = json.loads(text), json.loads(with_hooks(text, COMMAND).text)
    hooks, hooks_were = now.pop("hooks"), was.pop("hooks", {})
    assert list(now.items()) == list(was.items())
    assert list(hooks)[: len(hooks_were)] == list(hooks_were)
    for event in EVENTS:
        *others, ours = hooks[event]
        assert others == hooks_were.get(event, [])
        assert [ours] == hook_settings(COMMAND)["hooks"][event]


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        ([{"matcher": "Bash", "hooks": [{"command": HOOK}, {"command": "x"}]}], [("Bash", ["x"])]),
        ([{"hooks": [{"command": "x"}, {"command": HOOK}]}, {"hooks": [{"command": HOOK}]}], [(None, ["x"])]),
        ([{"hooks": [{"command": COMMAND}, {"command": HOOK}]}, {"hooks": [{"command": "x"}]}], [(None, ["x"])]),
        ([{"hooks": [{"command": HOOK}]}], None),
        ([{"hooks": [{"command": f"{HOOK}s"}]}], [(None, [f"{HOOK}s"])]),
    ],
)
def test_ours_is_found_wherever_somebody_has_put_it(
    entries: list[Any], left: list[tuple[str | None, list[str]]] | None
) -> None:
    text = json.dumps({"model": "opus", "hooks": {"Other": [], "PreCompact": entries}}, indent=4)
    now = json.loads(without_hooks(text).text)
    assert (now["model"], now["hooks"]["Other"]) == ("opus", [])
    found = now["hooks"].get("PreCompact")
    shown = found and [(each.get("matcher"), [one["command"] for one in each["hooks"]]) for each in found]
    assert shown == left


def test_what_somebody_has_narrowed_is_not_added_again() -> None:
    entry = {"matcher": "Bash", "hooks": [{"type": "command", "command": HOOK}]}
    text = json.dumps({"hooks": {"PreToolUse": [entry]}})
    assert with_hooks(text, HOOK).events == [each for each in EVENTS if each != "PreToolUse"]


def test_it_is_written_as_the_file_is() -> None:
    added = with_hooks('{\r\n\t"model": "opus"\r\n}\r\n', HOOK).text
    assert added.startswith(
        '{\r\n\t"model": "opus",\r\n\t"hooks": {\r\n\t\t"SessionStart": [\r\n\t\t\t{\r\n\t\t\t\t"hooks"'
    )
    assert "\n" not in added.replace("\r\n", "")
    assert "\n" not in with_hooks('{"model": "opus"}', HOOK).text
    pretty = json.dumps({"model": "opus", **hook_settings(HOOK)}, indent=2)
    assert with_hooks('{\n  "model": "opus"\n}', HOOK).text == pretty


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"a": 1,}', "property name|trailing comma"),
        ('{\n  // mine\n  "a": 1\n}', "property name"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": 1} x', "Extra data"),
        ("\ufeff{}", "BOM|Expecting value"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("[]", "no JSON object"),
        ('{"hooks": []}', "`hooks` are no object"),
        ('{"hooks": {"Stop": {}}}', "`hooks.Stop` is no list"),
        ('{"hooks": {}, "hooks": {}}', "`hooks` twice"),
        ('{"hooks": {"Stop": [], "St\\u006fp": []}}', "`Stop` twice"),
    ],
)
def test_what_are_no_settings_is_refused(text: str, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        with_hooks(text, HOOK)
    with pytest.raises(ValueError, match=because):
        without_hooks(text)


def _order(text: str) -> list[str]:
    """The events in the order in which they are there."""
    return [event for event in json.loads(text)["hooks"] if event in EVENTS]
