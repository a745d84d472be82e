"""The `router_*` options of mitmproxy: `--set`, config.yaml and mitmweb's options page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from mitmproxy.addonmanager import Loader
from mitmproxy.exceptions import OptionsError
from mitmproxy.optmanager import OptManager
from mitmproxy.utils import human

from smart_router.attempts.client_limits import ClientLimits
from smart_router.attempts.limits import Limits
from smart_router.stats.writer import Retention
from smart_router.suggestions import did_you_mean


class Option(NamedTuple):
    """One option. `choices` are all values of a text."""

    name: str
    default: Any
    help: str
    choices: Sequence[str] | None = None

    @property
    def typespec(self) -> Any:
        """The type by which mitmproxy checks values."""
        return Sequence[str] if isinstance(self.default, list) else type(self.default)


_LIMITS = Limits()
_CLIENT_LIMITS = ClientLimits()

OPTIONS: tuple[Option, ...] = (
    Option(
        "router_config",
        "",
        "The router's TOML file. Empty: SMART_ROUTER_CONFIG, else the platform's config folder.",
    ),
    Option(
        "router_state",
        "",
        "Folder of the router's state. Empty: SMART_ROUTER_STATE, else the platform's state folder.",
    ),
    Option(
        "router_max_body", "32m", "Largest accepted request body; larger ones get a 413. Suffixes: k, m, g."
    ),
    Option(
        "router_max_uploads",
        "48m",
        "Memory for all request bodies that are still arriving, over 256k each; when it is used up, large "
        "bodies are answered with 503. Suffixes: k, m, g.",
    ),
    Option(
        "router_head_timeout",
        f"{_CLIENT_LIMITS.head:g}",
        "Seconds in which a client must send the head of a request, once it has begun; a connection that "
        "never sends anything, or completes no TLS handshake, is closed after twice that.",
    ),
    Option(
        "router_body_timeout",
        f"{_CLIENT_LIMITS.body:g}",
        "Seconds in which a request body must bring one KiB per second on average, or its end; else it is "
        "answered with 408.",
    ),
    Option(
        "router_unread_timeout",
        f"{_CLIENT_LIMITS.unread:g}",
        "Seconds in which a client must take some of what was sent to it; else it is disconnected. "
        "Over HTTP/2 each stream has this time, and is reset.",
    ),
    Option(
        "router_max_answer",
        "32m",
        "Largest answer of a provider held in memory, compressed or not: whole answers, and streams until "
        "their first content. A larger one fails the attempt. Suffixes: k, m, g.",
    ),
    Option(
        "router_keep_responses",
        "64m",
        "Memory for answers of the Responses API that clients may continue (previous_response_id), read and "
        "delete; 0 keeps none. Suffixes: k, m, g.",
    ),
    Option("router_max_attempts", _LIMITS.max_attempts, "Maximum number of attempts per request."),
    Option("router_connect_timeout", f"{_LIMITS.connect:g}", "Seconds to connect to a provider."),
    Option(
        "router_first_byte_timeout",
        f"{_LIMITS.first_byte:g}",
        "Seconds until a streamed answer must begin; five times that for whole answers and reasoning.",
    ),
    Option(
        "router_silence_timeout",
        f"{_LIMITS.silence:g}",
        "Seconds a provider may be silent in the middle of an answer.",
    ),
    Option(
        "router_silence_warning",
        f"{_LIMITS.silence_warning:g}",
        "Seconds of a provider's silence until a warning is logged; once per attempt.",
    ),
    Option(
        "router_failover_timeout", f"{_LIMITS.failover:g}", "Seconds after which no new attempt is started."
    ),
    Option("router_total_timeout", f"{_LIMITS.total:g}", "Seconds one request may take in total."),
    Option(
        "router_hold_head",
        f"{_LIMITS.hold_head:g}",
        "Seconds until a waiting streaming client gets the head and keep-alives; failover stays possible.",
    ),
    Option(
        "router_max_wait",
        f"{_LIMITS.max_wait:g}",
        "Seconds a request may wait when only rate-limited candidates are left.",
    ),
    Option(
        "router_keep_body",
        "10m",
        "Largest streamed body that flows keep whole, in the UI and in saved files; of a larger one they "
        "keep the head, the tail and a note. Suffixes: k, m, g.",
    ),
    Option(
        "router_keep_flows",
        2000,
        "Most flows listed in mitmweb and the console. Older ones are removed, except those you marked, "
        "edited or paused. 0 keeps all.",
    ),
    Option("router_stats_days", 90, "Days for which records and the audit log are kept."),
    Option(
        "router_stats_size",
        "512m",
        "Largest size of the file with records and audit log; the oldest are deleted. Suffixes: k, m, g.",
    ),
    Option(
        "router_audit_content",
        False,
        "Also keep prompts in the audit log. Without it no text of a prompt is stored anywhere.",
    ),
    Option(
        "router_intercept",
        ["api.openai.com"],
        "In modes other than reverse: hosts whose chat requests are routed, as HOST[:PORT][/BASE][=NAMES]. "
        "NAMES says how model names are read: keep (as that host reads them, the default), map (see "
        "router_model_map) or auto (ignored: the router chooses). HOST may contain *, or "
        "be claude-code, codex or gemini-cli for the hosts that these tools ask. Default: api.openai.com.",
    ),
    Option(
        "router_model_map",
        [],
        "For entries of router_intercept with map: NAME=MODEL pairs such as gpt-4o*=auto:eco.",
    ),
    Option(
        "router_passthrough",
        False,
        "Pass an intercepted request that cannot be routed on to its own host, unchanged and with its own "
        "key, instead of answering it with an error.",
    ),
    Option(
        "router_allow_origins",
        [],
        "Web origins whose pages may use the router, such as http://localhost:3000; all others are refused.",
    ),
    Option(
        "router_allow_hosts",
        [],
        "In reverse mode: names that clients on this machine may use for the router, such as "
        "host.docker.internal, besides localhost and the listen address. Other names in the Host header are "
        "refused, against web pages that rebind their name to this machine, unless a router key is sent.",
    ),
    Option(
        "router_forward_credentials",
        [],
        "In reverse mode: hosts that get all credentials in requests that are passed on; names may contain "
        "*. Other hosts get only keys issued by their own vendor: cookies and other keys are removed. "
        "Router keys of [clients] are never passed on.",
    ),
    Option(
        "router_log_connections",
        False,
        "Log each opened and closed connection, as plain mitmproxy does: a fifth of a connection's cost. "
        "Requests are always logged.",
    ),
    Option(
        "router_fast_path",
        "auto",
        "Use the router's faster replacements for parts of mitmproxy: on, off, or auto, which is on for the "
        "versions of mitmproxy that they were tested with.",
        ("auto", "on", "off"),
    ),
)

PREFIX = "router_"

_BY_NAME = {option.name: option for option in OPTIONS}


def add_options(loader: Loader) -> None:
    """Declare all options to mitmproxy. Its addons are notified once, not for each option: that took 8 ms."""
    changed = loader.master.options.changed
    hearing, changed.receivers = changed.receivers, []
    for option in OPTIONS:
        loader.add_option(option.name, option.typespec, option.default, option.help, option.choices)
    changed.receivers = hearing
    changed.send(updated=set(_BY_NAME))


def take_deferred(options: OptManager) -> None:
    """Set the router's options that --set and config.yaml named before they were declared.

    mitmproxy would do so itself, but silently drops the addon for an invalid value, and ignores unknown
    names. Raises OptionsError listing all errors.
    """
    given = {name: options.deferred.pop(name) for name in list(options.deferred) if name.startswith(PREFIX)}
    values, wrong = {}, []
    for name, raw in given.items():
        try:  # --set wraps its texts in an object with the attribute `val`
            values[name] = read_value(name, getattr(raw, "val", raw))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise OptionsError("; ".join(wrong))
    options.update(**values)


def read_value(name: str, raw: Any) -> Any:
    """Parse an option's value: `raw` is a list of texts from --set, or a YAML value. Raises ValueError."""
    option = _BY_NAME.get(name)
    if option is None:
        raise ValueError(f"there is no option {name}{did_you_mean(name, _BY_NAME)}")
    if option.typespec == Sequence[str]:
        texts = [raw] if isinstance(raw, str) else raw
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name} must be a text or a list of texts, not {raw!r}")
        return texts
    if isinstance(raw, list):
        if len(raw) > 1:
            raise ValueError(f"{name} takes one value, not {len(raw)}")
        raw = raw[0] if raw else None
    return _one_of(option, raw) if option.choices else _READERS[option.typespec](name, raw)


