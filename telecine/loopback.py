"""Addresses of this machine by name, as browsers understand them."""

import httpx

__all__ = ["reached"]


def reached(address: str | httpx.URL) -> tuple[httpx.URL, dict[str, str]]:
    """Where to connect for an address, and the headers that name it there.

    Names under ``localhost`` are this machine (RFC 6761, 6.3): browsers know, many a C library does not.
    """
    url = httpx.URL(address)
    if not url.host.endswith(".localhost"):
        return url, {}
    return url.copy_with(host="127.0.0.1"), {"Host": url.netloc.decode()}
