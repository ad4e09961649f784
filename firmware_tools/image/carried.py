"""A base system as a signed bundle, which RAUC installs beside the one that runs.

It is the first base partition's squashfs, kernel and initrd inside, in RAUC's `verity` format: every block is checked while
it is read. The signature is X.509, for RAUC knows no other; the certificate went into the image when that was built.
"""

import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from firmware_tools.image import account as accounts
from firmware_tools.image.packing import Partition
from firmware_tools.image.ready import PATH
from firmware_tools.image.recipe import MIB, ImageFault

BASE: Final = "menshen-base-a"
_MAX_BYTES: Final = 64 * 1024
_BLOCK: Final = 4096
_SUPERBLOCK: Final = struct.Struct("<4s36xQ")
"""Magic, and the bytes that are used. Source: the kernel's Documentation/filesystems/squashfs.rst, squashfs_fs.h."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who makes base systems: a certificate and its private key, PEM."""

    certificate: Path
    key: Path


def certificate(path: Path) -> bytes:
    """The certificate that an image is to know, as PEM and nothing else.

    Raises:
        ImageFault: it is none, or a private key lies beside it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
        x509.load_pem_x509_certificates(data)
    except OSError as fault:
        raise ImageFault(f"the certificate {path} can't be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise ImageFault(
            f"{path} is no certificate in PEM form; docs/image.md says how to make one"
        ) from fault
    if b"PRIVATE KEY" in data:
        raise ImageFault(
            f"{path} has a private key in it, and would go into every image; give the certificate alone"
        )
    return data


def carry(image: Path, said: accounts.Account, out: Path, signer: Signer) -> Path:
    """Make the bundle of an image's base system.

    Args:
        said: the image's account, which its base system must be as.
    Returns:
        OUT/menshen-base-VERSION-….raucb
    Raises:
        ImageFault: and nothing is left of it.
    """
    if shutil.which("rauc", path=PATH) is None:
        raise ImageFault("found no rauc here, wanted Debian with it: apt install rauc squashfs-tools")
    if not said.base_version:
        raise ImageFault(f"{image} is older than bundles of base systems; build it again")
    (held,) = (one for one in said.partitions if one.name == BASE)
    found = accounts.held(image, Partition(held.name, held.start, held.bytes))
    if found.sha256 != held.sha256:
        raise ImageFault(
            f"{BASE} in {image} is not what its account says; build the image again, or fetch it again"
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="menshen-base-", dir=out) as work:
        squashfs = Path(work) / "base.img"
        _squashfs(image, held.start, squashfs)
        family = f"menshen-{said.recipe}-{said.arch}"
        return bundle(squashfs, family, said.base_version, out, signer)


def bundle(squashfs: Path, family: str, version: str, out: Path, signer: Signer) -> Path:
    """Sign a base system.

    Args:
        squashfs: its file's name must end with .img; it is moved.
        family: base systems that may take its place are of the same.
    Raises:
        ImageFault: rauc did not do it; with its last line.
    """
    target = out / f"menshen-base-{version}-{family.removeprefix('menshen-')}.raucb"
    with tempfile.TemporaryDirectory(prefix="menshen-bundle-", dir=out) as work:
        squashfs.rename(Path(work) / "base.img")
        (Path(work) / "manifest.raucm").write_text(
            f"[update]\ncompatible={family}\nversion={version}\n\n[bundle]\nformat=verity\n\n[image.base]\nfilename=base.img\n"
        )
        target.unlink(missing_ok=True)
        done = subprocess.run(
            ["rauc", "bundle", f"--cert={signer.certificate}", f"--key={signer.key}", work, str(target)],
            check=False, capture_output=True, text=True, errors="replace", env={"PATH": PATH, "LANG": "C.UTF-8"},
        )  # fmt: skip
    if done.returncode:
        target.unlink(missing_ok=True)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ImageFault(
            f"rauc made no bundle: {lines[-1][:300] if lines else f'it ended with {done.returncode}'}"
        )
    return target


def _squashfs(image: Path, start: int, target: Path) -> None:
    """What a partition holds, without the empty rest.

    Raises:
        ImageFault: no squashfs.
    """
    with image.open("rb") as file:
        file.seek(start)
        magic, used = _SUPERBLOCK.unpack(file.read(_SUPERBLOCK.size))
        if magic != b"hsqs":
            raise ImageFault(
                f"found no squashfs in {BASE} of {image}, wanted an image that menshen-firmware has built"
            )
        left = -(-used // _BLOCK) * _BLOCK
        file.seek(start)
        with target.open("wb") as copy:
            while left and (chunk := file.read(min(left, MIB))):
                copy.write(chunk)
                left -= len(chunk)
