"""Whom alerts reach: each new matter at once, and once more, marked late, when nobody has taken it on (C34).

How somebody is rung up is the site's own: a program of its choice gets each
call as one line of JSON. What was told is not kept over a restart; then
everything that nobody has taken on is told again, which is better than never.
"""

import json
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from office.models import Alert
from office.web.alerting import open_alerts

_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One alert that somebody should hear of.

    Args:
        late: told before, and still nobody's.
    """

    alert: Alert
    late: bool

    def line(self) -> str:
        """One line of JSON, times in RFC 3339."""
        one = self.alert
        return json.dumps(
            {
                "alert": one.kind,
                "gate": one.gate,
                "about": one.about,
                "detail": one.detail,
                "count": one.count,
                "first": one.first_at.isoformat(timespec="seconds"),
                "last": one.last_at.isoformat(timespec="seconds"),
                "late": self.late,
            },
            ensure_ascii=False,
        )


@dataclass(slots=True)
class Switchboard:
    """Knows what was told.

    Args:
        late_after: how long an alert may be nobody's.
    """

    late_after: timedelta
    _told: dict[int, datetime] = field(default_factory=dict)
    _late: set[int] = field(default_factory=set)

    def calls(self, now: datetime) -> list[Call]:
        """What is to be told now; each is due until told() says that it was."""
        waiting = [one for one in open_alerts() if not _is_somebodys(one)]
        alive = {one.pk for one in waiting}
        self._told = {pk: at for pk, at in self._told.items() if pk in alive}
        self._late &= alive
        return [
            Call(one, late=one.pk in self._told)
            for one in sorted(waiting, key=lambda alert: alert.last_at)
            if one.pk not in self._told
            or (one.pk not in self._late and now - self._told[one.pk] >= self.late_after)
        ]

    def told(self, call: Call, now: datetime) -> None:
        """Somebody has been told."""
        if call.late:
            self._late.add(call.alert.pk)
        else:
            self._told[call.alert.pk] = now


def _is_somebodys(alert: Alert) -> bool:
    handling = getattr(alert, "handling", None)
    return handling is not None and handling.closed_at is None


def ring(program: Path, call: Call) -> str | None:
    """Hand a call to a program, on its standard input.

    Returns:
        None if it ended well; else what was wrong.
    """
    try:
        done = subprocess.run(
            [str(program.absolute())],
            input=call.line() + "\n",
            text=True,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return str(fault)
    return None if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"
