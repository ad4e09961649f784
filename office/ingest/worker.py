"""From the subscription to the database, and back with acknowledgements.

The order is the whole point: store, commit, PUBACK, and only then sign that
it is kept.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import Final

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from office.ingest.beat import Beat
from office.ingest.intake import Intake, Reply
from office.ingest.opened import Flaw, Opened
from office.ingest.opener import Opener
from office.ingest.subscriber import Subscriber
from office.logs import log

_IDLE_S: Final = 0.2
_HOLDING_S: Final = 0.01  # while a message waits for one that another ingester has
_RETRY_S: Final = 1.0


def work(subscriber: Subscriber, intake: Intake, stop: threading.Event) -> None:
    """Take messages in until told to stop. Belongs to the thread that owns the database connection."""
    beat = Beat(subscriber.name)
    with contextlib.closing(Opener(subscriber)) as opener:
        while not stop.is_set():
            beat.tick(listening=subscriber.listening)
            ready = opener.take(_HOLDING_S if intake.is_holding else _IDLE_S)
            if not ready and not intake.is_holding:
                continue
            replies = _store(intake, [(one.arrival.topic, one.message) for one in ready], stop)
            if replies is None:
                return
            for one in ready:
                one.arrival.settle()
            for reply in replies:
                subscriber.publish(*reply)
    beat.stop()


def _store(
    intake: Intake, messages: Sequence[tuple[str, Opened | Flaw]], stop: threading.Event
) -> list[Reply] | None:
    """Store a batch, waiting out a database that is away or full; None if told to stop meanwhile."""
    while not stop.is_set():
        try:
            return intake.join(messages)
        except Exception as fault:  # noqa: BLE001  nothing that a gate sends may end the ingester
            if not _is_about_the_database(fault):
                # One message that this version can't cope with must not hold up the others.
                if len(messages) <= 1:
                    _set_aside(intake, messages, fault)
                    return []
                parts = [_store(intake, [message], stop) for message in messages]
                return [reply for part in parts if part is not None for reply in part]
            log.error("ingest.database", found=str(fault), next="tries again; the gates keep their events")
            connection.close()
            stop.wait(_RETRY_S)
    return None


def _set_aside(intake: Intake, messages: Sequence[tuple[str, Opened | Flaw]], fault: Exception) -> None:
    topic = messages[0][0] if messages else ""
    log.error("ingest.fault", topic=topic, found=f"{type(fault).__name__}: {fault}")
    with contextlib.suppress(Exception):  # the log has it
        intake.set_aside(topic, fault)


def _is_about_the_database(fault: Exception) -> bool:
    """Whether the database is away, locked or full, rather than unwilling to take these rows."""
    return isinstance(fault, (DatabaseError, InterfaceError)) and not isinstance(
        fault, (DataError, IntegrityError)
    )
