"""A base system leaves its image as a signed bundle, and nothing else does."""

import datetime as dt
import hashlib
import random
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_tools.image import account, carried
from firmware_tools.image.ready import PATH
from firmware_tools.image.recipe import MIB, ImageFault
from tests.image.test_account import types

missing = [tool for tool in ("rauc", "mksquashfs") if shutil.which(tool, path=PATH) is None]
real = pytest.mark.skipif(
    bool(missing), reason=f"{', '.join(missing)} is missing: apt install rauc squashfs-tools"
)


def signer(folder, name="vendor"):
    """A certificate and its key, made now."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    found = carried.Signer(folder / f"{name}.pem", folder / f"{name}.key")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return found


def an_image(folder, held, **facts):
    """An image whose first base system is this file, and its account."""
    path = folder / "menshen.img"
    whole = held + bytes(-len(held) % MIB)
    path.write_bytes(bytes(MIB) + whole)
    partition = account.Held(
        name="menshen-base-a", start=MIB, bytes=len(whole), sha256=hashlib.sha256(whole).hexdigest()
    )
    facts = {"base_version": "2026.12.01.0000", **facts}
    said = account.Account(
        format=1, recipe="trixie", arch="amd64", version="0.2.0", bundle="ab" * 32, built_utc=1_790_000_000,
        contents="cd" * 32, partitions=(partition,), packages={}, **facts,
    )  # fmt: skip
    account.write(path.with_suffix(".json"), said)
    return path, said


@pytest.fixture(scope="module")
def squashfs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squashfs")
    (folder / "root").mkdir()
    (folder / "root/init").write_bytes(random.Random(7).randbytes(1 << 16))
    subprocess.run(
        ["mksquashfs", folder / "root", folder / "base.img", "-quiet", "-no-progress"],
        check=True,
        capture_output=True,
        env={"PATH": PATH},
    )
    return (folder / "base.img").read_bytes()


@real
def test_a_bundle_holds_the_base_system_and_says_which(tmp_path, squashfs):
    image, _ = an_image(tmp_path, squashfs)
    vendor, stranger = signer(tmp_path), signer(tmp_path, "stranger")
    said = types(
        "base", image, "--out", tmp_path / "out", "--certificate", vendor.certificate, "--key", vendor.key
    )
    (bundle,) = (tmp_path / "out").iterdir()
    assert bundle.name == "menshen-base-2026.12.01.0000-trixie-amd64.raucb"
    assert f"{bundle}\n" in said
    told = rauc("info", f"--keyring={vendor.certificate}", bundle)
    assert told.returncode == 0, told.stderr
    assert "menshen-trixie-amd64" in told.stdout
    assert hashlib.sha256(squashfs + bytes(-len(squashfs) % 4096)).hexdigest() in told.stdout
    assert rauc("info", f"--keyring={stranger.certificate}", bundle).returncode != 0


@real
def test_a_key_that_is_not_the_certificates_signs_nothing(tmp_path, squashfs):
    image, said = an_image(tmp_path, squashfs)
    vendor, stranger = signer(tmp_path), signer(tmp_path, "stranger")
    with pytest.raises(ImageFault, match=r"rauc made no bundle: .*key"):
        carried.carry(image, said, tmp_path / "out", carried.Signer(vendor.certificate, stranger.key))
    assert list((tmp_path / "out").iterdir()) == []


@real
@pytest.mark.parametrize(
    ("held", "facts", "why"),
    [(b"hsqs" + bytes(64), {"base_version": ""}, "older than bundles of base systems"),
     (b"something else" * 9, {}, "found no squashfs in menshen-base-a")],
)  # fmt: skip
def test_what_is_no_base_system_is_refused(tmp_path, held, facts, why):
    image, said = an_image(tmp_path, held, **facts)
    with pytest.raises(ImageFault, match=why):
        carried.carry(image, said, tmp_path / "out", signer(tmp_path))


@real
def test_a_base_system_that_is_not_as_its_account_says_is_refused(tmp_path):
    image, _ = an_image(tmp_path, b"hsqs" + bytes(64))
    with image.open("r+b") as file:
        file.seek(MIB + 1000)
        file.write(b"x")
    vendor = signer(tmp_path)
    said = types(
        "base", image, "--out", tmp_path, "--certificate", vendor.certificate, "--key", vendor.key, fails=True
    )
    assert "is not what its account says" in said


def test_an_image_is_given_the_certificate_and_never_the_key(tmp_path):
    vendor = signer(tmp_path)
    assert carried.certificate(vendor.certificate) == vendor.certificate.read_bytes()
    both = tmp_path / "both.pem"
    both.write_bytes(vendor.certificate.read_bytes() + vendor.key.read_bytes())
    with pytest.raises(ImageFault, match="would go into every image"):
        carried.certificate(both)
    with pytest.raises(ImageFault, match="is no certificate in PEM form"):
        carried.certificate(vendor.key)
    with pytest.raises(ImageFault, match="can't be read: No such file"):
        carried.certificate(tmp_path / "none.pem")


def rauc(*arguments):
    return subprocess.run(
        ["rauc", *map(str, arguments)], check=False, capture_output=True, text=True, env={"PATH": PATH}
    )
