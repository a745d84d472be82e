"""The invariants of the cooldown rules hold after any sequence of events of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from smart_router.auth.cooldowns import LONGEST, PROBE_EVERY, Disabled, Hold, Window, scope_of
from smart_router.auth.selection import FAULTY, LIMITED, AllCooled, Picked
from smart_router.auth.status import ProfileStatus
from smart_router.auth.store import AuthStore
from smart_router.errors import ErrorClass, Scope
from tests.auth.helpers import PROVIDERS, failure
from tests.testbed.examples import examples

ID = "openai:env"
MODELS = ("a", "b", "c")

models = st.sampled_from(MODELS)
delays = st.one_of(st.none(), st.floats(), st.floats(min_value=0, max_value=100_000))


class OneProfile(RuleBasedStateMachine):
    """One key, three models, a clock that only these rules move."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.store = AuthStore({"OPENAI_API_KEY": "sk-one"}, {"openai": PROVIDERS["openai"]})
        self.last_live = self.now

    @property
    def status(self) -> ProfileStatus:
        (status,) = self.store.statuses("openai", self.now)
        return status

    def active(self) -> dict[str, Window]:
        """The windows that are open now, by model ("" for the profile's own)."""
        status = self.status
        records = {"": status.health} | {one.model: one.health for one in status.models}
        return {
            name: record.window
            for name, record in records.items()
            if record.window and self.now < record.window.until
        }

    def usable(self, model: str) -> bool:
        return self.store.usable("openai", model, self.now)

    @contextmanager
    def no_window_moves(self) -> Iterator[None]:
        before = self.active()
        yield
        after = self.active()
        for name, window in before.items():
            assert (after[name].since, after[name].until) == (window.since, window.until)

    @rule(seconds=st.one_of(st.floats(0, 60), st.floats(0, 2 * PROBE_EVERY), st.just(LONGEST)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        model=models,
        kind=st.sampled_from(get_args(ErrorClass)),
        scope=st.sampled_from(get_args(Scope)),
        delay=delays,
        request=st.sampled_from([None, b"one", b"two", b"three"]),
    )
    def an_attempt_fails(
        self, model: str, kind: ErrorClass, scope: Scope, delay: float | None, request: bytes | None
    ) -> None:
        error = failure(kind, scope, retry_after=delay)
        others = {other: self.usable(other) for other in MODELS if other != model}
        with self.no_window_moves():
            self.store.mark_profile_failure(ID, model, error, self.now, request=request)
        if scope_of(error) != "profile":
            assert others == {other: self.usable(other) for other in others}
        self.last_live = self.now

    @rule(model=models)
    def an_attempt_succeeds(self, model: str) -> None:
        self.store.mark_profile_used(ID, model, self.now)
        self.nothing_is_held_against(model)

    @rule(model=models)
    def an_attempt_gives_its_first_content(self, model: str) -> None:
        self.store.mark_profile_answers(ID, model, self.now)
        self.nothing_is_held_against(model)

    def nothing_is_held_against(self, model: str) -> None:
        assert isinstance(self.status.state, Disabled) or self.usable(model)
        assert not {"", model} & self.active().keys()

    @rule(model=models, also=st.sampled_from([frozenset(), FAULTY, LIMITED]))
    def a_request_comes(self, model: str, also: frozenset[Hold]) -> None:
        usable, held = self.usable(model), self.store.cooled("openai", model, self.now)
        with self.no_window_moves():
            picked = self.store.pick_next_profile("openai", model, self.now, also=also)
        if isinstance(picked, Picked):
            assert usable or (held and held[0].hold in also)
            self.last_live = self.now
        else:
            assert not usable
        if isinstance(picked, Picked) and picked.probe:
            again = self.store.pick_next_profile("openai", model, self.now, also=LIMITED)
            assert isinstance(again, AllCooled)  # one probe at a time

    @invariant()
    def what_faults_keep_away_can_be_tried(self) -> None:
        """A fault orders candidates; it refuses nothing."""
        for model in MODELS:
            held = self.store.cooled("openai", model, self.now)
            if held and held[0].hold in FAULTY:
                assert self.store.least_harm("openai", model, self.now) is not None

    @rule()
    def the_user_resets(self) -> None:
        self.store.reset(ID)
        assert all(self.usable(model) for model in MODELS)

    @invariant()
    def never_long_without_a_live_request(self) -> None:
        if self.now - self.last_live >= PROBE_EVERY and not isinstance(self.status.state, Disabled):
            assert all(self.usable(model) for model in MODELS)

    @invariant()
    def what_is_promised_comes_true(self) -> None:
        """After `until` of a refusal it is usable, if nothing else happens."""
        for model in MODELS:
            if not self.usable(model) and not isinstance(self.status.state, Disabled):
                refused = self.store.pick_next_profile("openai", model, self.now)
                assert isinstance(refused, AllCooled) and refused.until is not None
                assert self.now < refused.until <= self.now + PROBE_EVERY
                assert self.store.usable("openai", model, refused.until)

    @invariant()
    def windows_are_bounded(self) -> None:
        for window in self.active().values():
            assert 0 < window.until - window.since <= LONGEST + 0.001


TestOneProfile = OneProfile.TestCase
TestOneProfile.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)
