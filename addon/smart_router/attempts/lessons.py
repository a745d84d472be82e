"""Rules learned from providers' refusals, kept for a day, and shared with other workers by a file."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.lesson_file import MOST, Lesson, keep_lessons, read_lessons
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.lessons import in_words, read_lesson
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.decision import Candidate
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm
from smart_router.storage.file_stamp import Stamp, file_stamp

logger = logging.getLogger(__name__)

KEPT = 86_400.0
"""Seconds that a lesson is kept: vendors change their models, and mend their mistakes."""

RHYTHM = Rhythm(idle=3600.0, retry=5.0)

CLOSE_WITHIN = 5.0
"""Seconds that closing may take."""

MOST_REPAIRS = 3
"""Attempts of one request that are repeated with a lesson of their refusal: a 400 names one thing."""

_NO_SUCH_PATH = (404, 405, 501)


class Lessons:
    """The lessons of refusals about models. Times are monotonic seconds; `wall` gives unix seconds.

    Without a `file` they are known in this process only.
    """

    def __init__(self, file: Path | None = None, wall: Callable[[], float] = time.time) -> None:
        self._learned: OrderedDict[Candidate, Lesson] = OrderedDict()
        self._file = file
        self._wall = wall
        self._seen: Stamp | None = None
        self._unwritten: dict[str, Lesson] = {}
        self._writer: BackgroundWriter | None = None

    def close(self) -> None:
        """Write the lessons that wait, and end the thread."""
        if self._writer is not None:
            self._writer.close(CLOSE_WITHIN)

    def look(self, now: float) -> None:
        """Take over the lessons that other workers have written to the file."""
        if self._file is None or (seen := file_stamp(self._file)) == self._seen:
            return
        self._seen = seen
        lead = self._wall() - now
        for model, lesson in read_lessons(self._file, self._wall()).items():
            provider, _, id_ = model.partition("/")
            candidate, until = Candidate(provider, id_), lesson.until - lead
            known = self._learned.get(candidate)
            if known is None or known.until < until:
                self._learned[candidate] = Lesson(lesson.changes, until)

    def notes(self, candidate: Candidate) -> tuple[str, ...]:
        """Return a model's lesson in words, for the decision's explanation."""
        learned = self._learned.get(candidate) if self._learned else None
        return (f"learned {in_words(learned.changes)}",) if learned else ()

    def amend(self, candidate: Candidate, rules: ModelRules, now: float) -> ModelRules:
        """Return a model's rules with its lesson applied."""
        learned = self._learned.get(candidate) if self._learned else None
        if learned is None:
            return rules
        if now >= learned.until:
            del self._learned[candidate]
            return rules
        return replace(rules, **learned.changes)

    def learn(
        self, attempts: Sequence[Attempt], error: UpstreamError, request: ChatRequest, now: float
    ) -> bool:
        """Learn from the refusal of the last attempt; return whether to ask the same candidate again.

        A request that passed untranslated is not fitted to rules, and teaches none.
        """
        attempt = attempts[-1]
        changes = {} if attempt.call.native else read_lesson(error, request, attempt.call.rules)
        if "wire" in changes and attempt.provider.responses is None:
            return False
        if _lacks_responses(attempt, error):
            changes = {"wire": "chat_only"}
        if not changes:
            return False
        attempt.lesson = in_words(changes)
        candidate = attempt.candidate
        known = self._learned.pop(candidate, None)
        learned = Lesson({**(known.changes if known else {}), **changes}, now + KEPT)
        if known is None or known.changes != learned.changes:
            told = "%s does not take what the router sent; for a day it gets %s. It said: %s"
            logger.warning(told, candidate, attempt.lesson, error.message)
        self._learned[candidate] = learned
        if len(self._learned) > MOST:
            self._learned.popitem(last=False)
        self._keep(candidate, learned)
        return sum(bool(one.lesson) for one in attempts) <= MOST_REPAIRS

    def _keep(self, candidate: Candidate, learned: Lesson) -> None:
        """Have a lesson written to the file; no request waits for the disk."""
        if self._file is not None:
            self._unwritten[str(candidate)] = replace(learned, until=self._wall() + KEPT)
            if self._writer is None:
                name = f"lessons about models in {self._file}"
                messages = Messages(f"{name} cannot be written", "they wait", f"{name} can be written again")
                self._writer = BackgroundWriter(
                    "lessons", self._write, lambda succeeded: None, RHYTHM, messages
                )
                self._writer.start()
            self._writer.wake()

    def _write(self) -> bool:
        if self._file is None or not (lessons := dict(self._unwritten)):
            return False
        keep_lessons(self._file, lessons, self._wall())
        for model, lesson in lessons.items():
            if self._unwritten.get(model) is lesson:
                del self._unwritten[model]
        return True


def _lacks_responses(attempt: Attempt, error: UpstreamError) -> bool:
    """Return whether a gateway in the vendor's place has no Responses API, but chat completions."""
    provider, response = attempt.provider, attempt.flow.response
    official = PROVIDERS.get(provider.id)
    return (
        attempt.dialect is provider.responses
        and error.kind == "server"
        and response is not None
        and response.status_code in _NO_SUCH_PATH
        and (official is None or official.base_url != provider.base_url)
    )
