"""Certificates of the scripted provider, made when first asked for."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import trustme

from tests.testbed.answers import Action


@functools.cache
def authority() -> trustme.CA:
    """The CA of this process."""
    return trustme.CA()


def ca_pem() -> bytes:
    """The certificate, as PEM, that a client must trust to accept this process's providers."""
    return authority().cert_pem.bytes()


def server_context(alpn: Sequence[str], fault: Action | None = None) -> ssl.SSLContext:
    """A context for 127.0.0.1 and localhost; with a fault its certificate has another name or issuer, or has
    expired."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _certificate(fault).configure_cert(context)
    context.set_alpn_protocols(list(alpn))
    return context


@functools.cache
def _certificate(fault: Action | None) -> trustme.LeafCert:
    issuer = trustme.CA() if fault is Action.TLS_UNTRUSTED else authority()
    names = ["elsewhere.invalid"] if fault is Action.TLS_WRONG_NAME else ["127.0.0.1", "localhost"]
    ended = datetime(2020, 1, 1, tzinfo=UTC) if fault is Action.TLS_EXPIRED else None
    begun = datetime(2019, 1, 1, tzinfo=UTC) if ended else None
    return issuer.issue_cert(*names, not_before=begun, not_after=ended)
