"""Reading a provider's error: any shape of it → class, scope, delay, and OpenAI's shape for the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from smart_router.dialects.delays import read_delay
from smart_router.dialects.error_facts import ErrorFacts, fold_code, read_facts
from smart_router.dialects.names import phrases
from smart_router.errors import ErrorClass, Scope, UpstreamError


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of a provider's error table: when it matches and what it then means.

    A criterion that is empty matches anything; `status` is the answer's or, for an error inside a 200, the
    one that it names; `code` is compared with the error's code, type, status word and reasons without
    regard to case and punctuation; `text` is looked for in the message and the names of used-up quotas,
    without regard to case. With `page` it must be a page that no API wrote. All given criteria must hold,
    each by any of its values.

    `advice` is added to the client's message. `client_status` replaces a status that would mislead the
    client. `renewed_at` is the hour (UTC) at which a daily quota starts anew, for providers whose stated
    delay is about something shorter.
    """

    kind: ErrorClass
    scope: Scope
    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    page: bool = False
    advice: str = ""
    client_status: int | None = None
    renewed_at: int | None = None

    def matches(self, facts: ErrorFacts) -> bool:
        """Return whether this row matches the failure."""
        return (
            (not self.status or facts.status in self.status)
            and (not self.code or any(fold_code(code) in facts.codes for code in self.code))
            and (not self.text or any(text.casefold() in facts.text for text in self.text))
            and (not self.page or facts.page)
        )


_REFUSED = (400, 402, 403, 404, 413, 422)
"""Statuses whose text is searched: of a request turned down for what it holds or for who sent it."""

_BY_STATUS = frozenset({401, 402, 408, 409, 413, 425, 429, 498})
"""Statuses that mean the same whoever wrote the page."""

_OF_ACCOUNTS = phrases("""
    api key, country, credential, deactivated, location, region, suspended, territory, verify your account
""")
"""Words of a 403 that concerns the whole account."""

_PAGES = tuple(status for status in range(400, 500) if status not in _BY_STATUS)
_CHECK_ADDRESS = (
    "The provider's API did not write this answer: check the base URL and the gateways on the way"
)

_OWN_LIMITS = phrases("""
    array_above_max_length, extra_forbidden, invalid_function_parameters, string_above_max_length,
    unknown_parameter, unsupported_content_type, unsupported_file, unsupported_image_media_type,
    unsupported_parameter, unsupported_value
""")
_REFUSALS = phrases("""
    array too long, at most, cannot find field, does not support, exceed, extra inputs are not permitted,
    image, invalid function name, is not enabled, media type, mime type, no longer support, not supported,
    schema, string too long, too large, too many, unknown name, unrecognized request argument, unsupported
""")
"""Codes and words of a 400 that refuses what other models may take."""

