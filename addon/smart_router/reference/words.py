"""A line about every key of the config file."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "routing.directives.phrases": "TIER",
    "routing.weights": "SIGNAL",
    "routing.keywords": "GROUP",
    "routing.keywords.GROUP": "LANGUAGE",
    "clients.own_login": "VENDOR",
    "prices": "MODEL",
}
"""By table: the word for its keys, where they are names; NAME elsewhere."""

TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")

_WEIGHTS = {
    **{tier: f"its addition to the logit of {tier}" for tier in TIERS},
    "score": "its addition to the log odds of the difficulty",
}
_RATES = {
    "input": "USD per million tokens of input",
    "cached": "USD per million tokens read from a cache; without it as much as other input",
    "cache_write": "USD per million tokens written to a cache; without it as much as other input",
    "output": "USD per million tokens of output",
}
_TABLES: Mapping[str, Mapping[str, str]] = {
    "routing": {
        "sticky_ttl": "seconds for which a conversation stays on the model that answered it last",
        "undershoot": "cost of a tier that is two or more too low, in addition to the 1 of any wrong tier",
        "provider_order": "the providers that serve a model which several list, the preferred first",
        "baseline": "the model for savings to be compared with; empty: the dearest fitting REASONING model",
        "fallback": "the models to try after those of the tier",
    },
    "routing.directives": {"honoured": "whether phrases in a prompt that ask for a tier decide it"},
    "routing.directives.phrases": {
        "TIER": "phrases by which a prompt asks for this tier; they never count as its words",
    },
    "routing.virtual_models.NAME": {
        "tier_models": "the tier models that a virtual model chooses from",
        "tier": "the tier of a virtual model, whatever the prompt; without it the prompt decides",
    },
    "routing.tier_models.NAME": {
        tier: f"the models of {tier}, in the order in which to try them" for tier in TIERS
    },
    "routing.bias": _WEIGHTS,
    "routing.weights.SIGNAL": _WEIGHTS,
    "routing.keywords.GROUP": {
        "LANGUAGE": "words of a group, which is a signal; each of a few letters at least",
    },
    "providers.NAME": {
        "base_url": "address of the API, also of a server that you declare; overrides the environment's",
        "key_env": "name of the variable with the key",
        "models": "models to list and to route to, beside the known ones",
        "more_base_urls": "for providers with logins: addresses to try after base_url",
        "resource_hosts": "for providers with logins: hosts that a login may name as its API's",
    },
    "providers.NAME.extras": {"NAME": "for providers with logins: values that its requests carry"},
    "providers.NAME.login": {
        "client_id": "the OAuth client that the router logs in as",
        "client_secret": "the client's secret, where it has one",
        "scope": "the scopes to ask for",
        "token_url": "address at which tokens are issued and refreshed",
        "authorize_url": "the page of a login in the browser",
        "redirect_uris": "addresses on this machine to which the browser returns; the first free one is used",
        "device_url": "address at which a login on another device asks for a code",
        "device_grant": "the grant type of such a login",
        "device_token_url": "address that such a login polls (openai-codex)",
        "verification_url": "the page on which the user enters the code",
        "device_redirect_uri": "redirect address of such a login",
        "userinfo_url": "address of the account's name (antigravity)",
        "project_url": "address of the account's project (antigravity)",
    },
    "clients": {
        "NAME": "the key of a client on another machine, of 16 letters at least",
        "require_keys": "whether clients on this machine must show a key, too",
    },
    "clients.own_login": {
        "VENDOR": "use the credential that a tool brings for this vendor, before or after yours",
    },
    "models": {"presets": "tools whose names for models the router maps to its own"},
    "models.aliases": {
        "NAME": "the model for which a tool's name stands, `*` matching anything; `keep` leaves it as it is",
    },
    "cluster": {
        "url": "the PostgreSQL database that machines share; `SMART_ROUTER_CLUSTER_URL` goes before it",
        "name": "this machine's name in the cluster; empty: the host's",
        "on_cluster_away": (
            "whether clients may use more than this machine's part of their limits while the database is "
            "away; without it they may for requests and tokens, not for money"
        ),
        "config": (
            "all machines use one config: whoever edits its file on one of them edits it on all, but for "
            "`[cluster]`; needs `SMART_ROUTER_CLUSTER_KEY`"
        ),
    },
    "prices": {"MODEL": "the name of a model with the same prices, or a table with prices of its own"},
    "prices.MODEL": _RATES,
    "prices.MODEL.above[]": {
        **_RATES,
        "tokens": "input above which all tokens of a request have these prices",
    },
}
"""By table and key."""

WORDS = {f"{table}.{key}": words for table, keys in _TABLES.items() for key, words in keys.items()}
"""By key; parts in capitals stand for names that you choose, `[]` for each table of a list."""
