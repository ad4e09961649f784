"""A broker's client against Mosquitto, and against servers that no broker should be."""

import datetime as dt
import ipaddress
import socket
import sys
import threading
from contextlib import contextmanager

import pytest
import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from structlog.testing import capture_logs

from agent.brokers import BROKERS, open_broker
from agent.brokers.backoff import Backoff
from agent.brokers.config import BrokerConfig
from agent.brokers.inbox import Inbox
from agent.brokers.paho import OFFLINE, ONLINE, _hang_up
from agent.config import load
from agent.wiring.sync import connected
from tests import brokers
from tests.small_office import eventually

STATUS = "site/harbour/gate/north/status"
CONNACK = b"\x20\x02\x00\x00"


@contextmanager
def client(port, client_id="north", status=STATUS, topics=(), **settings):
    settings = {"retry_first_s": 0.05, "retry_most_s": 0.2, "connect_timeout_s": 1.0, **settings}
    config = BrokerConfig(host=brokers.LOOPBACK, port=port, **settings)
    broker = open_broker(config, client_id=client_id, status_topic=status, topics=topics)
    try:
        yield broker
    finally:
        broker.close()
        broker.close()


@pytest.fixture
def mosquitto(tmp_path):
    with brokers.mosquitto(tmp_path / "broker") as broker:
        yield broker


def listener(port, *topics):
    return client(port, "listener", "listener/status", topics)


def test_gates_of_one_name_at_two_sites_share_a_broker(mosquitto, tmp_path):
    link = {"host": brokers.LOOPBACK, "port": mosquitto.port, "retry_first_s": 0.05, "retry_most_s": 0.2}
    for site in ("harbour", "garden"):
        (tmp_path / site).mkdir()
        (tmp_path / site / "root.json").touch()
        told = {"site": site, "gate": "north", "state": "state", "broker": link}
        told["board"] = {"name": "simulator", "pins": "mock"}
        (tmp_path / site / "gate.toml").write_text(tomli_w.dumps(told))
    harbour, garden = (load(tmp_path / site / "gate.toml") for site in ("harbour", "garden"))
    with connected(harbour) as one, connected(garden) as other:
        eventually(lambda: one.online and other.online)
        for _ in range(20):
            one.received(0.05)
            other.received(0.05)
        assert (one.connection, other.connection) == (1, 1)


class Ear:
    """Collects payloads in the order they come."""

    def __init__(self, broker):
        self._broker, self.heard = broker, []

    def hears(self, payload):
        self.heard += [payload for _, payload in self._broker.received(0.05)]
        return payload in self.heard


@contextmanager
def server(speak):
    """A server that is no broker: speak(socket) talks to each that comes."""
    with socket.create_server((brokers.LOOPBACK, 0)) as door:
        door.settimeout(0.1)
        stop, visits = threading.Event(), []

        def serve():
            while not stop.is_set():
                try:
                    visitor, _ = door.accept()
                except TimeoutError:
                    continue
                visits.append(visitor)
                with visitor:
                    visitor.settimeout(3)
                    try:
                        speak(visitor)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield door.getsockname()[1], visits
        finally:
            stop.set()
            thread.join()


def read_to_end(visitor):
    while visitor.recv(65536):
        pass


def events(logs):
    return [entry["event"] for entry in logs]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_messages_go_both_ways(mosquitto, version):
    with (
        listener(mosquitto.port, "a/b") as office,
        client(mosquitto.port, topics=[f"many/{i}" for i in range(200)], version=version) as gate,
    ):
        ear, ours = Ear(office), Ear(gate)
        eventually(lambda: office.online and gate.online)
        assert gate.publish("a/b", b"one")
        eventually(lambda: ear.hears(b"one"))
        assert office.publish("many/199", b"two")
        eventually(lambda: ours.hears(b"two"))


def test_connecting_binds_no_port(mosquitto):
    """menshen-sync.service forbids it, and the kernel then answers EPERM. Python tells of each bind."""
    bound, listening = [], True
    sys.addaudithook(
        lambda event, facts: bound.append(facts[1]) if listening and event == "socket.bind" else None
    )
    try:
        with client(mosquitto.port) as broker:
            eventually(lambda: broker.greeted)
    finally:
        listening = False
    assert bound == []


