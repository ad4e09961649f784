"""When no events come in, the live page says so in a sentence, and after five minutes an alert does (C34)."""

from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from tests import brokers
from tests.signing_gate import Desk
from tests.test_ingest import ingester, until

from office.ingest import beat  # isort: skip  after signing_gate has set Django up
from office.ingest.beat import Beat, Intaking  # isort: skip
from office.models import Alert, IngesterBeat  # isort: skip
from office.web import alerting  # isort: skip

MINUTE = timedelta(minutes=1)


pytest_plugins = "tests.desk_plugin"


def now() -> Intaking:
    return beat.standing(timezone.now())


def test_an_ingester_that_comes_and_goes_and_loses_its_broker_is_seen(desk: Desk, tmp_path: Path) -> None:
    """C34: the process itself, over a real broker."""
    assert now() is Intaking.NEVER
    with brokers.mosquitto(tmp_path / "broker") as broker:
        with ingester(desk, broker.port, signed_in=False):
            until(lambda: now() is Intaking.WELL)
            broker.kill()
            until(lambda: now() is Intaking.CUT_OFF)
            broker.start()
            until(lambda: now() is Intaking.WELL, 30)
        assert now() is Intaking.STOPPED


def test_one_that_was_killed_is_missed_after_a_minute_and_others_do_its_work(desk: Desk) -> None:
    for name in ("one", "other"):
        Beat(name).tick(listening=True)
    at = timezone.now()
    IngesterBeat.objects.filter(name="one").update(at=at - 2 * MINUTE)
    assert beat.standing(at) is Intaking.WELL
    assert beat.standing(at + 2 * MINUTE) is Intaking.STOPPED
    assert desk.home.exists()


def test_it_is_an_alert_after_five_minutes_and_closes_by_itself(desk: Desk) -> None:
    """C34: once for each time."""
    one, at = Beat("one"), timezone.now()
    one.tick(listening=True)
    one.stop()
    beat.look_after(at + 4 * MINUTE)
    assert not Alert.objects.exists()
    for minutes in (6, 7, 8):
        beat.look_after(at + minutes * MINUTE)
    alert = Alert.objects.get(kind="intake")
    assert alert.count == 1
    assert "no ingester runs" in alert.detail
    Beat("one").tick(listening=True)
    beat.look_after(timezone.now())
    assert not alerting.open_alerts().exists()
    Beat("one").stop()
    beat.look_after(at + 20 * MINUTE)
    alert.refresh_from_db()
    assert alert.count == 2
    assert alerting.open_alerts().exists(), "again, and so open again"
    assert desk.home.exists()
