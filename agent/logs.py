"""Logs: an event and its facts on one line, for journald and for people.

`pass.refused gate=north reason=expired`. With MENSHEN_LOG=json the same as
JSON, one object a line. Never a whole code, never a name: what goes in is
what the journal's events hold.
"""

import logging
import os
import sys

import structlog


def configure(**facts: str) -> None:
    """Send all log lines to standard error; facts (the gate, the process) go into each."""
    as_json = os.environ.get("MENSHEN_LOG") == "json"
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.processors.LogfmtRenderer(
            key_order=["level", "event"], drop_missing=True, bool_as_flag=False
        )
    )

    def with_facts(
        _logger: object, _method: str, entry: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {**facts, **entry}

    structlog.configure(
        processors=[
            with_facts,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
