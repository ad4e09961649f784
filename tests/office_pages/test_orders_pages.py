"""Orders from the pages: with a reason, with a second person where the site says so, and with their outcome."""

import re
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone, translation

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.feed import order_topic, status_topic
from agent.core.moments import Moment, Trust
from agent.core.orders import OrderRules, SignedOrder
from office.home import current
from office.ingest.subscriber import Address
from office.keyring import Keyring
from office.models import Act
from office.retention import schedule
from office.web import follower, ordering
from office.web.models import OrderRules as SiteRules
from office.web.models import RemoteOrder
from office.web.words import ORDERS, SAID
from tests import brokers
from tests.office_pages.desk import SITE, Desk
from tests.small_office import eventually

OPEN = {"gate": "north", "what": "open", "why": "ambulance"}


@contextmanager
def listening(folder: Path):
    """A broker, and what a gate behind it hears."""
    with brokers.mosquitto(folder) as broker:
        config = BrokerConfig(host=brokers.LOOPBACK, port=broker.port, retry_first_s=0.05)
        link = PahoBroker(
            config,
            client_id="north",
            status_topic=status_topic(SITE, "north"),
            topics=(order_topic(SITE, "north"),),
        )
        settings.ORDER_BROKER = Address(brokers.LOOPBACK, broker.port)
        try:
            eventually(lambda: link.online)
            yield lambda: [message for _, message in link.received(0.1)]
        finally:
            settings.ORDER_BROKER = None
            link.close()


def weighed(desk: Desk, message: bytes):
    """What the gate makes of an order."""
    keys = (Keyring.load(desk.home / "keys").order.public,)
    now = Moment(timezone.now().timestamp(), 0.0, Trust.SYNCED)
    return OrderRules(SITE, "north", keys, {}).weigh(message, now)


