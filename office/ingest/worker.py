"""From the subscription to the database, and back with acknowledgements.

The order is the whole point: store, commit, PUBACK, and only then sign that
it is kept.
"""

import threading
from collections.abc import Sequence
from typing import Final

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from office.ingest.intake import Intake
from office.ingest.subscriber import Subscriber
from office.logs import log

_IDLE_S: Final = 0.2
_RETRY_S: Final = 1.0


def work(subscriber: Subscriber, intake: Intake, stop: threading.Event) -> None:
    """Take messages in until told to stop. Belongs to the thread that owns the database connection."""
    while not stop.is_set():
        arrivals = subscriber.take(_IDLE_S)
        if not arrivals:
            continue
        acks = _store(intake, [(one.topic, one.payload) for one in arrivals], stop)
        if acks is None:
            return
        for arrival in arrivals:
            arrival.settle()
        for topic, payload in acks:
            subscriber.publish(topic, payload)


def _store(
    intake: Intake, messages: Sequence[tuple[str, bytes]], stop: threading.Event
) -> list[tuple[str, bytes]] | None:
    """Store a batch, waiting out a database that is away or full; None if told to stop meanwhile."""
    while not stop.is_set():
        try:
            return intake.take(messages)
        except Exception as fault:  # noqa: BLE001  nothing that a gate sends may end the ingester
            if not _is_about_the_database(fault):
                # One message that this version can't cope with must not hold up the others.
                if len(messages) == 1:
                    log.error("ingest.fault", topic=messages[0][0], found=f"{type(fault).__name__}: {fault}")
                    return []
                parts = [_store(intake, [message], stop) for message in messages]
                return [ack for part in parts if part is not None for ack in part]
            log.error("ingest.database", found=str(fault), next="tries again; the gates keep their events")
            connection.close()
            stop.wait(_RETRY_S)
    return None


def _is_about_the_database(fault: Exception) -> bool:
    """Whether the database is away, locked or full, rather than unwilling to take these rows."""
    return isinstance(fault, (DatabaseError, InterfaceError)) and not isinstance(
        fault, (DataError, IntegrityError)
    )
