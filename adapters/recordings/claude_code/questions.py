"""Questions of Claude Code to its person are approvals: several questions in one."""

from ....domain.model import Actor
from .entries import Entry
from .writing import PERSON, SessionWriter


def ask(write: SessionWriter, block: Entry, actor: Actor) -> None:
    """An `AskUserQuestion` call."""
    asked = block.get("input", {}).get("questions") or []
    questions = [
        {
            "name": f"q{number}",
            "question": each["question"][:2_000],
            "options": [option["label"][:200] for option in each.get("options", [])],
            "several": bool(each.get("multiSelect")),
            "own_words": True,
        }
        for number, each in enumerate(asked, 1)
    ]
    about = " · ".join(str(each.get("header") or each["question"]) for each in asked)[:2_000]
    write.do(actor, "approval.request", approval=block["id"], question=about or "?", questions=questions)


def answer(write: SessionWriter, id: str, entry: Entry) -> None:
    """Its result: the person's answers, or that there are none."""
    result = entry.get("toolUseResult")
    said = result.get("answers") if isinstance(result, dict) else None
    asked = write.state.approvals.known[id]
    if not said:
        asker = Actor(asked.requester, "agent")
        write.do(asker, "approval.withdraw", approval=id, reason="The person did not answer.")
        return
    answers = {each.name: _choice(str(said.get(each.question, "")), each.options) for each in asked.questions}
    write.do(PERSON, "approval.answer", approval=id, answers=answers)


def _choice(said: str, options: tuple[str, ...]) -> Entry:
    """The options that were chosen; or what was said instead."""
    chosen = [each for each in said.split(", ") if each]
    if chosen and {*chosen} <= {*options}:
        return {"options": chosen}
    return {"words": said[:10_000] or "(nothing)"}
