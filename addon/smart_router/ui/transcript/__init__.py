"""Chat requests and answers of any wire format as readable text. Pure."""

from smart_router.ui.transcript.answers import read_answer
from smart_router.ui.transcript.page import WIDTH, Page, render
from smart_router.ui.transcript.requests import read_request

__all__ = ["WIDTH", "Page", "read_answer", "read_request", "render"]
