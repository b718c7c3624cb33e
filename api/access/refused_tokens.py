"""Why a token is refused, in sentences that say what to do."""

import jwt

UNREADABLE = (
    "This is no JSON Web Token that can be read: three parts with dots between them; its sub is text, its exp, iat and "
    "nbf are numbers of seconds."
)


def refusal_of(error: jwt.PyJWTError, algorithms: list[str]) -> str:
    """What to say of a token of which PyJWT says `error`, where these algorithms are taken."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token lacks {error.claim}, which this gateway asks for."
    if isinstance(error, jwt.InvalidAlgorithmError):
        return f"The token is not signed by {' or '.join(algorithms)}, which this gateway has a key for."
    return next((said for kind, said in _SENTENCES.items() if isinstance(error, kind)), UNREADABLE)


_SENTENCES: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired; get a new one. `stenogram token` makes one, where the key is.",
    jwt.ImmatureSignatureError: (
        "The token is not valid yet; wait, or compare the clock of the machine that made it with the gateway's."
    ),
    jwt.InvalidSignatureError: "The token is not signed with this gateway's key; get one that is.",
    jwt.InvalidAudienceError: "The token is for others: its aud is not this gateway's STENOGRAM_JWT_AUDIENCE.",
    jwt.InvalidIssuerError: "The token comes from others: its iss is not this gateway's STENOGRAM_JWT_ISSUER.",
}