@pytest.fixture
def two(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A site that wants two people for opening; its broker is away unless one is listening."""
    monkeypatch.setattr(settings, "ORDER_BROKER", Address(brokers.LOOPBACK, brokers.free_port()))
    desk.gate()
    answer = desk.browser("admin").post("/orders/rules", {"second_person": ["open"]})
    assert answer.status_code == 302
    return desk


def test_an_order_goes_out_signed_and_its_outcome_comes_back(desk: Desk, tmp_path: Path) -> None:
    north = desk.gate()
    chen = desk.browser("chen")
    with listening(tmp_path / "broker") as heard:
        chen.post("/orders/ask", OPEN)
        messages: list[bytes] = []
        eventually(lambda: messages.extend(heard()) or messages)
    signed = weighed(desk, messages[0])
    assert isinstance(signed, SignedOrder)
    assert (signed.what, signed.by, signed.why) == ("open", "chen", "ambulance")
    one = RemoteOrder.objects.get()
    assert (one.state, one.nonce) == ("sent", signed.nonce)
    assert ("chen", "order open", "north", "ambulance") in Act.objects.values_list(
        "who", "what", "subject", "why"
    )
    assert "on its way" in chen.get("/").text
    desk.event(north, "order.obeyed", order="open", by="chen", nonce=signed.nonce)
    follower.catch_up()
    assert '<span class="pill good">obeyed</span>' in chen.get("/orders").text
    one.refresh_from_db()
    assert (one.state, one.outcome) == ("obeyed", "")
    desk.event(north, "order.refused", "replayed", order="open", nonce=signed.nonce)
    follower.catch_up()
    one.refresh_from_db()
    assert one.state == "obeyed", "a second copy is refused; the first was obeyed"


@pytest.mark.parametrize("what", ["identify", "maintenance-on", "maintenance-off"])
def test_whatever_a_gate_obeys_can_be_ordered_from_the_page(desk: Desk, tmp_path: Path, what: str) -> None:
    """Signed as the gate weighs it, with a word for it in both histories and both languages."""
    desk.gate()
    chen = desk.browser("chen")
    with listening(tmp_path / "broker") as heard:
        chen.post("/orders/ask", {"gate": "north", "what": what, "why": "new lamp"})
        messages: list[bytes] = []
        eventually(lambda: messages.extend(heard()) or messages)
    signed = weighed(desk, messages[0])
    assert isinstance(signed, SignedOrder)
    assert signed.what == what
    assert Act.objects.filter(what=f"order {what}", who="chen").exists()
    for words in (*ORDERS, *(name for name in SAID if name.startswith("order"))):
        with translation.override("zh-hans"):
            said = str(ORDERS.get(words) or SAID[words])
        assert not re.search("[a-z]{3}", said), words


def test_a_gate_in_maintenance_says_so_on_the_live_page(desk: Desk) -> None:
    """Its alarms make no sound meanwhile, so nobody may forget it."""
    north = desk.gate()
    desk.event(north, "maintenance.on")
    follower.catch_up()
    assert '<span class="pill alarm">maintenance</span>' in desk.browser("zhao").get("/").text
    desk.event(north, "maintenance.off")
    follower.catch_up()
    assert '<span class="pill alarm">maintenance</span>' not in desk.browser("zhao").get("/").text


def test_a_gates_refusal_is_shown_with_its_reason_and_only_its_own(desk: Desk, tmp_path: Path) -> None:
    north, south = desk.gate(), desk.gate("south")
    with listening(tmp_path / "broker"):
        desk.browser("wang").post("/orders/ask", {**OPEN, "what": "release"})
    one = RemoteOrder.objects.get()
    desk.event(south, "order.obeyed", nonce=one.nonce)
    follower.catch_up()
    one.refresh_from_db()
    assert one.state == "sent", "another gate's word is nothing"
    desk.event(north, "order.refused", reason="clock_unsure", nonce=one.nonce)
    follower.catch_up()
    page = desk.browser("wang").get("/orders").text
    assert "refused by the gate" in page
    assert "the gate&#x27;s clock is unsure" in page


def test_where_the_site_says_so_two_people_open(two: Desk, tmp_path: Path) -> None:
    with listening(tmp_path / "broker") as heard:
        chen, wang = two.browser("chen"), two.browser("wang")
        assert "waits for a second person" in chen.post("/orders/ask", OPEN, follow=True).text
        assert heard() == []
        one = RemoteOrder.objects.get()
        own = chen.post(f"/orders/{one.pk}/confirm", follow=True).text
        assert "another person confirms" in own
        assert heard() == []
        wang.post(f"/orders/{one.pk}/confirm")
        messages: list[bytes] = []
        eventually(lambda: messages.extend(heard()) or messages)
        signed = weighed(two, messages[0])
        assert isinstance(signed, SignedOrder)
        assert signed.by == "chen, wang"
        again = wang.post(f"/orders/{one.pk}/confirm", follow=True).text
        assert "somebody was quicker" in again
        chen.post("/orders/ask", {**OPEN, "what": "lockdown"})
        eventually(lambda: messages.extend(heard()) or len(messages) > 1)
    one.refresh_from_db()
    assert (one.asked_by, one.confirmed_by, one.state) == ("chen", "wang", "sent")


def test_two_confirmers_at_once_send_one_order(two: Desk, tmp_path: Path) -> None:
    with listening(tmp_path / "broker") as heard:
        two.browser("chen").post("/orders/ask", OPEN)
        pk = RemoteOrder.objects.get().pk
        browsers = [two.browser("wang") for _ in range(3)]

        def confirm(browser) -> None:
            browser.post(f"/orders/{pk}/confirm")
            connections.close_all()

        threads = [threading.Thread(target=confirm, args=(one,)) for one in browsers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        messages: list[bytes] = []
        eventually(lambda: messages.extend(heard()) or messages)
        assert len(messages + heard()) == 1


def test_a_double_click_is_one_order(desk: Desk, tmp_path: Path) -> None:
    desk.gate()
    with listening(tmp_path / "broker") as heard:
        chen = desk.browser("chen")
        for _ in range(3):
            chen.post("/orders/ask", OPEN)
        messages: list[bytes] = []
        eventually(lambda: messages.extend(heard()) or messages)
        assert len(messages + heard()) == RemoteOrder.objects.count() == 1
        RemoteOrder.objects.update(asked_at=timezone.now() - timedelta(seconds=6))
        chen.post("/orders/ask", OPEN)
        eventually(heard)
    assert RemoteOrder.objects.count() == 2


def test_what_nobody_confirms_in_ten_minutes_is_over(two: Desk, tmp_path: Path) -> None:
    two.browser("chen").post("/orders/ask", OPEN)
    one = RemoteOrder.objects.get()
    RemoteOrder.objects.update(ends=timezone.now() - timedelta(seconds=1))
    assert "its time is over" in two.browser("wang").post(f"/orders/{one.pk}/confirm", follow=True).text
    one.refresh_from_db()
    assert (one.state, one.sent_at) == ("lapsed", None)


def test_an_order_that_waits_can_be_withdrawn(two: Desk) -> None:
    two.browser("chen").post("/orders/ask", OPEN)
    one = RemoteOrder.objects.get()
    two.browser("wang").post(f"/orders/{one.pk}/withdraw")
    one.refresh_from_db()
    assert one.state == "withdrawn"
    assert "somebody was quicker" in two.browser("wang").post(f"/orders/{one.pk}/confirm", follow=True).text


def test_an_order_that_can_not_be_sent_says_why(desk: Desk) -> None:
    desk.gate()
    chen = desk.browser("chen")
    assert "know no broker" in chen.post("/orders/ask", OPEN, follow=True).text
    settings.ORDER_BROKER = Address(brokers.LOOPBACK, brokers.free_port())
    try:
        assert "can&#x27;t be reached" in chen.post("/orders/ask", OPEN, follow=True).text
    finally:
        settings.ORDER_BROKER = None
    assert [one.state for one in RemoteOrder.objects.order_by("pk")] == ["failed"]


def test_old_orders_go_with_the_events_of_their_time(desk: Desk) -> None:
    """C10."""
    now = timezone.now()
    north = desk.gate()
    for days in (0, 400):
        at = now - timedelta(days=days)
        RemoteOrder.objects.create(gate=north, what="open", why="x", asked_by="chen", asked_at=at, ends=at)
    schedule.delete(current(), now, by="tests")
    assert [one.asked_at for one in RemoteOrder.objects.all()] == [now]


def test_silence_is_said_too(desk: Desk, tmp_path: Path) -> None:
    desk.gate()
    with listening(tmp_path / "broker"):
        desk.browser("chen").post("/orders/ask", OPEN)
    RemoteOrder.objects.update(sent_at=timezone.now() - timedelta(minutes=3))
    ordering.look_after()
    assert "no answer from the gate" in desk.browser("chen").get("/orders").text


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": "attic"},
        {"gate": ""},
        {"what": "explode"},
        {"why": ""},
        {"why": "   "},
        {"why": "x" * 65},
        {"why": "x" * 100_000},
        {"gate": "<script>", "what": "'; DROP TABLE", "why": "\0"},
    ],
)
def test_a_form_that_is_not_whole_orders_nothing(desk: Desk, changes: dict[str, str]) -> None:
    desk.gate()
    answer = desk.browser("chen").post("/orders/ask", {**OPEN, **changes}, follow=True)
    assert answer.status_code == 200
    assert re.search("Choose a gate|Write a reason", answer.text)
    assert not RemoteOrder.objects.exists()


def test_only_the_desk_orders_and_only_the_administrator_rules(desk: Desk) -> None:
    desk.gate()
    for name in ("liu", "zhao", "admin"):
        assert desk.browser(name).post("/orders/ask", OPEN).status_code == 403
    for name in ("chen", "wang", "liu", "zhao"):
        assert desk.browser(name).post("/orders/rules", {}).status_code == 403
    assert desk.browser("chen").get("/orders/999/confirm").status_code == 405
    assert "somebody was quicker" in desk.browser("chen").post("/orders/999/confirm", follow=True).text
    bad = desk.browser("admin").post("/orders/rules", {"second_person": ["explode"]})
    assert bad.status_code == 200
    assert not SiteRules.objects.exists()


def test_a_gates_hostile_words_stay_words(desk: Desk, tmp_path: Path) -> None:
    north = desk.gate()
    with listening(tmp_path / "broker"):
        desk.browser("chen").post("/orders/ask", OPEN)
    one = RemoteOrder.objects.get()
    for said in ("<script>alert(1)</script>", "y" * 32, ""):
        desk.event(north, "order.refused", reason=said, nonce=one.nonce)
        follower.catch_up()
        assert "<script>alert" not in desk.browser("chen").get("/orders").text
    for nonce in ({"a": 1}, None, 7, "", [one.nonce]):
        desk.event(north, "order.obeyed", nonce=nonce)
    follower.catch_up()
    one.refresh_from_db()
    assert one.state == "refused"
