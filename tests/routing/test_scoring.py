from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.routing.config import load, load_defaults
from smart_router.routing.decision import TIERS, rank
from smart_router.routing.scoring import score_request
from tests.routing.fakes import chat, score, tier

CONFIG = load_defaults()


# not among the prompts that the weights were fitted on
@pytest.mark.parametrize(
    ("prompt", "needed"),
    [
        ("Who invented the telephone?", "SIMPLE"),
        ("Wer hat das Telefon erfunden?", "SIMPLE"),
        ("¿Dónde está el Taj Mahal?", "SIMPLE"),
        ("電話を発明したのは誰ですか？", "SIMPLE"),
        ("Write a Python function that counts the vowels in a string.", "MEDIUM"),
        ("Explique la différence entre un acide et une base avec des exemples.", "MEDIUM"),
        ("请解释冒泡排序的原理并举例。", "MEDIUM"),
        ("Design a multi-region message queue with failover, monitoring and capacity planning.", "COMPLEX"),
        ("Спроектируй распределённую систему очередей с отказоустойчивостью и мониторингом.", "COMPLEX"),
        ("분산 메시지 큐의 아키텍처를 설계하고 장애 복구를 설명해 주세요.", "COMPLEX"),
        ("Prove that the square root of 3 is irrational.", "REASONING"),
        ("أثبت خطوة بخطوة أن الجذر التربيعي للعدد 3 غير نسبي.", "REASONING"),
        ("सिद्ध कीजिए कि 3 का वर्गमूल अपरिमेय है।", "REASONING"),
    ],
)
def test_tiers(prompt: str, needed: str) -> None:
    assert tier(prompt) == needed


# Prompts of a walk through the product that went astray. The tier that they need is in the comment where it
# is not the one they get; there, only what must never happen again is asserted.
@pytest.mark.parametrize(
    ("prompt", "good_enough"),
    [
        ("prove it", ("SIMPLE", "MEDIUM")),  # SIMPLE: nothing is named that could be proved
        ("failover please, what is 2+2?", ("SIMPLE",)),
        ("2+2", ("SIMPLE",)),
        ("", ("SIMPLE",)),
        ("?", ("SIMPLE",)),
        ("rename variable x to count in: x = x + 1", ("SIMPLE", "MEDIUM")),
        ("What is the difference between affect and effect?", ("SIMPLE", "MEDIUM")),
        ("Write a bash script that backs up /home to another disk every night.", ("MEDIUM",)),
        ("Plan a 5-day trip to Lisbon.", ("MEDIUM",)),
        ("Write a birthday message for a colleague.", ("MEDIUM",)),
        ("Review this contract clause: liability is limited to the fees paid.", ("COMPLEX", "REASONING")),
        (  # REASONING
            "A farmer has some sheep. Half of them and two more run away, then a third of those left, and 12"
            " remain. How many did he have? Work out step by step.",
            ("COMPLEX", "REASONING"),
        ),
        (  # REASONING
            "Derive PPO's clipped objective from the policy gradient and explain why clipping bounds it.",
            ("COMPLEX", "REASONING"),
        ),
        # one too low still, because nothing but the subject tells them from a plain question or query
        ("Write a SQL query for 7-day retention over 2 billion rows.", ("MEDIUM", "COMPLEX")),
        ("My React app re-renders 400 times when I type. Find out why and fix it.", ("MEDIUM", "COMPLEX")),
        ("My landlord keeps my deposit. What rights do I have?", ("SIMPLE", "MEDIUM")),
    ],
)
def test_prompts_that_were_sent_astray(prompt: str, good_enough: tuple[str, ...]) -> None:
    assert tier(prompt) in good_enough


def test_prove_it_is_read_with_what_it_is_about() -> None:
    asked = score_request(chat("The square root of 3 is irrational.", "Yes.", "prove it"), CONFIG)
    assert asked.tier == "REASONING"


@pytest.mark.parametrize("phrase", ["ultrathink", "Use the reasoning model!", "Think very hard.", "深度思考"])
def test_a_prompt_cannot_talk_itself_into_a_tier(phrase: str) -> None:
    honest = "What is the capital of Peru?"
    assert tier(f"{phrase} {honest}") == tier(honest)
    assert score(f"{phrase} {honest}") == pytest.approx(score(honest), abs=0.05)


def test_directives_count_where_the_config_allows() -> None:
    config = load({"directives": {"honoured": True}})
    scored = score_request(chat("What is the capital of Peru? Ultrathink."), config)
    assert (scored.tier, scored.confidence, scored.signals[0].evidence) == ("REASONING", 1.0, "ultrathink")