def test_offline_nothing_is_kept(mosquitto):
    mosquitto.stop()
    with client(mosquitto.port) as gate:
        assert not gate.publish("a/b", b"lost")
        mosquitto.start()
        eventually(lambda: gate.online)
        with listener(mosquitto.port, "a/b") as office:
            ear = Ear(office)
            eventually(lambda: office.online)
            assert gate.publish("a/b", b"kept")
            eventually(lambda: ear.hears(b"kept"))
            assert ear.heard == [b"kept"]


def test_the_status_is_right_at_birth_after_a_broken_link_and_after_a_goodbye(mosquitto):
    with listener(mosquitto.port, STATUS) as office:
        ear = Ear(office)
        with client(mosquitto.port) as gate:
            eventually(lambda: ear.hears(ONLINE))
            ear.heard.clear()
            first = gate.connection
            _hang_up(gate._greeted)  # as a pulled cable does
            eventually(lambda: ear.hears(ONLINE))
            assert ear.heard == [OFFLINE, ONLINE]
            assert gate.connection == first + 1
        ear.heard.clear()
        eventually(lambda: ear.hears(OFFLINE))
    with listener(mosquitto.port, STATUS) as later:
        ear = Ear(later)
        eventually(lambda: ear.hears(OFFLINE))


def test_a_broker_that_forgot_everything_is_told_the_status_again(mosquitto):
    with client(mosquitto.port) as gate:
        eventually(lambda: gate.online)
        mosquitto.kill()
        eventually(lambda: not gate.online)
        mosquitto.start()
        with listener(mosquitto.port, STATUS) as office:
            ear = Ear(office)
            eventually(lambda: ear.hears(ONLINE))


def test_a_refused_publish_is_told_where_the_broker_can_say_so(tmp_path):
    password = tmp_path / "gate.pw"
    password.write_text("word\n")
    rules = brokers.acl("harbour")
    with brokers.mosquitto(tmp_path / "broker", users={"north": "word"}, acl=rules) as broker:
        settings = {"username": "north", "password_file": password, "version": "5"}
        with capture_logs() as logs, client(broker.port, **settings) as gate:
            eventually(lambda: gate.online)
            assert gate.publish("site/harbour/gate/south/log", b"not ours to write")
            eventually(lambda: "broker.publish_refused" in events(logs))


def test_a_packet_that_announces_too_much_is_not_read(mosquitto):
    with (
        listener(mosquitto.port) as office,
        capture_logs() as logs,
        client(mosquitto.port, topics=("a/b",), max_frame_bytes=8192) as gate,
    ):
        eventually(lambda: office.online and gate.online)
        first, ear = gate.connection, Ear(gate)
        office.publish("a/b", bytes(8000))
        eventually(lambda: ear.hears(bytes(8000)))
        office.publish("a/b", bytes(9000))
        eventually(lambda: gate.connection > first)
        office.publish("a/b", b"still there")
        eventually(lambda: ear.hears(b"still there"))
    assert "broker.frame_refused" in events(logs)
    assert bytes(9000) not in ear.heard


def test_two_hundred_announced_megabytes_are_refused_at_their_header():
    def speak(visitor):
        visitor.recv(1024)
        visitor.sendall(CONNACK + b"\x30\x80\x80\x80\x60")  # PUBLISH of 201,326,592 bytes
        read_to_end(visitor)

    with server(speak) as (port, visits), capture_logs() as logs, client(port):
        eventually(lambda: len(visits) > 1)
    refused = next(entry for entry in logs if entry["event"] == "broker.frame_refused")
    assert refused["bytes"] == 201_326_592


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x02\x00\x63",
        b"\x20\xff\xff\xff\xff\xff",
        b"\x20\x00",
        CONNACK + b"\x90\x01\x00",
        CONNACK + b"\x32\x04\x00\x02\xff\xfe",
        CONNACK + b"\x30\x03\x00\x01\xff",
        CONNACK + b"\xf0\x00",
        b"",
    ],
)
def test_rubbish_from_a_server_ends_the_connection_and_not_the_client(rubbish):
    def speak(visitor):
        visitor.recv(1024)
        visitor.sendall(rubbish)

    with server(speak) as (port, visits), client(port) as gate:
        eventually(lambda: len(visits) > 2)
        assert gate._thread.is_alive()


def test_a_server_that_accepts_and_says_nothing_is_left():
    with server(read_to_end) as (port, visits), client(port, connect_timeout_s=0.3) as gate:
        eventually(lambda: len(visits) > 1)
        assert not gate.online


def never_answers(visitor):
    visitor.recv(1024)
    visitor.sendall(CONNACK)
    read_to_end(visitor)


