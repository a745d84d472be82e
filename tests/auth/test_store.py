"""The store in memory: picking, sessions, the user's commands."""

from __future__ import annotations

import pytest

from smart_router.auth import session_affinity
from smart_router.auth.cooldowns import PROBE_EVERY, PROBE_GAP, Disabled
from smart_router.auth.profiles import Kind, Profile
from smart_router.auth.selection import FAULTY, LIMITED, AllCooled, Harm, Picked, rotation_order
from smart_router.auth.store import OFF, AuthStore, UnknownProfileError
from tests.auth.helpers import PROVIDERS, THREE_KEYS, WITHOUT_LOCAL, failure


@pytest.fixture
def store() -> AuthStore:
    return AuthStore(THREE_KEYS, WITHOUT_LOCAL)


def pick(store: AuthStore, now: float = 0.0, **options: object) -> str | None:
    """The name of the profile picked."""
    picked = store.pick_next_profile("openai", "gpt", now, **options)  # type: ignore[arg-type]
    return picked.profile.id.removeprefix("openai:") if isinstance(picked, Picked) else None


def profile(name: str, kind: Kind) -> Profile:
    return Profile(f"openai:{name}", "openai", kind, None, name)


def test_keys_are_used_in_their_order(store: AuthStore) -> None:
    assert [pick(store) for _ in range(3)] == ["env"] * 3
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit"), 0.0)
    assert [pick(store) for _ in range(3)] == ["env2"] * 3
    assert pick(store, exclude={"openai:env2"}) == "env3"
    assert pick(store, 1.0) == "env"


def test_logins_take_turns_and_go_before_keys() -> None:
    profiles = [profile("s", "stored_key"), profile("k", "key"), *(profile(name, "login") for name in "abc")]
    last_used: dict[str, float | None] = {}
    firsts = []
    for now in range(30):
        ordered = rotation_order(profiles, last_used)
        assert [one.id for one in ordered[3:]] == ["openai:k", "openai:s"]
        firsts.append(ordered[0].id[-1])
        last_used[ordered[0].id] = float(now)
    assert "".join(firsts) == "abc" * 10


def test_another_model_of_a_cooled_one_is_usable(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("model_not_found", status=404), 0.0)
    assert pick(store) == "env2"
    picked = store.pick_next_profile("openai", "other", 0.0)
    assert isinstance(picked, Picked) and picked.profile.id == "openai:env"


def test_when_all_are_cooled_each_says_why(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=20), 0.0)
    store.mark_profile_failure("openai:env2", "gpt", failure("quota", "profile", status=402), 0.0)
    store.disable("openai:env3")
    assert store.pick_next_profile("openai", "gpt", 1.0) == AllCooled(
        20.0,
        {"openai:env": "rate_limit (429)", "openai:env2": "quota (402)", "openai:env3": OFF},
        frozenset({"limit", "quota"}),
    )
    assert store.get_available_providers(1.0) == ["openai"]  # for another model


def test_what_waiting_does_not_help(store: AuthStore) -> None:
    assert store.pick_next_profile("google", "gemini", 0.0) == AllCooled(None, {})
    tried = store.pick_next_profile(
        "openai", "gpt", 0.0, exclude=["openai:env", "openai:env2", "openai:env3"]
    )
    assert isinstance(tried, AllCooled) and tried.until is None
    assert set(tried.reasons.values()) == {"tried already"}


def test_of_those_under_a_limit_each_is_probed_once_in_a_while(store: AuthStore) -> None:
    for number, delay in (("", 60.0), ("2", 20.0), ("3", 40.0)):
        error = failure("rate_limit", retry_after=delay)
        store.mark_profile_failure(f"openai:env{number}", "gpt", error, 0.0)
    assert pick(store, 2.0) is None
    assert pick(store, 1.0, also=LIMITED) is None
    assert [pick(store, 2.0, also=LIMITED) for _ in range(4)] == ["env2", "env3", "env", None]
    assert pick(store, 2.0 + PROBE_GAP, also=LIMITED) == "env2"


def test_of_those_that_faults_keep_away_the_least_harmful_is_tried(store: AuthStore) -> None:
    for name, faults in (("env", 4), ("env2", 3), ("env3", 1)):
        for number in range(faults):
            store.mark_profile_failure(
                f"openai:{name}", "gpt", failure("server"), 0.0, request=f"{name} {number}".encode()
            )
    assert pick(store, 0.5) is None
    tried: list[str] = []
    for _ in range(3):
        tried.append(str(pick(store, 0.5, also=FAULTY, exclude={f"openai:{name}" for name in tried})))
    assert tried == ["env3", "env2", "env"]
    assert pick(store, 0.5, also=LIMITED) is None
    assert pick(store, 1.5) == "env3"
    assert pick(store, 2.0) == "env"  # whose probe is due, since it was tried at 0.5
    assert store.least_harm("openai", "gpt", 0.5) == Harm(False, 1, 1.0)
    assert store.least_harm("openai", "other", 0.5) is None


