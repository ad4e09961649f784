"""What the office does by itself beside the pages: it seals the audit log, reconciles each day, and
deletes what is due each night.

After a restore it listens for what the gates were told to refuse (see office.differences), and it says when
the newest backup is too old.
"""

import threading
from typing import Final

from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from office import daily, registry
from office.audit import keeper
from office.backup import folder
from office.differences import hearing
from office.faults import OfficeFault
from office.home import Home
from office.ingest import beat
from office.keyring import Keyring
from office.logs import log
from office.retention import schedule

ROUND_S: Final = 60.0


class Caretaker:
    """One thread for each process that serves pages; what one has done the others find done."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def go_round(self) -> None:
        """Once; what can't be done now is tried again in the next round, and said."""
        try:
            close_old_connections()
            for one in schedule.keep(self._home):
                log.info("retention.deleted", kept=one.kept, count=one.count, until=one.until)
            hearing.hear()
            beat.look_after(timezone.now())
            daily.go_round(registry.the_site(), timezone.now(), Keyring.load(self._home.keys).ack.sign)
            folder.look_after(self._home, timezone.now())
            keeper.seal(self._home)
        except (OfficeFault, DatabaseError) as fault:
            log.error("caretaker.fault", found=str(fault), next="tries again in a minute")

    def _run(self) -> None:
        while not self._stop.wait(ROUND_S):
            self.go_round()
        connection.close()