def test_nothing_piles_up_before_a_broker_that_does_not_answer():
    with server(never_answers) as (port, _), client(port, max_unanswered=8) as gate:
        eventually(lambda: gate.online)
        taken = [gate.publish("a/b", b"hello") for _ in range(100)]
        assert sum(taken) == 7  # and the status
        assert gate.online


def test_a_broker_that_has_not_answered_for_long_is_left():
    with (
        server(never_answers) as (port, visits),
        capture_logs() as logs,
        client(port, answer_within_s=0.2) as gate,
    ):
        eventually(lambda: gate.publish("a/b", b"hello") or len(visits) > 1)
        eventually(lambda: not gate.publish("a/b", b"hello") and len(visits) > 1)
    assert "broker.deaf" in events(logs)


def _may(*, sign: bool) -> x509.KeyUsage:
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        decipher_only=False,
        **dict.fromkeys(names, False),
    )


def test_a_certificate_on_both_sides(tmp_path):
    authority = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=site authority")

    def certified(who, issuer_key, *, ca=False):
        key = authority if ca else ec.generate_private_key(ec.SECP256R1())
        began = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name if ca else x509.Name.from_rfc4514_string(f"CN={who}"))
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # Python 3.13 verifies as RFC 5280, 4.2.1.1 to 4.2.1.3 have it: keys named, an authority marked.
            .add_extension(_may(sign=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(brokers.LOOPBACK))]),
                critical=False,
            )
            .sign(issuer_key, hashes.SHA256())
        )
        (tmp_path / f"{who}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / f"{who}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    certified("ca", authority, ca=True)
    certified("broker", authority)
    certified("north", authority)
    settings = (
        f"cafile {tmp_path}/ca.crt\ncertfile {tmp_path}/broker.crt\nkeyfile {tmp_path}/broker.key\n"
        "require_certificate true\nuse_identity_as_username true"
    )
    with brokers.mosquitto(tmp_path / "broker", settings=settings) as broker:
        own = {"tls_cert": tmp_path / "north.crt", "tls_key": tmp_path / "north.key"}
        with client(broker.port, topics=("a/b",), tls_ca=tmp_path / "ca.crt", **own) as gate:
            ear = Ear(gate)
            eventually(lambda: gate.online)
            assert gate.publish("a/b", b"sealed")
            eventually(lambda: ear.hears(b"sealed"))


def test_a_missing_secret_is_told_and_waited_for(mosquitto, tmp_path):
    password = tmp_path / "gate.pw"
    with capture_logs() as logs, client(mosquitto.port, username="north", password_file=password) as gate:
        eventually(lambda: "broker.unreachable" in events(logs))
        password.write_bytes(b"\xff\xfe sesame")
        eventually(lambda: "UTF-8" in str(logs))
        password.write_text("good\n")
        eventually(lambda: gate.online)
    assert "sesame" not in str(logs)
    assert len(logs) < 8  # a fault is told when it begins, not at each attempt


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"password_file": "x"}, "username"),
        ({"tls_cert": "x", "tls_ca": "y"}, "tls_key"),
        ({"tls_cert": "x", "tls_key": "y"}, "tls_ca"),
        ({"retry_first_s": 9, "retry_most_s": 1}, "retry_most_s"),
        ({"port": 0}, "port"),
        ({"colour": "red"}, "colour"),
        ({"driver": "pigeon"}, "driver"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, told):
    with pytest.raises(ValidationError, match=told):
        BrokerConfig(host="broker", **settings)


def test_the_settings_know_every_driver():
    assert [BrokerConfig(host="broker", driver=name).driver for name in BROKERS] == list(BROKERS)


def test_waits_double_up_to_a_ceiling_and_differ_from_gate_to_gate():
    backoff = Backoff(0.5, 8.0)
    waits = [backoff.wait_s() for _ in range(8)]
    for wait, whole in zip(waits, [0.5, 1, 2, 4, 8, 8, 8, 8], strict=True):
        assert whole / 2 <= wait <= whole
    backoff.calm()
    assert backoff.wait_s() <= 0.5
    assert len(set(waits)) == 8


def test_a_full_inbox_drops_the_oldest():
    inbox = Inbox(max_messages=3, max_bytes=100)
    assert [inbox.put("t", bytes([i])) for i in range(5)] == [0, 0, 0, 1, 1]
    assert inbox.put("t", bytes(97)) == 2
    assert [len(payload) for _, payload in inbox.take(0)] == [1, 97]
    assert inbox.put("t", bytes(100)) == 1
    assert inbox.take(0.01) == []
