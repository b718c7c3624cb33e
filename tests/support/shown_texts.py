"""What the clients of other protocols show: what each message says, by its id, and what was thought for it under
`{id}/reasoning`. This is how the native reading has it, too."""

from typing import Any

Messages = list[dict[str, Any]]


def ag_ui_texts(messages: Messages) -> dict[str, str]:
    """Of AG-UI's messages."""
    spoken = [each for each in messages if each["role"] in ("user", "assistant", "reasoning")]
    return {each["id"]: each.get("content") or "" for each in spoken}


def ai_sdk_texts(messages: Messages) -> dict[str, str]:
    """Of UIMessages."""
    found: dict[str, str] = {}
    for message in messages:
        for part in message["parts"]:
            if part["type"] == "data-agent-message":
                id, data = part["id"], part["data"]
                found |= {id: data["text"], f"{id}/reasoning": data.get("reasoning", "")}
            elif message["role"] == "user":
                found[message["id"]] = part["text"]
            elif part["type"] in ("text", "reasoning"):
                id = part["providerMetadata"]["stenogram"]["message"]
                id = id if part["type"] == "text" else f"{id}/reasoning"
                found[id] = found.get(id, "") + part["text"]
    return {id: text for id, text in found.items() if text}


def plain_texts(messages: Messages) -> dict[str, str]:
    """Of messages as our own scripts tell them: `id`, `text`, `thought`. A tool's result says nothing."""
    spoken = [each for each in messages if each.get("type") != "tool"]
    thought = {f"{each['id']}/reasoning": each["thought"] for each in spoken if each["thought"]}
    return {**{each["id"]: each["text"] for each in spoken}, **thought}
