"""The cost of tokens: recorded answers against genai-prices, and the router's own rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from smart_router.config import parse_config
from smart_router.config_errors import ConfigError
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, ChatQuirks, Dialect
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import ChatCompletion, Usage, UsageEvent
from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect
from smart_router.errors import UpstreamError
from smart_router.providers.base import Basis, Provider
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.decision import Candidate
from smart_router.stats import prices
from smart_router.stats.prices import PriceBook, PriceTable, RatesAbove
from smart_router.stats.records import Cost, Tokens
from tests.stats.records import NOON
from tests.testbed.cases import Case, case_params

BOOK = PriceBook()
THOUSAND = Tokens(input=1_000, cached=200, output=100)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def usd(provider: str, model: str, tokens: Tokens = THOUSAND, when: float = NOON) -> float:
    cost = BOOK.cost(provider, model, tokens, when)
    assert cost is not None
    return cost.usd


# Every recorded answer with usage.

GENAI_NAMES = {
    provider.id: provider.prices.prefix.partition("/")[0]
    for provider in PROVIDERS.values()
    if provider.prices and provider.prices.prefix
}
UNSEEN = {
    # counts in the answer that the vendor's SDK ignores
    "openai-responses/openai/responses-prompt-caching-5-6-cache-write-0-n": {"cache_write": 1_217},
}
DIALECTS: dict[str, Dialect] = {
    "anthropic-messages": AnthropicDialect(),
    "cloudcode": CloudCodeDialect(),
    "gemini": GeminiDialect(),
    "openai-chat": ChatDialect(),
    "openai-responses": ResponsesDialect(PUBLIC),
}


def genai_cost(case: Case) -> float | None:
    """Return the price of genai-prices for the counts that the vendor's SDK read; None if it has none."""
    counts = {**case.oracle["usage_openai"], **UNSEEN.get(case.id, {})}
    if case.provider == "xai":  # whose output leaves the reasoning out, although it is billed
        counts["output"] = counts["total"] - counts["input"]
    usage = GenaiUsage(
        input_tokens=counts["input"],
        cache_read_tokens=counts["cached"],
        cache_write_tokens=counts["cache_write"],
        output_tokens=counts["output"],
    )
    model = f"qwen/{case.model}" if case.provider == "qwen-dashscope" else case.model
    try:
        price = calc_price(
            usage,
            model,
            provider_id=GENAI_NAMES.get(case.provider, case.provider),
            genai_request_timestamp=datetime.fromtimestamp(NOON, UTC),
        )
    except LookupError:
        return None
    return float(price.total_price)


def answer_of(case: Case) -> ChatCompletion | UpstreamError:
    """Return the answer as the router's dialect reads it."""
    dialect, provider = DIALECTS[case.wire], PROVIDERS.get(case.provider)
    quirks = provider.quirks if provider else ChatQuirks()
    call = CallContext(case.provider, case.model, case.stream, int(NOON), "r", quirks=quirks)
    if not case.stream:
        return dialect.read_answer(case.body, call)
    reader = dialect.open_stream(call)
    return fold([*reader.feed(case.body), *reader.close()])


def price(case: Case, usage: Usage) -> float | None:
    # without the cost that the provider itself states: the list price is compared
    cost = BOOK.cost(case.provider, case.model, Tokens.of(usage)._replace(stated=None), NOON)
    return None if cost is None else cost.usd


@pytest.mark.parametrize("case", case_params())
def test_recorded_answers_cost_what_genai_prices_says(case: Case) -> None:
    answer = answer_of(case)
    if not case.oracle.get("usage_openai") or isinstance(answer, UpstreamError):
        pytest.skip("no answer with usage")
    expected = genai_cost(case)
    found = price(case, answer["usage"])
    assert found == (None if expected is None else pytest.approx(expected, rel=0.01))
    streamed = [event.usage for event in unfold(answer) if isinstance(event, UsageEvent)]
    assert [price(case, usage) for usage in streamed] == [found]


@pytest.mark.parametrize("case", case_params("openai-chat", "xai", stream=False, status=200))
def test_xai_bills_what_we_count(case: Case) -> None:
    """xAI states what it charged, in ticks of 1e-10 dollars: reasoning is in it."""
    ticks = json.loads(case.body)["usage"].get("cost_in_usd_ticks")
    answer = answer_of(case)
    if not ticks or isinstance(answer, UpstreamError) or (found := price(case, answer["usage"])) is None:
        pytest.skip("states no cost, or there is no price")
    assert found == pytest.approx(ticks * 1e-10, rel=0.01)


