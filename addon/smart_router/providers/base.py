"""The description of a provider: data, plus the dialect that it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from smart_router.dialects.base import ChatQuirks, Dialect
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.fitting import needs_responses
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.untranslated import UNTRANSLATED

_NO_QUIRKS = ChatQuirks()
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$", re.ASCII)
"""The end of dated ids: gpt-5-2025-08-07, claude-sonnet-4-5-20250929, kimi-k2-instruct-0905."""

Basis = Literal["measured", "estimated", "equivalent"]
"""The basis of an amount: the provider's own token counts and a list price; an estimate of either; or the
list price of work that a subscription has already paid for."""


def undated(model_id: str) -> str:
    """Return a model's id without the date at its end."""
    return _DATE.sub("", model_id)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider. `id` is the provider's own; `rules` are its capabilities."""

    id: str
    rules: ModelRules = UNKNOWN_MODEL


@dataclass(frozen=True, slots=True)
class PriceNames:
    """A provider's names in the data of genai-prices, where they differ from ours.

    `prefix` and a model's id make up the name `provider/model` there. `models` are exceptions by model id,
    each a whole name, or None for a model whose price nobody has published. Without a prefix only `models`
    have a price. `basis` is "equivalent" for subscriptions, and "estimated" where the vendor's own price
    could not be confirmed.
    """

    prefix: str | None = None
    models: Mapping[str, str | None] = field(default_factory=dict)
    basis: Basis = "measured"

    def name_of(self, model: str) -> str | None:
        """The model's name in genai-prices; None if it has no price there."""
        if model in self.models:
            return self.models[model]
        return None if self.prefix is None else self.prefix + model


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: a module of this package, or a server declared in the user's config.

    Place: a smaller `order` comes first in lists and when several providers have a model of the same id;
    providers with a login follow those with a key. `listed` is False for providers that take any model id
    (openrouter, declared servers), so that ids outside the catalogue are accepted. `other_models` are
    patterns of ids that belong to it at endpoints other than chat, `families` are those of its chat models,
    also of ones that are newer than the catalogue.

    Tiers: `tier_models` are its models for SIMPLE, MEDIUM, COMPLEX and REASONING requests to a virtual model.
    They are used when no provider that the configured tiers name has a credential.

    Wires: `dialect` is the provider's, `responses` its second one, for requests that OpenAI's newer models
    take on `/responses` only (see `ModelRules.wire`).

    Address: `base_url` has no trailing slash, and ends with the API version if the vendor's SDK has it there.
    `base_url_env` is the environment variable that replaces it. `more_base_urls` are tried in turn when the
    first fails. `resource_hosts` are the domains that a login's own API address may belong to: a token is
    sent nowhere else.

    Credential: the first set variable of `key_env` holds the key, `bearer_env` are those of them that hold a
    bearer token instead. `auth` is "bearer" (`Authorization: Bearer`) or the name of the vendor's own header.
    `key_prefixes` are the beginnings of the provider's keys: keys are masked in messages, and a client's own
    key is forwarded only to a provider that issues such keys.

    Request: `env_headers` are headers whose value is an environment variable's, `client_headers` (lower case)
    are forwarded from the client's request. `extras` go to the dialect and override the profile's. `quirks`
    are the differences from OpenAI's chat API.

    Answer: the first matching row of `error_rules` classifies a failure; `dialects.errors.COMMON_RULES`
    classify the others.

    Names elsewhere: `prices` in genai-prices, `telemetry_name` is the value of OpenTelemetry's attribute
    `gen_ai.provider.name`; both default to `id`.
    """

    id: str
    dialect: Dialect
    base_url: str
    order: int = 0
    base_url_env: str | None = None
    key_env: tuple[str, ...] = ()
    bearer_env: frozenset[str] = frozenset()
    key_prefixes: tuple[str, ...] = ()
    key_optional: bool = False
    kind: Literal["key", "login"] = "key"
    auth: str = "bearer"
    env_headers: Mapping[str, str] = field(default_factory=dict)
    client_headers: tuple[str, ...] = ()
    more_base_urls: tuple[str, ...] = ()
    resource_hosts: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    quirks: ChatQuirks = _NO_QUIRKS
    error_rules: tuple[ErrorRule, ...] = ()
    responses: Dialect | None = None
    models: Mapping[str, Model] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    tier_models: tuple[str, ...] = ()
    listed: bool = True
    other_models: tuple[str, ...] = ()
    prices: PriceNames | None = None
    telemetry_name: str | None = None

    def find_model(self, model_id: str) -> Model | None:
        """Return the model of an id, with or without a date; None if the catalogue has none."""
        return self.models.get(model_id) or self.models.get(undated(model_id))

    def is_family(self, model_id: str) -> bool:
        """Return whether an id outside the catalogue looks like one of the provider's."""
        return any(fnmatchcase(model_id, family) for family in self.families)

    def dialect_for(self, request: ChatRequest, rules: ModelRules, asked_in: str = "") -> Dialect:
        """Return the dialect in which a model with these rules takes a request.

        A client's own format (`asked_in`, by the name of its dialect) comes first: nothing is lost in it.
        """
        if asked_in == UNTRANSLATED.name:
            return UNTRANSLATED
        responses = self.responses if rules.wire != "chat_only" else None
        if responses is not None and (asked_in == responses.name or needs_responses(request, rules)):
            return responses
        return self.dialect

    @property
    def has_openai_paths(self) -> bool:
        """True if OpenAI's further endpoints (embeddings, images) may be below `base_url`."""
        return self.kind == "key" and self.dialect.name == "openai-chat"

    def address(self, resource_url: str | None = None, place: int = 0) -> str:
        """Return the base URL for a login whose own is `resource_url`, after `place` failed addresses."""
        if resource_url and self._may_serve(resource_url):
            return resource_url.rstrip("/")
        if not place:
            return self.base_url
        urls = (self.base_url, *self.more_base_urls)
        return urls[min(place, len(urls) - 1)]

    def _may_serve(self, url: str) -> bool:
        if not _PLAIN_URL.fullmatch(url):
            return False
        host = f".{urlsplit(url).hostname}"
        return any(host.endswith(f".{domain}") for domain in self.resource_hosts)
