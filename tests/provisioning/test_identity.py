"""A gate's certificate: asked for by the kiosk, signed on the bench, believed by the broker."""

import json
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.brokers import open_broker
from agent.config import examine
from agent.core.keys import PublicKey, verify
from provisioning import changes, identity, site_file, wire
from provisioning.authority import Authority, AuthorityFault, serial_of
from provisioning.bench import Refusal
from provisioning.credentials import Credentials
from provisioning.enrol import enrol
from provisioning.technician import Technician
from tests import brokers

from .workbench import NORTH, SOUTH, Told, make_site

PASSPHRASE = b"open sesame"


def self_signed_broker(folder):
    """A broker's own certificate, for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "server.pem"


@pytest.fixture(scope="module")
def ana(tmp_path_factory):
    return Technician.make("ana", tmp_path_factory.mktemp("ana") / "ana.pem", PASSPHRASE)


@pytest.fixture(scope="module")
def certified(tmp_path_factory, ana):
    """A site whose gates sign in with certificates; and its authority."""
    path = make_site(tmp_path_factory.mktemp("certified") / "garden")
    folder = path.parent
    authority = Authority.make(folder / "enrolment", "garden", PASSPHRASE)
    self_signed_broker(folder)
    facts = path.read_text()
    facts = facts.replace('username = "{gate}"\n', "").replace(
        'password_file = "secrets/{gate}.password"', 'tls_ca = "server.pem"'
    )
    facts = facts.replace('host = "127.0.0.1"', 'host = "localhost"')
    facts += f'[identity]\nauthority = "enrolment"\n[technicians]\nana = "{ana.public}"\n'
    path.write_text(facts)
    return site_file.read(path), authority


def csr_of(folder, gate="north", site="garden"):
    return identity.request_certificate(folder, site, gate)


def test_an_enrolled_gate_signs_in_to_mosquitto_by_its_certificate_alone(room, cable, certified, tmp_path):
    site, authority = certified
    held = Credentials(authority=authority)
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told(), credentials=held)
    config, faults = examine(room.etc / "gate.toml")
    assert faults == ()
    settings = "\n".join(
        (
            f"cafile {authority.folder / 'enrolment-ca.pem'}",
            f"certfile {site.folder / 'server.pem'}",
            f"keyfile {site.folder / 'server.key'}",
            *("require_certificate true", "use_identity_as_username true", f"crlfile {authority.revoke(())}"),
            *("tls_version tlsv1.2", "allow_anonymous false"),
        )
    )
    with brokers.mosquitto(tmp_path / "broker", settings=settings, acl=brokers.acl("garden")) as broker:
        there = config.broker.model_copy(update={"port": broker.port})
        status = "site/garden/gate/north/status"
        assert signed_in(there, status)
        stranger = there.model_copy(update={"tls_cert": None, "tls_key": None})
        assert not signed_in(stranger, status)
        authority.revoke([int(serial_of((room.etc / "broker-cert.pem").read_bytes()), 16)])
        broker.stop()
        broker.start()
        assert not signed_in(there, status)


def signed_in(config, status):
    """Whether a connection stands, and its status could be published, within a few seconds."""
    broker = open_broker(config, client_id="north", status_topic=status)
    try:
        for _ in range(20):
            broker.received(0.1)
            if broker.online:
                return True
        return False
    finally:
        broker.close()


def test_the_keys_stay_on_the_kiosk_and_only_their_user_reads_them(room, cable, certified):
    site, authority = certified
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told(), credentials=Credentials(authority=authority))
    for name in (identity.BROKER_KEY, identity.JOURNAL_KEY):
        assert (room.state / name).stat().st_mode & 0o777 == 0o600
    installed = b"".join(room.in_force().values()) + (room.state / "provision.jsonl").read_bytes()
    assert b"PRIVATE KEY" not in installed


def test_a_gate_enrolled_again_keeps_its_certificate_until_half_its_days_are_gone(certified, tmp_path):
    _, authority = certified
    csr = csr_of(tmp_path)
    first = authority.certify(csr, "garden", "north")
    assert authority.certify(csr_of(tmp_path), "garden", "north") == first
    assert authority.certify(csr_of(tmp_path / "another"), "garden", "north") != first


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed here")
def test_openssl_agrees_that_a_gate_of_the_site_is_good_and_another_sites_is_not(certified, tmp_path):
    """The authority refuses to sign for another site; and were it made to, nobody would believe it."""
    _, authority = certified
    good = tmp_path / "good.pem"
    good.write_bytes(authority.certify(csr_of(tmp_path), "garden", "north"))
    with pytest.raises(AuthorityFault, match="made for other gates"):
        authority.certify(csr_of(tmp_path, site="harbour"), "harbour", "north")
    forced = tmp_path / "forced.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "harbour"),
            x509.NameAttribute(NameOID.COMMON_NAME, "north"),
        ]
    )
    forged = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(authority.key, SHA256())
    )
    forced.write_bytes(forged.public_bytes(Encoding.PEM))
    assert [verified(authority, path) for path in (good, forced)] == [True, False]


def verified(authority, path):
    ca = authority.folder / "enrolment-ca.pem"
    command = ["openssl", "verify", "-purpose", "sslclient", "-CAfile", ca, path]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_an_authority_for_one_gate_signs_for_no_other(tmp_path):
    authority = Authority.make(tmp_path / "lent", "garden", PASSPHRASE, ["north"], days=30)
    assert authority.certify(csr_of(tmp_path), "garden", "north")
    with pytest.raises(AuthorityFault, match="made for other gates"):
        authority.certify(csr_of(tmp_path, "south"), "garden", "south")


@pytest.mark.parametrize("wrong", ["another gate", "another curve", "not its own signature", "rubbish"])
def test_a_request_that_is_not_what_it_should_be_is_not_signed(certified, tmp_path, wrong):
    _, authority = certified
    csr = csr_of(tmp_path)
    if wrong == "another gate":
        csr = csr_of(tmp_path, "south")
    elif wrong == "another curve":
        key = ec.generate_private_key(ec.SECP384R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.load_der_x509_csr(csr).subject)
        csr = request.sign(key, SHA256()).public_bytes(Encoding.DER)
    elif wrong == "not its own signature":
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        request = x509.load_der_x509_csr(csr)
        own = request.public_key().public_bytes(*POINT)
        csr = csr.replace(own, other.public_bytes(*POINT))
    else:
        csr = csr[:-10] + b"\xff" * 5
    with pytest.raises(AuthorityFault, match="the kiosk"):
        authority.certify(csr, "garden", "north")


POINT = (Encoding.X962, PublicFormat.UncompressedPoint)


def test_where_the_authority_stays_in_the_office_the_bench_says_how_to_go_on(room, cable, certified):
    site, authority = certified
    plan = SOUTH
    with room.serving(room.kiosk()):
        with pytest.raises(AuthorityFault, match="ca sign") as refused:
            enrol(room.bench, site, plan, Told())
        assert room.in_force() == {}
        request, kept = (
            path for path in str(refused.value).replace(",", " ").split() if path.endswith((".csr", ".pem"))
        )
        csr = x509.load_pem_x509_csr(Path(request).read_bytes())
        authority.certify(csr.public_bytes(Encoding.DER), "garden", "south")
        assert enrol(room.bench, site, plan, Told()).gate == "south"
    assert room.in_force()["broker-cert.pem"] == Path(kept).read_bytes()


def test_an_authority_opens_with_its_passphrase_only(certified, tmp_path):
    _, authority = certified
    with pytest.raises(AuthorityFault, match="does not open with this passphrase"):
        Authority.open(authority.folder, b"wrong")
    with pytest.raises(AuthorityFault, match="No such file"):
        Authority.open(tmp_path, PASSPHRASE)
    with pytest.raises(AuthorityFault, match="already"):
        Authority.make(authority.folder, "garden", PASSPHRASE)
    assert Authority.open(authority.folder, PASSPHRASE).certificate == authority.certificate
    assert ssl.create_default_context(cafile=authority.folder / "enrolment-ca.pem")


def test_a_decommissioned_kiosk_is_blank_and_its_record_is_signed_by_the_key_it_destroyed(
    room, cable, certified, ana
):
    site, authority = certified
    for name in ("gate", "sync"):
        (room.state / name).mkdir()
        (room.state / name / "journal.db").write_bytes(b"people's comings and goings")
    at = "2026-03-01T08:00:00.000Z"
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told(), credentials=Credentials(authority=authority))
        certificate = (room.etc / "broker-cert.pem").read_bytes()
        with room.bench() as bench:
            bench.hello()
            bench.prove(ana)
            with pytest.raises(Refusal, match="is it the right one"):
                bench.call(wire.DECOMMISSION, wire.DecommissionParams(gate="south", at=at))
            record = bench.call(wire.DECOMMISSION, wire.DecommissionParams(gate="north", at=at))
        with room.bench() as bench:  # the cable was pulled before the answer came: ask again
            bench.hello()
            again = bench.call(wire.DECOMMISSION, wire.DecommissionParams(gate="north", at=at))
    assert again == record
    assert record.by == "ana"
    assert record.certificate == serial_of(certificate)
    assert key_verifies(record)
    assert room.in_force() == {}
    left = {path.name for path in room.folder.rglob("*") if path.is_file() and not path.is_symlink()}
    assert left <= {"device-id", "provision.jsonl", "decommissioned.json", "provision-tally"}


def key_verifies(record):
    text = wire.decommission_text(record)
    return verify(PublicKey.parse(record.journal_key), bytes.fromhex(record.signature), text)


def test_a_wipe_that_was_cut_short_is_finished_at_the_next_start(room, cable, certified, ana):
    site, authority = certified
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told(), credentials=Credentials(authority=authority))
    (room.state / "decommissioning").touch()
    room.kiosk()
    assert room.in_force() == {}
    assert not list((room.state / "keys").rglob("*.pem"))


def test_a_backup_holds_no_secret_and_makes_another_kiosk_the_same_gate(
    room, cable, certified, ana, tmp_path
):
    site, authority = certified
    held = Credentials(ana, authority)
    with room.serving(room.kiosk()):
        first = enrol(room.bench, site, NORTH, Told(), credentials=held)
        with room.bench() as bench:
            bench.hello()
            bench.prove(ana)
            backup = changes.back_up(bench)
    backup.write(tmp_path / "north.backup")
    assert "PRIVATE" not in (tmp_path / "north.backup").read_text()
    assert json.loads((tmp_path / "north.backup").read_text())["gate"] == "north"
    before = room.in_force()
    for old in (room.etc, room.state):
        old.rename(old.with_name(f"old {old.name}"))
        old.mkdir()
    with room.serving(room.kiosk()), room.bench() as bench:
        bench.hello()
        done = changes.restore(bench, changes.read_backup(tmp_path / "north.backup"), site, held, Told())
    assert (done.gate, done.journal_key != first.journal_key) == ("north", True)
    after = room.in_force()
    assert after.pop("broker-cert.pem") != before.pop("broker-cert.pem")
    assert after == before