@given(
    name=st.sampled_from(
        [
            "openai/gpt-5.4",
            "openai/gpt-6.1-sol",
            "anthropic/claude-haiku-5-5",
            "google/gemini-2.5-pro",
            "deepseek/deepseek-flash",
            "openrouter/qwen/qwen3.7-flash",
        ]
    ),
    counts=st.lists(st.integers(0, 400_000), min_size=3, max_size=3),
    output=st.integers(0, 100_000),
    when=st.floats(NOON, NOON + 90 * 86_400),
    tier=st.sampled_from([None, "default", "flex", "priority"]),
)
def test_any_counts_at_any_time_cost_what_genai_prices_says(
    name: str, counts: list[int], output: int, when: float, tier: str | None
) -> None:
    provider, _, model = name.partition("/")
    tokens = Tokens(sum(counts), counts[0], counts[1], output, service_tier=tier)
    usage = GenaiUsage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        output_tokens=output,
    )
    expected = calc_price(
        usage,
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(when, UTC),
        price_context={"service_tier": tier} if tier else None,
    )
    assert usd(provider, model, tokens, when) == pytest.approx(float(expected.total_price))


# The router's own rules.


def test_what_a_provider_states_comes_first() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.5}
    assert BOOK.cost("openrouter", "no/such-model", Tokens.of(usage), NOON) == Cost(0.5, "measured")


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-0"), ("nowhere", "gpt-5.4"), ("antigravity", "gemini-pro-agent"), ("qwen-portal", "x")],
)
def test_an_unknown_price_is_unknown(provider: str, model: str) -> None:
    assert BOOK.cost(provider, model, THOUSAND, NOON) is None


def test_price_by_time_of_day_and_date() -> None:
    peak, night = (usd("deepseek", "deepseek-flash", when=at(f"2026-11-23T{t}")) for t in ("02:00", "20:00"))
    assert peak == pytest.approx(2 * night)
    before, after = (usd("google", "gemini-3.7-flash", when=at(day)) for day in ("2026-12-31", "2027-01-01"))
    assert after == pytest.approx(2 * before)


def test_the_dearest_model_is_the_one_with_the_dearest_typical_answer() -> None:
    book = PriceBook({"local/*": PriceTable(input=1_000, output=1_000)})
    sol, fable = Candidate("openai", "gpt-6.1-sol"), Candidate("anthropic", "claude-fable-5-2")
    unknown, local = Candidate("openai", "nobody-knows"), Candidate("local", "m")
    assert book.dearest((sol, fable, unknown), NOON) == fable
    assert book.dearest((sol, fable, local), NOON) == local
    assert book.dearest((unknown,), NOON) is None
    assert book.dearest((), NOON) is None


def test_price_by_size() -> None:
    small, large = (usd("google", "gemini-2.5-pro", Tokens(input=n)) for n in (200_000, 200_001))
    assert large == pytest.approx(2 * small, rel=0.001)


def test_price_by_service_tier() -> None:
    flex = THOUSAND._replace(service_tier="flex")
    assert usd("openai", "gpt-5.4", flex) == pytest.approx(usd("openai", "gpt-5.4") / 2, rel=0.01)


@pytest.mark.parametrize(
    ("provider", "model", "like", "basis"),
    [
        ("openai-codex", "gpt-5.6-sol", ("openai", "gpt-5.6-sol"), "equivalent"),
        ("antigravity", "claude-opus-4-6-thinking", ("anthropic", "claude-opus-4-6"), "equivalent"),
        ("antigravity", "gpt-oss-120b-medium", ("groq", "openai/gpt-oss-120b"), "equivalent"),
        ("minimax-portal", "MiniMax-M3", ("minimax", "MiniMax-M3"), "equivalent"),
        ("qwen-portal", "coder-model", ("openrouter", "qwen/qwen3-coder-plus"), "equivalent"),
        ("qwen-dashscope", "qwen3.7-max", ("openrouter", "qwen/qwen3.7-max"), "estimated"),
    ],
)
def test_prices_under_other_names(provider: str, model: str, like: tuple[str, str], basis: Basis) -> None:
    assert BOOK.cost(provider, model, THOUSAND, NOON) == Cost(usd(*like), basis)


@pytest.mark.parametrize("provider", [pytest.param(row, id=row.id) for row in PROVIDERS.values()])
def test_every_model_has_a_price_unless_its_provider_says_that_none_is_published(provider: Provider) -> None:
    lacking = {model for model in provider.models if BOOK.cost(provider.id, model, THOUSAND, NOON) is None}
    names = provider.prices.models if provider.prices else {}
    assert lacking == {model for model, name in names.items() if name is None}