def test_a_probe_that_is_due_goes_out_once(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("quota", "profile"), 0.0)
    now = PROBE_EVERY
    picks = [store.pick_next_profile("openai", "gpt", now) for _ in range(2)]
    assert [(one.profile.id, one.probe) for one in picks if isinstance(one, Picked)] == [
        ("openai:env", True),
        ("openai:env2", False),
    ]
    store.mark_profile_used("openai:env", "gpt", now)
    assert pick(store, now) == "env"


def test_a_session_stays_while_its_profile_is_usable(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=30), 0.0)
    assert pick(store, 0.0, session="s") == "env2"
    assert pick(store, 31.0, session="s") == "env2"
    assert pick(store, 31.0, session="other") == "env"
    assert pick(store, 31.0, session="s", exclude={"openai:env2"}) == "env"
    assert pick(store, 31.0 + session_affinity.TTL, session="s") == "env"
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=30), 2000.0)
    assert pick(store, 2001.0, session="s") == "env2"


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_affinity, "MOST", 2)
    kept = session_affinity.SessionAffinity()
    for name in "abac":
        kept.keep(name, "openai", f"openai:{name}", 0.0)
    assert [kept.profile_of(name, "openai", 0.0) for name in "abc"] == ["openai:a", None, "openai:c"]
    assert kept.profile_of("a", "google", 0.0) is None


def test_a_changed_key_starts_clean_but_stays_switched_off(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("auth_permanent", "profile"), 0.0)
    store.disable("openai:env2")
    store.reload_env({"OPENAI_API_KEY": "sk-new,sk-newer,sk-newest"}, WITHOUT_LOCAL)
    assert [one.usable for one in store.statuses("openai", 0.0)] == [True, False, True]
    store.reload_env(THREE_KEYS, WITHOUT_LOCAL)
    assert [one.usable for one in store.statuses("openai", 0.0)] == [False, False, True]


def test_enable_and_reset(store: AuthStore) -> None:
    store.mark_profile_failure("openai:env", "gpt", failure("auth_permanent", "profile", status=403), 0.0)
    assert store.statuses("openai", 0.0)[0].state == Disabled("auth_permanent (403)")
    store.enable("openai:env")
    assert pick(store) == "env"
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit"), 0.0)
    store.disable("openai:env")
    store.reset("openai:env")
    assert store.statuses("openai", 0.0)[0].state == Disabled(OFF)
    store.enable("openai:env")
    assert pick(store) == "env"


@pytest.mark.parametrize("command", ["enable", "disable", "reset", "remove"])
def test_commands_name_what_they_do_not_know(store: AuthStore, command: str) -> None:
    with pytest.raises(UnknownProfileError, match="openai:nobody"):
        getattr(store, command)("openai:nobody")


def test_outcomes_of_a_profile_that_is_gone_are_ignored(store: AuthStore) -> None:
    store.mark_profile_used("openai:gone", "gpt", 0.0)
    store.mark_profile_failure("openai:gone", "gpt", failure("quota"), 0.0)


def test_statuses_for_json(store: AuthStore) -> None:
    pick(store, 1.0)
    store.mark_profile_failure("openai:env", "gpt", failure("rate_limit", retry_after=30), 2.0)
    store.mark_profile_used("openai:env", "gpt-2", 3.0)
    first = store.statuses(None, 12.0)[0].as_dict()
    assert first == {
        "id": "openai:env",
        "provider": "openai",
        "kind": "key",
        "variable": "OPENAI_API_KEY",
        "in_keyring": False,
        "refreshable": None,
        "expires_in": None,
        "state": "usable",
        "why": None,
        "cooled_for": None,
        "used_ago": 11.0,
        "counts": {"rate_limit": 1, "success": 1},
        "models": {
            "gpt": {
                "state": "cooled",
                "why": "rate_limit (429)",
                "cooled_for": 20.0,
                "used_ago": 11.0,
                "counts": {"rate_limit": 1},
            },
            "gpt-2": {
                "state": "usable",
                "why": None,
                "cooled_for": None,
                "used_ago": None,
                "counts": {"success": 1},
            },
        },
    }


def test_available_providers() -> None:
    store = AuthStore({"OPENAI_API_KEY": "sk-1", "GEMINI_API_KEY": "AIza"}, PROVIDERS)
    assert store.get_available_providers(0.0) == ["openai", "google", "local"]
    store.mark_profile_failure("openai:env", "gpt", failure("quota", "profile"), 0.0)
    store.disable("local:none")
    assert store.get_available_providers(1.0) == ["google"]
    assert store.has_profile("openai") and not store.has_profile("anthropic")
