"""One page that holds a session and all that is needed to look at it: opened from a disk, it asks nobody for anything.

Its policy lets run what is in it by its digest, and nothing else; what is in the session is data, which cannot end the
element that it is in.
"""

import base64
import hashlib
import html

from ...domain.ids import SessionId
from ...web import CONSOLE
from ...web.bundle import bundle

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {script_digest}; \
style-src {style_digest}; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:image/svg+xml;base64,{icon}">
<style>{style}</style>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="recorded" data-session="{session}">"""
_END = """</script>
<script>{script}</script>
</body>
</html>
"""


def as_page(session: SessionId, title: str | None, recording: bytes) -> bytes:
    """The page of a recording (`Recording.json`)."""
    script, style = bundle("file.js"), (CONSOLE / "style.css").read_text(encoding="utf-8")
    head = _PAGE.format(
        title=html.escape(title or session),
        session=html.escape(session),
        icon=base64.b64encode((CONSOLE / "icon.svg").read_bytes()).decode(),
        style=style,
        script_digest=_digest(script),
        style_digest=_digest(style),
    )
    return b"".join((head.encode(), recording.replace(b"<", b"\\u003c"), _END.format(script=script).encode()))


def _digest(text: str) -> str:
    """How a Content Security Policy names an element by what is in it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
