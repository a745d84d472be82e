"""One line and an example for every key of the config file. Types and defaults come from the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NAMES: Mapping[str, str] = {
    "routing.directives.phrases": "TIER",
    "routing.weights": "SIGNAL",
    "routing.keywords": "GROUP",
    "routing.keywords.GROUP": "LANGUAGE",
    "clients.own_login": "VENDOR",
    "prices": "MODEL",
}
"""By table: the word for its keys, where they are names; NAME elsewhere."""


class KeyWords(NamedTuple):
    """A key's description, and lines of TOML that set it."""

    says: str
    example: str


def _login(key: str, says: str, value: str) -> tuple[str, KeyWords]:
    return f"providers.NAME.login.{key}", KeyWords(says, f"[providers.openai-codex.login]\n{key} = {value}")


def _rates(place: str, before: str) -> dict[str, KeyWords]:
    says = {
        "input": "USD per million tokens of input",
        "cached": "USD per million tokens read from a cache; without it as much as other input",
        "cache_write": "USD per million tokens written to a cache; without it as much as other input",
        "output": "USD per million tokens of output",
    }
    return {
        f"{place}.{key}": KeyWords(
            words, f"{before}\ninput = 0.1\ncached = 0.01\ncache_write = 0.1\noutput = 0.4"
        )
        for key, words in says.items()
    }


def _weights(place: str, example: str) -> dict[str, KeyWords]:
    said = {f"{place}.{tier}": f"what it adds to the logit of {tier}" for tier in _TIERS}
    said[f"{place}.score"] = "what it adds to the log odds of the difficulty"
    return {
        key: KeyWords(says, f"[routing.{example}]\n{key.rpartition('.')[2]} = 0.5")
        for key, says in said.items()
    }


_TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
_LOCAL = '[providers.local]\nbase_url = "http://127.0.0.1:11434/v1"'
_ABOVE = '[prices."local/big"]\ninput = 1\noutput = 4\n[[prices."local/big".above]]\ntokens = 200000'

