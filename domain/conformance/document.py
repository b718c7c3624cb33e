"""The shared state: a change applies, and says what it changed."""

from ..concepts.document import StateIncremented, StateMerged, StatePatched
from ..errors import PatchFailed
from ..json.merge_patch import leaves
from ..json.patch import apply_patch
from ..json.pointer import pointer, resolve
from ..model import Event
from ..state import State


def check_document(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data, value = event.data, state.document.value
    match data:
        case StatePatched():
            try:
                patched = apply_patch(value, data.patch, bounded=False)
            except PatchFailed as failure:
                return f"does not apply: {failure.detail}"
            if not isinstance(patched.value, dict):
                return "makes something else than an object of the state"
            names = {**value, **patched.value} if "" in patched.paths else None
            return _keys(data, patched.paths, names)
        case StateMerged():
            return _keys(data, leaves(value, data.patch))
        case StateIncremented():
            before = resolve(value, data.path, 0)
            if isinstance(before, bool) or not isinstance(before, int | float) or before + data.by != data.value:
                return f"makes {data.value:g} of {before!r:.40} by adding {data.by:g}"
            return _keys(data, [data.path])
    return None


def _keys(
    data: StatePatched | StateMerged | StateIncremented, paths: list[str], names: dict[str, object] | None = None
) -> str | None:
    """Whether the event names what it changes at the top, which decides who may see it and whom it conflicts with."""
    changed = (
        [f"/{path.split('/', 2)[1]}" for path in paths if path] if names is None else [pointer([n]) for n in names]
    )
    return None if set(data.keys) == set(changed) else "names other keys than those that it changes"
