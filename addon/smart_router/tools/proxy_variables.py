"""Variables that send a process's connections through the router as a proxy, and make it trust its CA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smart_router.storage.replaced_file import replace_file

CONFDIR = "~/.mitmproxy"
"""mitmproxy's default `confdir`."""

CA_FILE = "mitmproxy-ca-cert.pem"

BUNDLE_FILE = "ca-bundle.pem"

REPLACING = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
"""OpenSSL, Go and httpx; requests; curl; git. Each replaces the usual authorities."""

ADDING = ("NODE_EXTRA_CA_CERTS",)
"""Node adds the file's authorities to its own."""


def proxy_variables(proxy: str) -> dict[str, str]:
    """Variables that name the proxy. Lower-case names are included because curl reads only `http_proxy`."""
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), proxy)
    local = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
    return {**proxies, **local, "NODE_USE_ENV_PROXY": "1"}


def trust_variables(ca_file: Path, bundle: Path | None = None) -> dict[str, str]:
    """Variables that make programs trust the CA: it alone, or those of a bundle that has it."""
    return {**dict.fromkeys(REPLACING, str(bundle or ca_file)), **dict.fromkeys(ADDING, str(ca_file))}


def write_bundle(ca_file: Path, folder: Path, env: Mapping[str, str]) -> Path:
    """Write the usual authorities (those of `SSL_CERT_FILE`, else certifi's) and the CA to one file."""
    import certifi  # mitmproxy brings it

    usual = Path(env.get("SSL_CERT_FILE") or certifi.where())
    path = folder / BUNDLE_FILE
    replace_file(path, usual.read_bytes().rstrip() + b"\n" + ca_file.read_bytes(), 0o644)
    return path