WORDS: Mapping[str, KeyWords] = {
    "routing.sticky_ttl": KeyWords(
        "seconds after its last turn in which a conversation stays on the model that answered it",
        "[routing]\nsticky_ttl = 3600.0",
    ),
    "routing.undershoot": KeyWords(
        "what it costs to choose a tier two or more too low, beside the 1 of any wrong tier",
        "[routing]\nundershoot = 3.0",
    ),
    "routing.provider_order": KeyWords(
        "the providers that serve a model which several list, the preferred first",
        '[routing]\nprovider_order = ["openrouter", "openai"]',
    ),
    "routing.baseline": KeyWords(
        "the model that savings are measured against; empty: the dearest REASONING model that would do",
        '[routing]\nbaseline = "openai/gpt-6.1-sol"',
    ),
    "routing.fallback": KeyWords(
        "the models to try after those of the tier", '[routing]\nfallback = ["anthropic/claude-sonnet-5-5"]'
    ),
    "routing.directives.honoured": KeyWords(
        "whether phrases in a prompt that ask for a tier decide it", "[routing.directives]\nhonoured = true"
    ),
    "routing.directives.phrases.TIER": KeyWords(
        "phrases by which a prompt asks for this tier; they never count as its words",
        '[routing.directives.phrases]\nREASONING = ["think hard"]',
    ),
    "routing.virtual_models.NAME.tier_models": KeyWords(
        "the tier models that a virtual model chooses from",
        '[routing.virtual_models]\n"auto:mine" = { tier_models = "eco" }',
    ),
    "routing.virtual_models.NAME.tier": KeyWords(
        "the tier of a virtual model, whatever the prompt; without it the prompt decides",
        '[routing.virtual_models]\n"auto:hard" = { tier_models = "standard", tier = "REASONING" }',
    ),
    **{
        f"routing.tier_models.NAME.{tier}": KeyWords(
            f"the models of {tier}, in the order in which to try them",
            f'[routing.tier_models.standard]\n{tier} = ["groq/openai/gpt-oss-120b"]',
        )
        for tier in _TIERS
    },
    **_weights("routing.bias", "bias"),
    **_weights("routing.weights.SIGNAL", "weights.proof"),
    "routing.keywords.GROUP.LANGUAGE": KeyWords(
        "words of a group, which is a signal; each of a few letters at least",
        '[routing.keywords.proof]\nen = ["prove", "lemma"]',
    ),
    "providers.NAME.base_url": KeyWords(
        "address of the API, of a known provider or a server that you declare; before the environment's",
        _LOCAL,
    ),
    "providers.NAME.key_env": KeyWords(
        "name of the variable with the key", f'{_LOCAL}\nkey_env = "LOCAL_API_KEY"'
    ),
    "providers.NAME.models": KeyWords(
        "models to list and to route to, beside the known ones", '[providers.openai]\nmodels = ["gpt-7"]'
    ),
    "providers.NAME.more_base_urls": KeyWords(
        "for providers with logins: addresses to try after base_url",
        '[providers.antigravity]\nbase_url = "https://a.example"\nmore_base_urls = ["https://b.example"]',
    ),
    "providers.NAME.extras.NAME": KeyWords(
        "for providers with logins: values that its requests carry",
        '[providers.antigravity.extras]\nproject = "my-project"',
    ),
    "providers.NAME.resource_hosts": KeyWords(
        "for providers with logins: hosts that a login may name as its API's",
        '[providers.qwen-portal]\nresource_hosts = ["portal.qwen.ai"]',
    ),
    **dict(
        (
            _login("client_id", "the OAuth client that the router logs in as", '"app_123"'),
            _login("client_secret", "the client's secret, where it has one", '"a secret"'),
            _login("scope", "the scopes to ask for", '"openid offline_access"'),
            _login("token_url", "where tokens are got and refreshed", '"https://auth.example/oauth/token"'),
            _login("authorize_url", "the page of a login in the browser", '"https://auth.example/authorize"'),
            _login(
                "redirect_uris",
                "addresses on this machine to which the browser returns; the first free one is used",
                '["http://localhost:1455/auth/callback"]',
            ),
            _login(
                "device_url", "where a login on another device asks for a code", '"https://auth.example/code"'
            ),
            _login("device_grant", "the grant type of such a login", '"urn:example:device"'),
            _login(
                "device_token_url", "where such a login polls (openai-codex)", '"https://auth.example/poll"'
            ),
            _login(
                "verification_url",
                "the page on which the user enters the code",
                '"https://auth.example/device"',
            ),
            _login(
                "device_redirect_uri", "redirect address of such a login", '"https://auth.example/callback"'
            ),
            _login(
                "userinfo_url", "where the account's name is asked (antigravity)", '"https://auth.example/me"'
            ),
            _login(
                "project_url",
                "where the account's project is asked (antigravity)",
                '"https://api.example/v1"',
            ),
        )
    ),
    "clients.NAME": KeyWords(
        "the key of a client on another machine, of 16 letters at least",
        '[clients]\nlaptop = "a long random string"',
    ),
    "clients.require_keys": KeyWords(
        "whether clients on this machine must show a key, too", "[clients]\nrequire_keys = true"
    ),
    "clients.own_login.VENDOR": KeyWords(
        "use the credential that a tool brings for this vendor, before or after yours",
        '[clients.own_login]\nanthropic = "first"',
    ),
    "models.presets": KeyWords(
        "tools whose names for models the router maps to its own", '[models]\npresets = ["claude-code"]'
    ),
    "models.aliases.NAME": KeyWords(
        "what a name of a tool's stands for, `*` matching anything; `keep` leaves it as it is",
        '[models.aliases]\n"gpt-5*" = "openai/gpt-6.1-sol"',
    ),
    "cluster.url": KeyWords(
        "the PostgreSQL database that machines share; `SMART_ROUTER_CLUSTER_URL` goes before it",
        '[cluster]\nurl = "postgresql://router@db.example/router"',
    ),
    "cluster.name": KeyWords(
        "this machine's name in the cluster; empty: the host's", '[cluster]\nname = "west-1"'
    ),
    "cluster.on_cluster_away": KeyWords(
        "whether clients may use more than this machine's part of their limits while the database is away; "
        "without it they may for requests and tokens, not for money",
        '[cluster]\non_cluster_away = "deny"',
    ),
    "cluster.config": KeyWords(
        "all machines use one config: whoever edits its file on one of them edits it on all, but for "
        "`[cluster]`; needs `SMART_ROUTER_CLUSTER_KEY`",
        "[cluster]\nconfig = true",
    ),
    "prices.MODEL": KeyWords(
        "the name of a model with the same prices, or a table with prices of its own",
        '[prices]\n"local/big" = "openai/gpt-6.1-sol"',
    ),
    **_rates("prices.MODEL", '[prices."local/*"]'),
    **_rates("prices.MODEL.above[]", _ABOVE),
    "prices.MODEL.above[].tokens": KeyWords(
        "input above which all tokens of a request have these prices", f"{_ABOVE}\ninput = 2\noutput = 6"
    ),
}
"""By key; parts in capitals stand for names that you choose, `[]` for each table of a list."""