COMMON_RULES: tuple[ErrorRule, ...] = (
    ErrorRule("server", "model", status=_PAGES, page=True, client_status=502, advice=_CHECK_ADDRESS),
    # by code
    ErrorRule("context_length", "none", code=("context_length_exceeded", "request_too_large")),
    ErrorRule(
        "content_filter",
        "none",
        code=phrases("""
            content_filter, content_policy_violation, data_inspection_failed, cyber_policy, bio_policy
        """),
    ),
    ErrorRule("model_not_found", "model", code=("model_not_found",)),
    ErrorRule("auth_permanent", "profile", code=("account_deactivated",)),
    ErrorRule("auth", "profile", code=("invalid_api_key", "api_key_invalid")),
    # a size that a rate limit can never let through: somewhere else it may fit
    ErrorRule("context_length", "none", status=(413, 429), text=("request too large",)),
    ErrorRule(
        "quota",
        "profile",
        code=phrases("""
            insufficient_quota, billing_error, billing_hard_limit_reached, billing_not_active,
            credit_balance_exhausted, organization_usage_limit_exceeded, organization_spend_limit_exceeded,
            project_spend_limit_exceeded
        """),
    ),
    ErrorRule("rate_limit", "model", code=("rate_limit_exceeded",)),
    ErrorRule(
        "overloaded", "model", code=("slow_down", "server_is_overloaded", "insufficient_system_resource")
    ),
    # by text
    ErrorRule(
        "context_length",
        "none",
        status=_REFUSED,
        text=phrases("""
            context length, context window, maximum context, maximum prompt length, prompt is too long,
            input is too long, input token count, range of input length, reduce the length,
            token limit reached, too many tokens
        """),
    ),
    ErrorRule(
        "quota",
        "profile",
        status=_REFUSED,
        text=phrases("""
            credit balance is too low, insufficient balance, insufficient credits, insufficient funds,
            more credits, billing details, enable billing, spending limit
        """),
    ),
    ErrorRule(
        "content_filter",
        "none",
        status=_REFUSED,
        text=phrases("""
            content management policy, content policy, flagged as potentially, inappropriate content,
            usage guidelines, usage policy, was flagged
        """),
    ),
    ErrorRule(
        "auth",
        "profile",
        status=(400, 403),
        text=("api key not valid", "incorrect api key", "invalid api key"),
    ),
    ErrorRule(
        "model_not_found",
        "model",
        status=(400, 403, 422),
        text=phrases("""
            access to model, invalid model, is not a valid model, unknown model, model does not exist
        """),
    ),
    ErrorRule("model_not_found", "model", status=(403, 404, 410), text=("model",)),
    # a prompt that a filter stops, not a key
    ErrorRule("content_filter", "none", status=(403,), text=("guardrail", "moderation", "prompt", "safety")),
    ErrorRule("auth", "profile", status=(403,), text=_OF_ACCOUNTS),
    ErrorRule("auth", "profile", status=(403,), code=("unsupported_country_region_territory",)),
    # by status
    ErrorRule("auth", "profile", status=(401,)),
    # a refusal that does not name the account may be about this model alone
    ErrorRule("auth", "model", status=(403,)),
    ErrorRule("quota", "profile", status=(402,)),
    ErrorRule("timeout", "model", status=(408, 504)),
    ErrorRule("server", "model", status=(409, 425)),
    ErrorRule("context_length", "none", status=(413,)),
    ErrorRule("rate_limit", "model", status=(429,)),
    ErrorRule("overloaded", "model", status=(498, 503, 529)),
    # of the provider's own limits, which another may not have
    ErrorRule("unsupported", "none", status=(400, 422), code=_OWN_LIMITS),
    ErrorRule("unsupported", "none", status=(400, 422), text=_REFUSALS),
    ErrorRule("bad_request", "none", status=(400, 422)),
    # about a request's address, method or head, which are the router's own choice, or a gateway's own
    ErrorRule("server", "model", status=tuple(range(400, 500)), client_status=502, advice=_CHECK_ADDRESS),
    ErrorRule("server", "model"),
)
"""Rules for errors that match none of a provider's own: the first match counts, the last always matches."""


class _ClientView(NamedTuple):
    """A class of failure, as OpenAI clients see it. `status` is for errors that came without one.

    `code` None leaves the provider's own: no name of OpenAI's says more.
    """

    status: int
    type: str
    code: str | None


_CLIENT_VIEWS: Mapping[ErrorClass, _ClientView] = {
    "rate_limit": _ClientView(429, "rate_limit_exceeded", "rate_limit_exceeded"),
    "quota": _ClientView(429, "insufficient_quota", "insufficient_quota"),
    "auth": _ClientView(401, "authentication_error", "invalid_api_key"),
    "auth_permanent": _ClientView(403, "authentication_error", "account_deactivated"),
    "model_not_found": _ClientView(404, "invalid_request_error", "model_not_found"),
    "overloaded": _ClientView(503, "server_error", "server_is_overloaded"),
    "server": _ClientView(502, "server_error", None),
    "timeout": _ClientView(504, "server_error", "timeout"),
    "context_length": _ClientView(400, "invalid_request_error", "context_length_exceeded"),
    "content_filter": _ClientView(400, "invalid_request_error", "content_filter"),
    "bad_request": _ClientView(400, "invalid_request_error", None),
    "unsupported": _ClientView(400, "invalid_request_error", None),
}


def read_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes | Mapping[str, Any],
    rules: tuple[ErrorRule, ...],
    now: float,
) -> UpstreamError:
    """Classify a failed answer; never raises.

    `body` is the raw body, or the object found inside a 200 (a stream event, `base_resp`); `rules` are the
    provider's own, tried before the common ones; `now` is unix seconds, for delays given as points in time.
    """
    facts = read_facts(status, headers, body)
    rule = next(rule for rule in (*rules, *COMMON_RULES) if rule.matches(facts))
    view = _CLIENT_VIEWS[rule.kind]
    client_status = rule.client_status or facts.stated or view.status
    if rule.renewed_at is None:
        delay = read_delay(client_status, facts, now)
    else:
        delay = (rule.renewed_at * 3600 - now) % 86400
    return UpstreamError(
        kind=rule.kind,
        scope=rule.scope,
        status=client_status,
        message=f"{facts.message}. {rule.advice}." if rule.advice else facts.message,
        type=view.type,
        code=view.code or facts.code,
        param=facts.param,
        retry_after=delay,
    )


def broken(message: str) -> UpstreamError:
    """Return the failure of a provider whose answer cannot be read."""
    return UpstreamError("server", "model", 502, message)