def test_system_prompts_and_tool_dumps_do_not_count() -> None:
    question = {"role": "user", "content": "What is the capital of Peru?"}
    noise = "Prove the theorem step by step and design a distributed architecture. " * 300
    bare = score_request({"messages": [question]}, CONFIG)  # type: ignore[typeddict-item]
    with_system: Any = {"messages": [{"role": "system", "content": noise}, question]}
    assert score_request(with_system, CONFIG) == bare
    agent: Any = {"messages": [*with_system["messages"], {"role": "tool", "content": noise}]}
    assert score_request(agent, CONFIG).score == pytest.approx(bare.score, abs=0.05)


@pytest.mark.parametrize("results", [1, 5, 60])
def test_a_tool_loop_keeps_the_tier_of_the_users_turn(results: int) -> None:
    tools = [{"type": "function"}] * 24
    for text in (
        "Rename the file notes.txt.",
        "Why does this test fail?",
        "Plan the migration to Python 3.13.",
    ):
        asked = chat(text, tools=tools)
        loop: Any = {**asked, "messages": [*asked["messages"], *[{"role": "tool", "content": "x"}] * results]}
        assert score_request(loop, CONFIG).tier == score_request(asked, CONFIG).tier


@pytest.mark.parametrize("tag", ["system", "system-reminder", "session_context", "environment_context"])
def test_a_clients_own_words_are_no_turn_of_the_user(tag: str) -> None:
    question, noise = "What is the capital of Peru?", f"<{tag}>Prove the theorem step by step.</{tag}>"
    bare = score_request(chat(question), CONFIG)
    assert score_request(chat(f"{noise}\n{question}"), CONFIG).tier == bare.tier
    after: Any = {"messages": [*chat(question)["messages"], {"role": "user", "content": noise}]}
    assert score_request(after, CONFIG) == bare


def test_go_on_means_what_was_asked_before() -> None:
    hard = "Prove that the square root of 3 is irrational."
    assert score_request(chat(hard, "Well…", "go on"), CONFIG).tier == "REASONING"
    assert score_request(chat(hard, "Done.", "thanks!"), CONFIG).tier == "SIMPLE"


def test_tools_count_as_agentic() -> None:
    bare = score_request(chat("Look at the weather in Rome"), CONFIG)
    agent = score_request(chat("Look at the weather in Rome", tools=[{"type": "function"}] * 8), CONFIG)
    assert agent.score > bare.score and rank(agent.tier) >= rank(bare.tier)
    assert "8 tools" in [signal.evidence for signal in agent.signals]


def test_weights_of_the_config_override() -> None:
    heavy = load({"weights": {"greeting": {"score": 1e6}}})
    assert score_request(chat("hello"), heavy).score == 1.0
    light = load({"weights": {"greeting": {"score": -1e6}}})
    assert score_request(chat("hello"), light).score == 0.0


def test_unsure_goes_up() -> None:
    bold = load({"undershoot": 0.0})
    careful = load({"undershoot": 5.0})
    prompts = [
        f"{start} of {what}" for start in ("meaning", "proof", "list") for what in ("x", "law", "matrices")
    ]
    ranks = [
        tuple(rank(score_request(chat(prompt), config).tier) for config in (bold, careful))
        for prompt in prompts
    ]
    assert all(one <= other for one, other in ranks)


def test_long_prompts_cost_no_more() -> None:
    text = "word " * 40_000
    score(text)
    begin = time.perf_counter()
    for _ in range(20):
        score(text)
    assert (time.perf_counter() - begin) / 20 < 0.02  # 0.2 ms on an idle machine


texts = st.text() | st.sampled_from(
    ["Q: x\nA: y\n" * 5, "<context>", "```\n", "\\frac{1}{2}", "A. b\nC. d\nD. e"]
)
parts = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "file"])}, optional={"text": texts})
)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": texts | parts | st.none(),
        }
    ),
    max_size=6,
)
requests = st.fixed_dictionaries(
    {"messages": messages},
    optional={
        "tools": st.lists(st.just({"type": "function"}), max_size=3) | st.none(),
        "response_format": st.sampled_from([None, {"type": "json_object"}, {"type": "text"}, {}]),
    },
)


@settings(deadline=None)
@given(requests)
def test_any_request_has_a_score(request: Any) -> None:
    scored = score_request(request, CONFIG)
    assert 0 <= scored.score <= 1 and scored.tier in TIERS and 0 < scored.confidence <= 1
    assert score_request(request, CONFIG) == scored
