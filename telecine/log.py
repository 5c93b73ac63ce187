"""Logs are events with facts, one line each, on stderr."""

import logging
import sys
from typing import Any

import stamina
import structlog
from stamina.instrumentation import RetryDetails

__all__ = ["configure_logging", "get_logger"]


def configure_logging(*, verbose: bool = False) -> None:
    """Send structlog events to stderr; call once in an entry point. Airflow's own configuration is left alone."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    stamina.instrumentation.set_on_retry_hooks([_tell_retry])


def _tell_retry(details: RetryDetails) -> None:
    """One short line for a retry; the arguments of the call stay out, whatever they hold."""
    log = get_logger("retry")
    log.debug("retry", why=str(details.caused_by), attempt=details.retry_num, wait_s=round(details.wait_for, 2))


def get_logger(name: str) -> Any:
    """A structlog logger."""
    return structlog.get_logger(name)
