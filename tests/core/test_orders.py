"""Orders from afar: the right one at the right time, once; and ten thousand that do nothing."""

import dataclasses
import random

import pytest

from agent.core.moments import Trust
from agent.core.notices import IdentifyOrder, MaintenanceOrder, OpenOrder, Order
from agent.core.orders import MAX_BYTES, NotObeyed, OrderRules, SignedOrder, What, Why, sealed, to_be_signed
from tests.core.builders import BOB, DAY, MALLORY, NOON, SITE, at, ed25519, public, signature

OFFICE = ed25519("the office's order key")
NONCE = "00112233445566778899aabbccddeeff"
OPEN = SignedOrder(SITE, "north", What.OPEN, NONCE, NOON, NOON + 60, "wang", "救护车")


def on_the_wire(order=OPEN, key=OFFICE, payload=None) -> bytes:
    payload = order.payload() if payload is None else payload
    return sealed(payload, signature(key, to_be_signed(order.site, order.gate, payload, public(key).alg)))


def rules(*, keys=(OFFICE,), spent=None) -> OrderRules:
    return OrderRules(SITE, "north", tuple(map(public, keys)), spent or {})


def refused(message, now=None, *, retained=False, **others) -> Why:
    found = rules(**others).weigh(message, now or at(1.0), retained=retained)
    assert isinstance(found, NotObeyed)
    return found.why


def but(**changes) -> SignedOrder:
    return dataclasses.replace(OPEN, **changes)


def test_an_order_of_the_office_is_obeyed():
    assert rules().weigh(on_the_wire(), at(1.0)) == OPEN
    assert rules(keys=(MALLORY, BOB)).weigh(on_the_wire(key=BOB), at(1.0)) == OPEN


def test_each_order_is_heard_as_what_it_is():
    heard = {what: but(what=what).notice() for what in What}
    assert heard == {
        What.OPEN: OpenOrder("wang"),
        What.LOCKDOWN: Order(lockdown=True, by="wang"),
        What.RELEASE: Order(lockdown=False, by="wang"),
        What.IDENTIFY: IdentifyOrder("wang"),
        What.MAINTENANCE_ON: MaintenanceOrder(on=True, by="wang"),
        What.MAINTENANCE_OFF: MaintenanceOrder(on=False, by="wang"),
    }


def test_what_the_broker_kept_does_nothing():
    assert refused(on_the_wire(), retained=True) is Why.RETAINED


def test_an_order_is_obeyed_once():
    assert refused(on_the_wire(), spent={NONCE: NOON}) is Why.REPLAYED


def test_an_order_has_its_time():
    assert refused(on_the_wire(), at(60.0)) is Why.EXPIRED
    assert refused(on_the_wire(), at(-61.0)) is Why.EARLY
    assert isinstance(rules().weigh(on_the_wire(), at(-60.0)), SignedOrder)
    assert refused(on_the_wire(but(expires_utc=NOON + DAY))) is Why.TOO_LONG


@pytest.mark.parametrize("what", What)
def test_with_a_clock_that_nobody_vouches_for_nothing_is_opened(what):
    unsure = at(-DAY, trust=Trust.UNKNOWN)
    found = rules().weigh(on_the_wire(but(what=what)), unsure)
    if what in (What.LOCKDOWN, What.IDENTIFY):
        assert isinstance(found, SignedOrder)
    else:
        assert found == NotObeyed(Why.CLOCK_UNSURE, "wang", what, but().nonce)
    assert refused(on_the_wire(but(what=what)), at(61.0, trust=Trust.UNKNOWN)) is Why.EXPIRED


def test_an_order_for_another_gate_or_site_does_nothing():
    assert refused(on_the_wire(but(gate="south"))) is Why.FOREIGN
    assert refused(on_the_wire(but(site="harbour"))) is Why.FOREIGN
    # Signed for the other gate, its line rewritten for this one.
    assert (
        refused(sealed(OPEN.payload(), signature(OFFICE, to_be_signed(SITE, "south", OPEN.payload()))))
        is Why.FORGED
    )


def test_nobody_else_can_order():
    assert refused(on_the_wire(key=MALLORY)) is Why.FORGED
    assert refused(on_the_wire(), keys=()) is Why.NO_KEYS


MALFORMED = [
    b"",
    b"\n" + b"0" * 128,
    OPEN.payload(),
    on_the_wire()[:-1],
    on_the_wire() + b"\n",
    on_the_wire(payload=OPEN.payload() + b" " * MAX_BYTES),
    *(
        on_the_wire(payload=OPEN.payload().replace(old, new))
        for old, new in (
            (b'"v":1', b'"v":2'),
            (b'"open"', b'"dance"'),
            (b'"open"', b"[]"),
            (NONCE.encode(), b"00"),
            (b'"wang"', b"7"),
            (b'"wang"', b'"' + b"w" * 65 + b'"'),
            (str(NOON).encode(), b'"now"'),
            (str(NOON).encode(), b"-1"),
            (str(NOON).encode(), b"true"),
            (b'"by"', b'"bye"'),
            (OPEN.payload(), b"[1]"),
            (OPEN.payload(), b"[" * 700),
            (OPEN.payload(), b"\xff"),
        )
    ),
]


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_order_is_malformed_however_well_it_is_signed(message):
    assert refused(message) is Why.MALFORMED


def test_of_ten_thousand_bad_orders_none_is_obeyed():
    rng = random.Random(7)
    good = on_the_wire()
    strangers = [ed25519(f"stranger {n}") for n in range(20)]
    spent = {NONCE: NOON + 60}
    for number in range(10_000):
        match number % 5:
            case 0:  # a byte changed
                place = rng.randrange(len(good))
                message = good[:place] + bytes([good[place] ^ (1 << rng.randrange(8))]) + good[place + 1 :]
            case 1:  # a stranger's
                message = on_the_wire(but(nonce=f"{rng.getrandbits(128):032x}"), rng.choice(strangers))
            case 2:  # a piece
                message = good[: rng.randrange(len(good))]
            case 3:  # noise of the right length
                message = rng.randbytes(len(good))
            case _:  # a signature on another order
                other = but(nonce=f"{rng.getrandbits(128):032x}").payload()
                message = other + b"\n" + good.rpartition(b"\n")[2]
        known = spent if message == good else {}
        assert isinstance(rules(spent=known).weigh(message, at(1.0)), NotObeyed)
        if number % 10:
            continue
        # And the good one, at a wrong time, or once more.
        when = at(rng.choice([-3600.0, 60.0, 3600.0, DAY]))
        assert isinstance(rules().weigh(good, when), NotObeyed)
        assert isinstance(rules(spent=spent).weigh(good, at(1.0)), NotObeyed)
