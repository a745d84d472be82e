"""All failures of an attempt before its first content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.testbed.answers import Answer, Fault, Point
from tests.testbed.chat import (
    JSON_HEADERS,
    STREAM_HEADERS,
    chat_answer,
    chat_error,
    chat_stream,
    stream_error,
)
from tests.testbed.examples import FULL, PROFILE
from tests.testbed.upstreams import UNREACHABLE, WORKING

STATUSES = (408, 409, 425, 429, 500, 502, 503, 504, 529)

STREAM = chat_stream(["Should not be seen."])
WHOLE = chat_answer("Should not be seen.")
COMMENT = b": processing\n\n"


class Trigger(NamedTuple):
    """A failure of a streamed and of a whole answer; None where it does not exist.

    `alike`: it is a complete answer, so that nothing depends on how it was sent.
    """

    name: str
    streamed: Answer | None
    whole: Answer | None
    upstreams: tuple[str, ...] = WORKING
    alike: bool = False


def _broken(fault: Fault) -> Trigger:
    upstreams = ("h2",) if fault.name.startswith(("RST_STREAM", "GOAWAY")) else WORKING
    return Trigger(fault.name.lower(), STREAM.but(fault=fault), WHOLE.but(fault=fault), upstreams)


def _before_content(fault: Fault) -> Trigger:
    """Fail within the first event, which has only the role; a whole answer ends in its middle."""
    streamed, whole = STREAM.but(fault=fault, fault_at=60), WHOLE.but(fault=fault, cut=20)
    return Trigger(f"{fault.name.lower()}_without_content", streamed, whole)


_HEAD_FAULTS = [
    fault
    for fault in Fault
    if fault.name.endswith(("BEFORE_HEAD", "MID_HEAD", "AFTER_HEAD"))
    and not fault.name.startswith(("SILENT", "GRACEFUL"))  # a graceful GOAWAY fails nothing
]
_BODY_FAULTS = [Fault.CLOSE_MID_BODY, Fault.CLOSE_MID_CHUNK, Fault.RESET_MID_BODY, Fault.RESET_MID_CHUNK]

TRIGGERS: tuple[Trigger, ...] = (
    *(Trigger(str(status), answer := chat_error(status), answer, alike=status != 500) for status in STATUSES),
    *map(_broken, _HEAD_FAULTS),
    *map(_before_content, _BODY_FAULTS),
    Trigger("error_event", stream_error(), stream_error()),
    Trigger("error_event_after_comment", stream_error().but(body=COMMENT + stream_error().body), None),
    Trigger("error_object", error := Answer(body=chat_error(500).body), error, alike=True),
    Trigger("ends_early", chat_stream([], done=False), chat_stream(["Should"], done=False)),
    Trigger("nothing", Answer(headers=STREAM_HEADERS, framing=None), Answer(headers=JSON_HEADERS)),
    Trigger("empty_answer", chat_stream([]), chat_answer("")),
    Trigger(
        "web_page",
        page := Answer(headers={"content-type": "text/html"}, body=b"<p>Welcome"),
        page,
        alike=True,
    ),
    Trigger("redirect", moved := Answer(302, {"location": "https://elsewhere.invalid/"}), moved, alike=True),
    *(Trigger(name, STREAM, WHOLE, (name,)) for name in ("refused", *UNREACHABLE)),
)

SILENCES: tuple[Trigger, ...] = (
    *map(_broken, (Fault.SILENT_BEFORE_HEAD, Fault.SILENT_MID_HEAD, Fault.SILENT_AFTER_HEAD)),
    Trigger(
        "silent_after_comment",
        STREAM.but(body=COMMENT + STREAM.body, fault=Fault.SILENT_MID_BODY, fault_at=len(COMMENT)),
        None,
    ),
    _before_content(Fault.SILENT_MID_BODY),
)


class Case(NamedTuple):
    """One failure of one kind of upstream, seen by one kind of client."""

    trigger: Trigger
    upstream: str
    client: str
    stream: bool

    @property
    def id(self) -> str:
        """For pytest, and the name of the model asked for."""
        form = "stream" if self.stream else "whole"
        return f"{self.trigger.name}-{self.upstream}-{form}-{self.client}"

    @property
    def stalls(self) -> bool:
        """True if it leaves its connection in the middle of a frame, useless for other streams."""
        fault = self.answer.fault
        return self.upstream == "h2" and fault is not None and fault.point is Point.MID_HEAD

    @property
    def answer(self) -> Answer:
        """The first candidate's answer."""
        answer = self.trigger.streamed if self.stream else self.trigger.whole
        assert answer is not None
        return answer


Upstreams = Callable[[int, Trigger], tuple[str, ...]]


def in_turn(number: int, trigger: Trigger) -> tuple[str, ...]:
    """One of a trigger's upstreams."""
    return (trigger.upstreams[number % len(trigger.upstreams)],)


def every_upstream(number: int, trigger: Trigger) -> tuple[str, ...]:
    """All, but one of those that are alike; all of them with the profile `full`."""
    alike = trigger.alike and PROFILE != FULL
    return in_turn(number + 1, trigger) if alike else trigger.upstreams


def plain_alone(_number: int, trigger: Trigger) -> tuple[str, ...]:
    """Plain HTTP/1.1, or none."""
    return tuple(one for one in trigger.upstreams if one == "plain")


def cases(triggers: tuple[Trigger, ...], upstreams: Upstreams = every_upstream) -> Iterator[Case]:
    """Triggers by upstreams by clients, streamed and whole."""
    for number, trigger in enumerate(triggers):
        for upstream in upstreams(number, trigger):
            for client in ("h1", "h2"):
                if trigger.streamed is not None:
                    yield Case(trigger, upstream, client, stream=True)
                if trigger.whole is not None:
                    yield Case(trigger, upstream, client, stream=False)
