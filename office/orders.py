"""Orders to gates: signed here, carried by the broker, believed by the gate alone.

An order is published once, QoS 1 and never retained. Nobody here waits for
the gate: what it did comes back as its event, `order.obeyed` or
`order.refused`.
"""

import secrets
import ssl
import time
from typing import Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from agent.core.feed import order_topic
from agent.core.orders import MAX_BYTES, MAX_LIFE_S, SignedOrder, What, sealed, to_be_signed
from office.faults import OfficeFault
from office.ingest.subscriber import Address
from office.keyring import OnlineKey

USUAL_LIFE_S: Final = 60
_PATIENCE_S: Final = 10.0
_LOOP_S: Final = 0.1
_PASSWORD_BYTES: Final = 1024


def order(  # noqa: PLR0913  what an order says
    site: str,
    gate: str,
    what: What,
    *,
    by: str,
    why: str,
    key: OnlineKey,
    utc: float,
    life_s: int = USUAL_LIFE_S,
    nonce: str = "",
) -> bytes:
    """A signed order for one gate.

    Args:
        life_s: seconds from now in which the gate may obey it.
        nonce: 32 hex digits that nobody used before; by it the gate's answer is found. Empty makes one.
    Raises:
        OfficeFault: it says more than an order may.
    """
    if not 0 < life_s <= MAX_LIFE_S:
        raise OfficeFault(f"found a life of {life_s} s, wanted 1 to {MAX_LIFE_S}: an order is for now")
    if max(len(by), len(why)) > 64:
        raise OfficeFault("found a name or a reason of more than 64 characters; say it shorter")
    issued = int(utc)
    signed = SignedOrder(site, gate, what, nonce or secrets.token_hex(16), issued, issued + life_s, by, why)
    payload = signed.payload()
    message = sealed(payload, key.sign(to_be_signed(site, gate, payload)))
    if len(message) > MAX_BYTES:
        raise OfficeFault("the order is longer than a gate reads; say the reason shorter")
    return message


def send(address: Address, site: str, gate: str, message: bytes) -> None:
    """Hand an order to the broker.

    Raises:
        OfficeFault: it is away, or does not let us.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"menshen-order-{secrets.token_hex(6)}")
    client.connect_timeout = _PATIENCE_S
    try:
        if address.username:
            client.username_pw_set(address.username, _password(address))
        client.connect(address.host, address.port, keepalive=30)
        give_up = time.monotonic() + _PATIENCE_S
        sent: mqtt.MQTTMessageInfo | None = None
        while sent is None or not sent.is_published():
            if client.loop(_LOOP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS or time.monotonic() > give_up:
                raise OfficeFault(
                    f"the broker at {address.host}:{address.port} did not take the order; look at its log and"
                    " at the name and password"
                )
            if sent is None and client.is_connected():
                sent = client.publish(order_topic(site, gate), message, 1)
        client.disconnect()
        client.loop(_LOOP_S)
    except (OSError, ValueError, ssl.SSLError) as fault:
        raise OfficeFault(f"the broker at {address.host}:{address.port} can't be reached: {fault}") from fault


def _password(address: Address) -> str | None:
    if address.password_file is None:
        return None
    with address.password_file.open("rb") as file:
        return file.read(_PASSWORD_BYTES).split(b"\n", 1)[0].decode().rstrip("\r")
