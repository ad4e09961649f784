"""A site's enrolment authority: it signs the certificates by which gates sign in to the broker.

It is no more than that: X.509 name constraints bind it to the subjects
`O=<site>`, or to the gates that were named when it was made, and it can make no
further authority. A gate's certificate is for signing in as a client, under
`CN=<gate>`, which a broker takes for the user name.

    FOLDER/enrolment-ca.pem          what the broker trusts (cafile)
    FOLDER/enrolment-ca.key          its key, PKCS #8, encrypted, mode 0600
    FOLDER/issued/<gate>-<key>.pem   what was signed, one file to a kiosk's key
    FOLDER/revoked.pem               what the broker must refuse (crlfile)
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.core.allowlist import NAME
from provisioning import durable

CERTIFICATE, KEY, ISSUED, REVOKED = "enrolment-ca.pem", "enrolment-ca.key", "issued", "revoked.pem"
AUTHORITY_DAYS: Final = 5 * 365
GATE_DAYS: Final = 400
_CRL_DAYS: Final = 30
_EARLIER: Final = timedelta(hours=1)  # for a broker whose clock is a little behind
_LARGEST: Final = 16 * 1024


class AuthorityFault(Exception):
    """It cannot sign this; says what to do."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An enrolment authority, opened."""

    folder: Path
    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @classmethod
    def make(
        cls, folder: Path, site: str, passphrase: bytes, gates: Sequence[str] = (), days: int = AUTHORITY_DAYS
    ) -> Self:
        """Make one for a site, or for some gates of it.

        Raises:
            AuthorityFault: there is one already.
            OSError: the disk's reason.
        """
        if (folder / KEY).exists() or (folder / CERTIFICATE).exists():
            raise AuthorityFault(f"{folder} has an enrolment authority already; take another folder")
        key = generate_private_key(SECP256R1())
        name = x509.Name(
            (
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, site),
                x509.NameAttribute(NameOID.COMMON_NAME, f"menshen enrolment {site}"),
            )
        )
        permitted = [x509.DirectoryName(subject(site, gate)) for gate in gates] or [
            x509.DirectoryName(subject(site))
        ]
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.NameConstraints(permitted, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        durable.make_directory(folder, 0o700)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
        durable.write(folder / KEY, pem, 0o600)
        durable.write(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        return cls(folder, certificate, key)

    @classmethod
    def open(cls, folder: Path, passphrase: bytes) -> Self:
        """Open one that was made.

        Raises:
            AuthorityFault: it is missing or damaged, or the passphrase is another's.
        """
        try:
            certificate = x509.load_pem_x509_certificate(_read(folder / CERTIFICATE))
            key = load_pem_private_key(_read(folder / KEY), passphrase)
        except OSError as fault:
            raise AuthorityFault(f"{fault.filename}: {fault.strerror}; see `menshen-provision ca`") from fault
        except (ValueError, TypeError) as fault:
            raise AuthorityFault(
                f"{folder / KEY} does not open with this passphrase, or is damaged"
            ) from fault
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise AuthorityFault(f"{folder}: the key is not that of the certificate; restore both")
        return cls(folder, certificate, key)

    def certify(self, csr: bytes, site: str, gate: str, days: int = GATE_DAYS) -> bytes:
        """The certificate (PEM) for a kiosk's request, signed now unless it was signed before.

        Args:
            csr: PKCS #10, DER, as it came over the cable.
        Raises:
            AuthorityFault: the request is not this gate's, or this authority may not sign for it.
        """
        key = requested(csr, site, gate)
        self._permits(site, gate)
        kept = issued_file(self.folder, gate, key)
        now = datetime.now(UTC)
        if certificate := _still_good(kept, key, now):
            return certificate.public_bytes(Encoding.PEM)
        until = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        if until < now + timedelta(days=1):
            raise AuthorityFault(
                f"the enrolment authority ends at {until:%Y-%m-%d}; ask the office for a new one"
            )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject(site, gate))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage((ExtendedKeyUsageOID.CLIENT_AUTH,)), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, SHA256())
        )
        pem = certificate.public_bytes(Encoding.PEM)
        durable.make_directory(kept.parent)
        durable.write(kept, pem)  # before it leaves: what was signed can be revoked
        return pem

    def revoke(self, serials: Iterable[int]) -> Path:
        """List certificates as revoked, beside those that are listed; returns the list's file.

        Raises:
            AuthorityFault: the list that stands there is not this authority's.
        """
        path = self.folder / REVOKED
        now = datetime.now(UTC)
        listed: dict[int, x509.RevokedCertificate] = {}
        if path.exists():
            try:
                standing = x509.load_pem_x509_crl(path.read_bytes())
            except ValueError as fault:
                raise AuthorityFault(f"{path} is damaged: {fault}; restore it") from fault
            if not standing.is_signature_valid(self.key.public_key()):
                raise AuthorityFault(f"{path} was signed by another authority; move it away")
            listed = {one.serial_number: one for one in standing}
        for serial in serials:
            if serial not in listed:
                builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
                listed[serial] = builder.build()
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _EARLIER)
            .next_update(now + timedelta(days=_CRL_DAYS))
        )
        for one in listed.values():
            crl = crl.add_revoked_certificate(one)
        durable.write(path, crl.sign(self.key, SHA256()).public_bytes(Encoding.PEM))
        return path

    def _permits(self, site: str, gate: str) -> None:
        constraints = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        wanted = list(subject(site, gate))
        for permitted in constraints.permitted_subtrees or ():
            if isinstance(permitted.value, x509.Name):
                begins = list(permitted.value)
                if wanted[: len(begins)] == begins:
                    return
        raise AuthorityFault(
            f"this enrolment authority may not sign for gate {gate} of site {site}; "
            "it was made for other gates"
        )


