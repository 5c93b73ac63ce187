"""Signed statements the service trusts: who a viewer is, and which session may have which keys (RFC 7519, HS256)."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jwt
from pydantic import SecretStr, ValidationError

from playback.entitlements import Entitlement
from telecine.document import Document
from telecine.errors import MissingRequirement, TelecineError
from telecine.protection import Kid

__all__ = [
    "LICENSE_AUDIENCE",
    "PLAYBACK_AUDIENCE",
    "USER_AUDIENCE",
    "PlaybackClaims",
    "TokenRefused",
    "Tokens",
    "UserClaims",
    "new_token_id",
    "user_token",
]

USER_AUDIENCE = "telecine-user"
PLAYBACK_AUDIENCE = "telecine-playback"
LICENSE_AUDIENCE = "telecine-license"
_ALGORITHM = "HS256"
_Claims = TypeVar("_Claims", bound=Document)
_LEAST_KEY_BYTES = 32  # RFC 7518, 3.2: a key at least as long as the hash


class UserClaims(Document):
    """Who watches. ``entitlements`` are title IDs this viewer may watch; None means all.

    ``entitlement`` is the whole of the viewer's plan; a title must be allowed by both.
    """

    sub: str
    exp: int
    entitlements: tuple[str, ...] | None = None
    entitlement: Entitlement = Entitlement()


class PlaybackClaims(Document):
    """What one playback session may ask for until ``exp`` (seconds since 1970).

    Carried by a playback token (the session's credential, good for its first licence) and by licence tokens (short,
    each good for one licence). ``kids`` are those the entitlement and the device's robustness allow; ``jti`` is used
    once.
    """

    sub: str
    sid: str
    title: str
    version: str
    kids: tuple[Kid, ...]
    exp: int
    jti: str


class TokenRefused(TelecineError):
    """A token that is not accepted. ``reason`` is a code, the text a sentence; neither quotes the token."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Signs and reads the tokens of one installation. Raises MissingRequirement when the key is too short to sign."""

    key: SecretStr

    def __post_init__(self) -> None:
        if len(self.key.get_secret_value().encode()) < _LEAST_KEY_BYTES:
            message = f"TELECINE_TOKEN_KEY must hold at least {_LEAST_KEY_BYTES} bytes: 'telecine up' generates one."
            raise MissingRequirement(message)

    def sign_user(self, claims: UserClaims) -> str:
        return self._sign(claims, USER_AUDIENCE)

    def sign_playback(self, claims: PlaybackClaims) -> str:
        return self._sign(claims, PLAYBACK_AUDIENCE)

    def sign_license(self, claims: PlaybackClaims) -> str:
        return self._sign(claims, LICENSE_AUDIENCE)

    def read_user(self, token: str | None, now_s: float) -> UserClaims:
        """The claims of a valid user token. Raises TokenRefused."""
        return _shaped(UserClaims, self._read(token, USER_AUDIENCE, now_s))

    def read_playback(self, token: str | None, now_s: float) -> PlaybackClaims:
        """The claims of a valid playback token. Raises TokenRefused."""
        return _shaped(PlaybackClaims, self._read(token, PLAYBACK_AUDIENCE, now_s))

    def read_license(self, token: str | None, now_s: float) -> PlaybackClaims:
        """The claims of a valid licence or playback token. Raises TokenRefused."""
        return _shaped(PlaybackClaims, self._read(token, (LICENSE_AUDIENCE, PLAYBACK_AUDIENCE), now_s))

    def _sign(self, claims: Document, audience: str) -> str:
        body = {**claims.model_dump(mode="json", exclude_none=True), "aud": audience}
        return jwt.encode(body, self.key.get_secret_value(), algorithm=_ALGORITHM)

    def _read(self, token: str | None, audience: str | tuple[str, ...], now_s: float) -> dict[str, Any]:
        if not token:
            raise TokenRefused("token-missing", "This request needs a token in its Authorization header.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.key.get_secret_value(),
                algorithms=[_ALGORITHM],
                audience=audience,
                options={"require": ["exp", "aud", "sub"], "verify_exp": False},  # exp is checked below, on our clock
            )
        except jwt.InvalidAudienceError as error:
            raise TokenRefused("token-foreign", f"This token is not a {_named(audience)} token.") from error
        except jwt.InvalidTokenError as error:
            raise TokenRefused("token-invalid", "This token was not signed by this service or is damaged.") from error
        if not isinstance(claims["exp"], int) or claims["exp"] <= now_s:
            raise TokenRefused("token-expired", "This token has expired: ask for a new one.")
        return claims


def user_token(user: str, key: SecretStr, ttl_s: int, entitlement: Entitlement | None = None) -> str:
    """A token of ``user`` that is good for ``ttl_s`` seconds; for everything unless ``entitlement`` says less."""
    allowed = entitlement or Entitlement()
    return Tokens(key).sign_user(UserClaims(sub=user, exp=int(time.time()) + ttl_s, entitlement=allowed))


def new_token_id() -> str:
    """A value no other token has."""
    return secrets.token_urlsafe(12)


def _named(audience: str | tuple[str, ...]) -> str:
    return audience if isinstance(audience, str) else " or ".join(audience)


def _shaped(claims_type: type[_Claims], claims: Mapping[str, Any]) -> _Claims:
    try:
        # an identity provider may add claims of its own (iat, iss): only ours are read
        return claims_type.model_validate({name: claims[name] for name in claims_type.model_fields if name in claims})
    except ValidationError as error:
        raise TokenRefused("token-invalid", "This token does not carry the claims this service signs.") from error
