"""The credentials that the vendors' own command lines keep in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from smart_router.auth.logins import codex, minimax, qwen
from smart_router.auth.logins.reply import Reply, read_reply, read_tokens, unix_time
from smart_router.auth.logins.steps import Grant, LoginError
from smart_router.auth.profiles import Profile
from smart_router.errors import UpstreamError

LARGEST = 1 << 20
"""Bytes of a file that are read."""


@dataclass(frozen=True, slots=True)
class CliFile:
    """One file. `path` is relative to the home folder; the variable `home_env` may name another folder.

    `tokens_in` is the field with the tokens, empty if they are at the top, `expiry` the field with the end of
    the access token.
    """

    path: str
    read_extras: Callable[[Reply], Mapping[str, str]]
    tokens_in: str = ""
    expiry: str = ""
    home_env: str = ""

    def find(self, home: Path, env: Mapping[str, str]) -> Path:
        """Its path on this machine."""
        moved = env.get(self.home_env)
        return Path(moved).expanduser() / Path(self.path).name if moved else home / self.path


def _codex_extras(tokens: Reply) -> Mapping[str, str]:
    access, identity = tokens.secret("access_token"), tokens.secret("id_token")
    account = codex.account_of(identity, access) or tokens.text("account_id")
    if account is None:
        raise LoginError("the login names no ChatGPT account: log in instead")
    return {"account_id": account}


CLI_FILES: Mapping[str, tuple[CliFile, ...]] = {
    "openai-codex": (CliFile(".codex/auth.json", _codex_extras, tokens_in="tokens", home_env="CODEX_HOME"),),
    "minimax-portal": (
        CliFile(".minimax/oauth_creds.json", minimax.LOGIN.read_extras, expiry="expiry_date"),
        CliFile(".mmx/config.json", minimax.LOGIN.read_extras, tokens_in="oauth", expiry="expires_at"),
    ),
    "qwen-portal": (CliFile(".qwen/oauth_creds.json", qwen.LOGIN.read_extras, expiry="expiry_date"),),
}
"""By provider id; the first that exists is read."""


def renewal_of(profile: Profile) -> str:
    """The command that renews a login without a refresh token, once its token has become useless."""
    which = f"{profile.provider} --name {profile.id.partition(':')[2]}"
    again = f"`smart-router import {which}` again, or " if profile.provider in CLI_FILES else ""
    return f"run {again}`smart-router login {which}`"


def advice_on(profile: Profile, error: UpstreamError) -> str:
    """The remedy for a lasting failure, where no other message gives one."""
    refused = error.kind in ("auth", "auth_permanent")
    return renewal_of(profile) if refused and profile.login and not profile.refreshable else ""


def read_cli_file(file: CliFile, path: Path, now: float, *, with_refresh: bool) -> Grant:
    """The login in a file; without `with_refresh` only its access token. Raises LoginError and OSError."""
    with path.open("rb") as stream:
        reply = read_reply(200, stream.read(LARGEST))
    reply = reply.nested(file.tokens_in) if file.tokens_in else reply
    if reply.secret("access_token") is None:
        raise LoginError(f"{path} holds no access token (it may be in the system's keyring): log in instead")
    tokens = read_tokens(reply, now, file.read_extras(reply))
    expires_at = unix_time(reply.field(file.expiry), now) or tokens.expires_at
    refresh: SecretStr | None = tokens.refresh if with_refresh else None
    if refresh is None and expires_at is not None and expires_at <= now:
        raise LoginError(
            f"the access token in {path} has ended: use the vendor's command line once, or log in"
        )
    return Grant(replace(tokens, refresh=refresh, expires_at=expires_at), reply.text("account"))
