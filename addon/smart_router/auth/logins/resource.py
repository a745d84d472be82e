"""The API's address that some token answers bring along (`resource_url`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smart_router.auth.logins.reply import Reply


def with_path(path: str) -> Callable[[Reply], Mapping[str, str]]:
    """Reads the address, which may lack its scheme and the path that it ends with."""

    def read(reply: Reply) -> Mapping[str, str]:
        url = (reply.text("resource_url") or "").rstrip("/")
        if not url:
            return {}
        if "://" not in url:
            url = f"https://{url}"
        return {"resource_url": url if url.endswith(path) else url + path}

    return read
