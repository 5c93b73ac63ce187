"""Keeps tokens out of the server's access log: the player page may be opened with one in its query."""

import logging

__all__ = ["hide_queries_in_access_log"]

_PATH_POSITION = 2  # uvicorn logs (client, method, path with query, HTTP version, status)


class _NoQuery(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) > _PATH_POSITION:
            path = str(record.args[_PATH_POSITION]).partition("?")[0]
            record.args = (*record.args[:_PATH_POSITION], path, *record.args[_PATH_POSITION + 1 :])
        return True


def hide_queries_in_access_log() -> None:
    """Strip the query of every line that uvicorn logs about a request. Idempotent."""
    access = logging.getLogger("uvicorn.access")
    if not any(isinstance(known, _NoQuery) for known in access.filters):
        access.addFilter(_NoQuery())