def _one_of(option: Option, raw: Any) -> str:
    assert option.choices is not None
    if raw in option.choices:
        return str(raw)
    *others, last = option.choices
    raise ValueError(f"{option.name} must be {', '.join(others)} or {last}, not {raw!r}")


def _read_bool(name: str, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw in (None, "", "true", "false"):  # mitmproxy reads the name alone as true
        return bool(raw != "false")
    raise ValueError(f"{name} must be true or false, not {raw!r}")


def _read_int(name: str, raw: Any) -> int:
    if isinstance(raw, int | str) and not isinstance(raw, bool):
        with suppress(ValueError):
            return int(raw)
    raise ValueError(f"{name} must be a whole number, not {raw!r}")


def _read_text(name: str, raw: Any) -> str:
    if isinstance(raw, str | int | float) and not isinstance(raw, bool):
        return str(raw)  # YAML reads seconds and sizes as numbers
    raise ValueError(f"{name} must be a text or a number, not {raw!r}")


_READERS: Mapping[Any, Callable[[str, Any], Any]] = {bool: _read_bool, int: _read_int, str: _read_text}


def read_fast_path(options: Any) -> str:
    """Return `auto`, `on` or `off`. Raises ValueError naming the option."""
    return _one_of(_BY_NAME["router_fast_path"], options.router_fast_path)


def read_max_body(options: Any) -> int:
    """Return the largest request body in bytes. Raises ValueError naming the option."""
    return _size(options, "router_max_body", least=1)


def read_client_limits(options: Any) -> ClientLimits:
    """Return the bounds on clients. Raises ValueError naming the option."""
    return ClientLimits(
        head=_seconds(options, "router_head_timeout"),
        body=_seconds(options, "router_body_timeout"),
        uploads=_size(options, "router_max_uploads", least=1),
        unread=_seconds(options, "router_unread_timeout"),
    )


def read_limits(options: Any) -> Limits:
    """Return the limits set by the options. Raises ValueError naming the option."""
    return Limits(
        max_attempts=max(1, options.router_max_attempts),
        connect=_seconds(options, "router_connect_timeout"),
        first_byte=_seconds(options, "router_first_byte_timeout"),
        silence=_seconds(options, "router_silence_timeout"),
        failover=_seconds(options, "router_failover_timeout"),
        total=_seconds(options, "router_total_timeout"),
        hold_head=_seconds(options, "router_hold_head"),
        max_wait=_seconds(options, "router_max_wait"),
        silence_warning=_seconds(options, "router_silence_warning"),
        keep_body=_size(options, "router_keep_body", least=0),
        max_answer=_size(options, "router_max_answer", least=1),
        keep_responses=_size(options, "router_keep_responses", least=0),
    )


def read_retention(options: Any) -> Retention:
    """Return how long records are kept. Raises ValueError naming the option."""
    days = options.router_stats_days
    if days < 1:
        raise ValueError(f"router_stats_days must be 1 or more, not {days}")
    return Retention(days * 86_400.0, _size(options, "router_stats_size", least=1 << 20))


def _seconds(options: Any, name: str) -> float:
    """mitmproxy has no option type for fractions, so seconds are text."""
    text = getattr(options, name)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{name} must be a number of seconds, not {text!r}")
    return seconds


def _size(options: Any, name: str, *, least: int) -> int:
    text = getattr(options, name)
    try:
        size = human.parse_size(text) or 0
    except ValueError:
        size = -1
    if size < least:
        raise ValueError(f"{name} must be a size such as 500k or 32m, not {text!r}")
    return size
