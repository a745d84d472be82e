"""A login's endpoints and client identity: each provider's defaults, overridden by config and environment.

```toml
[providers.openai-codex.login]
token_url = "https://auth.example/oauth/token"
```
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def safe_url(value: str) -> str:
    """Return the URL if it is one of https or of this machine. Raises ValueError."""
    parts = urlsplit(value)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (loopback or (parts.scheme == "https" and parts.hostname)):
        raise ValueError("must be an https URL, or an http URL of this machine")
    return value


def _loopback_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS or parts.port is None:
        raise ValueError("must be an http URL of this machine, with a port")
    return value


SafeUrl = Annotated[str, AfterValidator(safe_url)]
LoopbackUrl = Annotated[str, AfterValidator(_loopback_url)]


class LoginSettings(BaseModel):
    """The client that the router logs in as, and the endpoints. A flow uses those it needs.

    `authorize_url` and `redirect_uris` are of browser logins, tried in order until a port is free;
    `device_url` is where a device login asks for a code. Only openai-codex has the `device_token_url`, where
    it polls, the `verification_url` that the user opens and a `device_redirect_uri`. Only antigravity has a
    `client_secret`, the `userinfo_url` and the `project_url`, which ends with the API version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = ""
    client_secret: SecretStr | None = None
    scope: str = ""
    token_url: SafeUrl = ""
    authorize_url: SafeUrl = ""
    redirect_uris: tuple[LoopbackUrl, ...] = ()
    device_url: SafeUrl = ""
    device_grant: str = "urn:ietf:params:oauth:grant-type:device_code"
    device_token_url: SafeUrl = ""
    verification_url: SafeUrl = ""
    device_redirect_uri: SafeUrl = ""
    userinfo_url: SafeUrl = ""
    project_url: SafeUrl = ""

    def overridden(self, other: LoginSettings | None) -> LoginSettings:
        """These settings, with the values that `other` sets."""
        return self if other is None else self.model_copy(update=other.model_dump(exclude_unset=True))
