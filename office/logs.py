"""Logs: an event and its facts on one line of standard error. Never a name, never a code."""

import logging
import sys
from typing import Final

import structlog

log: Final = structlog.get_logger("office")


def configure() -> None:
    """Send all log lines to standard error as `event key=value …`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.LogfmtRenderer(key_order=["level", "event"], drop_missing=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
