"""Content view that shows chat requests and answers as a transcript; the default for the router's flows.

Other views, such as raw, can be selected as usual. For other flows the user can select this view; the path
then determines the wire format.
"""

from __future__ import annotations

from mitmproxy import contentviews, http
from mitmproxy.contentviews import Metadata

from smart_router.attempts.captured_body import NOTE
from smart_router.dialects.base import find_by_path
from smart_router.dialects.formats import DIALECTS
from smart_router.ui.transcript.answers import read_answer
from smart_router.ui.transcript.page import WIDTH, render
from smart_router.ui.transcript.requests import read_request

_ABOVE_ALL_OTHERS = 2.0
"""mitmproxy's own views return 1 for the content that they show best."""


class Transcript(contentviews.Contentview):
    """See `transcript.read_request` and `read_answer`."""

    name = "Transcript"

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """Return the transcript. Raises ValueError for other content; mitmproxy then shows the raw bytes."""
        flow, message = metadata.flow, metadata.http_message
        if not isinstance(flow, http.HTTPFlow) or not isinstance(message, http.Message):
            raise ValueError("not HTTP")
        wire = wire_of(flow)
        if isinstance(message, http.Request):
            return render(read_request(wire, data), WIDTH)
        candidate = str(flow.metadata.get("router_candidate", ""))
        provider, _, model = candidate.partition("/")
        streamed = metadata.content_type == "text/event-stream"
        page = read_answer(wire, data, streamed=streamed, provider=provider, model=model)
        if cost := flow.metadata.get("router_cost"):  # not in the answer itself
            page.facts.append(("cost", f"${cost}" if str(cost)[0].isdigit() else str(cost)))
        page.notes += [f"{cut[1].decode()} bytes were not kept" for cut in NOTE.finditer(data)]
        return render(page, WIDTH)

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """Return the highest priority for requests and 2xx answers of the router's flows."""
        flow, message = metadata.flow, metadata.http_message
        if not data or not isinstance(flow, http.HTTPFlow) or not wire_of(flow):
            return -1
        if isinstance(message, http.Response) and not 200 <= message.status_code < 300:
            return -1  # errors are short JSON
        return _ABOVE_ALL_OTHERS if "router_request" in flow.metadata else 0


def wire_of(flow: http.HTTPFlow) -> str:
    """Return the wire format of a flow (`Dialect.name`), empty if unknown."""
    if known := flow.metadata.get("router_dialect"):
        return str(known)
    found = find_by_path(DIALECTS.values(), flow.request.path)
    return found[0].name if found else ""


def install() -> None:
    """Add the view to mitmproxy."""
    contentviews.add(Transcript)