def subject(site: str, gate: str | None = None) -> x509.Name:
    """The name of a gate's certificate, or the beginning that all of a site's have in common."""
    own = (x509.NameAttribute(NameOID.COMMON_NAME, gate),) if gate else ()
    return x509.Name((x509.NameAttribute(NameOID.ORGANIZATION_NAME, site), *own))


def requested(csr: bytes, site: str, gate: str) -> EllipticCurvePublicKey:
    """The key that a request proves to hold, if all else in it is as it should be.

    Raises:
        AuthorityFault: it is not.
    """
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise AuthorityFault("the kiosk asks for a certificate for a key that is not P-256; update it")
        if not request.is_signature_valid:
            raise AuthorityFault("the kiosk's request for a certificate is not signed by its own key")
        found = request.subject
    except ValueError as fault:
        raise AuthorityFault(f"the kiosk's request for a certificate is damaged: {fault}") from fault
    if found != subject(site, gate):
        raise AuthorityFault(
            f"the kiosk asks for a certificate as {found.rfc4514_string()!r}, "
            f"wanted {subject(site, gate).rfc4514_string()!r}"
        )
    return key


def issued_file(folder: Path, gate: str, key: EllipticCurvePublicKey) -> Path:
    """Where a gate's certificate is kept, by the key that it is for."""
    if not NAME.fullmatch(gate):
        raise AuthorityFault(f"found gate {gate!r}, wanted a-z, 0-9 and -")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return folder / ISSUED / f"{gate}-{hashlib.sha256(spki).hexdigest()[:16]}.pem"


def serial_of(pem: bytes) -> str:
    """A certificate's serial number in hex; empty if this is none."""
    try:
        return f"{x509.load_pem_x509_certificate(pem).serial_number:x}"
    except ValueError:
        return ""


def check_issued(pem: bytes, key: EllipticCurvePublicKey, ca_pem: bytes) -> None:
    """Check a certificate that somebody else signed.

    Raises:
        AuthorityFault: it is for another key, or by another authority.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        authority = x509.load_pem_x509_certificate(ca_pem)
    except ValueError as fault:
        raise AuthorityFault(f"this is no certificate in PEM: {fault}") from fault
    if certificate.public_key() != key:
        raise AuthorityFault("the certificate is for another kiosk's key; sign this kiosk's request")
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError) as fault:
        raise AuthorityFault("the certificate was signed by another authority than the site's") from fault


def _still_good(kept: Path, key: EllipticCurvePublicKey, now: datetime) -> x509.Certificate | None:
    """The certificate signed before, while more than half of its days are left."""
    try:
        certificate = x509.load_pem_x509_certificate(kept.read_bytes())
    except (OSError, ValueError):
        return None
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate if certificate.public_key() == key and ends - now > (ends - begins) / 2 else None


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)
