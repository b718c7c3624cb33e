"""How one signs in to the console of an open gateway by a link: see `sign_in_links`. It is part of the console, not of
the API."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ....domain.errors import Forbidden, Gone, Invalid
from ....domain.model import Kind
from ....domain.wording.wrong_input import explain
from ...access.sign_in_links import VALID_S, SignInLinks
from ...access.tokens import Authenticator
from ...protocol.json_input import read_json
from ...settings import Settings
from ..answer import HttpAnswer, Id
from ..responses import json_response, read_body

_HEADERS = {"Cache-Control": "no-store"}


class LinkAnswer(HttpAnswer):
    """The code of a link (`/console/#link=CODE`), and for how many seconds it is good."""

    code: str
    expires_in: float


class SignedInAnswer(HttpAnswer):
    """Who somebody is by a link."""

    participant: Id
    kind: Kind


class _Code(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    code: Annotated[str, Field(max_length=128)]


class SignInRoutes:
    """`POST /console/links` and `POST /console/sign-in`."""

    def __init__(self, settings: Settings, auth: Authenticator, links: SignInLinks) -> None:
        self._settings = settings
        self._auth = auth
        self._links = links

    async def make_link(self, request: web.Request) -> web.Response:
        """A link for the participant that asks. With keys there are none: a token says who somebody is."""
        principal = self._auth.of_request(request)
        self._require_open()
        code = self._links.make(principal.participant, principal.kind)
        return json_response(LinkAnswer(code=code, expires_in=VALID_S), _HEADERS)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Use a link. Raises Gone where that has been done before, or the link is too old."""
        self._require_open()
        members = read_json(await read_body(request), self._settings.depth)
        try:
            code = _Code.model_validate(members).code
        except ValidationError as error:
            raise Invalid(f"The body must be an object with the code of a link: {explain(error)}.") from None
        try:
            participant, kind = self._links.use(code)
        except Gone as gone:
            raise Gone(f"{gone.detail} Get another with `stenogram link --log http://{request.host}`.") from None
        return json_response(SignedInAnswer(participant=participant, kind=kind), _HEADERS)

    def _require_open(self) -> None:
        if not self._settings.open:
            raise Forbidden(
                "This gateway has keys, so nobody is signed in by a link: sign in with a token (`stenogram token`)."
            )