def test_a_model_without_a_published_price_is_not_priced_like_another_provider_s() -> None:
    assert BOOK.cost("openai", "gpt-6.2-sol", THOUSAND, NOON) is None
    assert PriceBook({"openai/gpt-6.2-sol": "openai/gpt-6.1-sol"}).cost(
        "openai", "gpt-6.2-sol", THOUSAND, NOON
    )


def test_estimated_tokens_make_an_estimated_cost() -> None:
    guess = THOUSAND._replace(estimated=True)
    for provider, model, basis in (
        ("openai", "gpt-5.4", "estimated"),
        ("openai-codex", "gpt-5.4", "equivalent"),
    ):
        cost = BOOK.cost(provider, model, guess, NOON)
        assert cost is not None
        assert cost.basis == basis


def test_the_one_hour_cache_costs_twice_the_input() -> None:
    prompt = {"cache_write_tokens": 1000, "cache_write_5m_tokens": 1000}
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": prompt}
    five_minutes = usd("anthropic", "claude-sonnet-5", Tokens.of(usage))
    an_hour = Tokens.of({**usage, "prompt_tokens_details": {**prompt, "cache_write_1h_tokens": 1000}})
    assert usd("anthropic", "claude-sonnet-5", an_hour) == pytest.approx(1.6 * five_minutes)
    fresh = Tokens(input=1000)
    assert usd("anthropic", "claude-sonnet-5", an_hour) == pytest.approx(
        2 * usd("anthropic", "claude-sonnet-5", fresh)
    )


def test_counts_that_do_not_add_up_are_survived() -> None:
    odd = Tokens(input=10, cached=30, cache_write=5, output=1)
    assert usd("anthropic", "claude-sonnet-5", odd) == usd(
        "anthropic", "claude-sonnet-5", odd._replace(cached=10)
    )


def test_prices_of_the_users_own() -> None:
    table = PriceTable(
        input=1.0, cached=0.5, output=4.0, above=(RatesAbove(tokens=2_000, input=2.0, output=8.0),)
    )
    book = PriceBook(
        {
            "local/*": PriceTable(input=0.0, output=0.0),
            "local/big-*": table,
            "openai/gpt-5.4": "openai/gpt-6-luna",
        }
    )

    def cost(provider: str, model: str, tokens: Tokens = THOUSAND) -> float:
        found = book.cost(provider, model, tokens, NOON)
        assert found is not None
        assert found.basis == "measured"
        return found.usd

    large = Tokens(input=3_000, cached=1_000, output=100)
    assert cost("local", "small") == 0.0  # the user says so
    assert cost("local", "big-one") == pytest.approx((800 + 200 * 0.5 + 100 * 4) / 1e6)
    assert cost("local", "big-one", large) == pytest.approx((3_000 * 2 + 100 * 8) / 1e6)
    assert cost("openai", "gpt-5.4") == usd("openai", "gpt-6-luna")
    assert cost("openai", "gpt-5.5") == usd("openai", "gpt-5.5")


def test_a_declared_server_has_the_prices_of_who_serves_there() -> None:
    book = PriceBook({}, {"mine": "https://api.mistral.ai/v1", "local": "http://127.0.0.1:11434/v1"})
    assert book.cost("mine", "mistral-large-latest", THOUSAND, NOON) is not None
    assert book.cost("local", "mistral-large-latest", THOUSAND, NOON) is None


def test_models_that_clients_make_up_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "MOST_MODELS", 3)
    book = PriceBook()
    for number in range(10):
        assert book.cost("openai", f"made-up-{number}", THOUSAND, NOON) is None
    assert len(book._found) <= 3


@pytest.mark.parametrize(
    "table",
    [
        {"input": -1, "output": 1},
        {"input": 1},
        {"input": 1, "output": 1, "inptu": 1},
        "nonsense",
        {"input": "a"},
    ],
)
def test_bad_prices_are_refused_by_name(table: object) -> None:
    with pytest.raises(ConfigError, match=r"prices\.local/\*"):
        parse_config({"prices": {"local/*": table}}, {})


def test_good_prices_of_the_config() -> None:
    config = parse_config({"prices": {"local/*": {"input": 0, "output": 1}, "a/b": "openai/gpt-5.4"}}, {})
    assert config.prices == {"local/*": PriceTable(input=0.0, output=1.0), "a/b": "openai/gpt-5.4"}
