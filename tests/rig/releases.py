"""Releases for the rig: this tree under other version numbers, one of them spoilt, signed by both keepers."""

import base64
import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

from tests.rig.machine import ROOT
from tests.rig.street import BIN, GATE, Street

BUILT = "1790000000"
SPOILT = "\n\nraise RuntimeError('spoilt on purpose: the rig wants to see it left again')\n"


class Maker:
    """The vendor.

    Args:
        street: whose office publishes beside its list.
    """

    def __init__(self, street: Street) -> None:
        self._street = street
        self._folder = street.folder / "vendor"
        self._folder.mkdir(exist_ok=True)

    def offer(self, version: str, *, spoilt: bool = False) -> None:
        """Build, sign with both keys, publish."""
        wheels = self._folder / f"wheels-{version}"
        shutil.copytree(ROOT / "opt/making/wheels", wheels, copy_function=_linked)
        (ours,) = wheels.glob("menshen-*.whl")
        renamed(ours, version, {"agent/wiring/gate.py": SPOILT} if spoilt else {})
        ours.unlink()
        out = self._folder / "out"
        self._menshen(
            "release", "build", "--wheels", wheels, "--out", out, "--pins", ROOT / "opt/making/pins.txt", "--python", "3.13",
            "--built-here", "cobs", "--built", BUILT,
        )  # fmt: skip
        releases = self._folder / "releases"
        (bundle,) = out.glob(f"menshen-{version}-*.tar")
        self._menshen("release", "draft", bundle, "--releases", releases, "--gate", GATE, "--percent", 100)
        keys = ("--keys", "offline", "--passphrase-file", "passphrase")
        self._menshen("release", "sign", "--releases", releases, *keys)
        self._menshen("release", "publish", "--releases", releases, "--to", "published")
        self._street.site.office("renew")
        shutil.rmtree(wheels)

    def _menshen(self, *arguments: object) -> None:
        done = subprocess.run(
            [BIN / "menshen-firmware", *map(str, arguments)],
            cwd=self._street.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + done.stdout


def renamed(wheel: Path, version: str, added: dict[str, str]) -> Path:
    """The same wheel as another version.

    Args:
        added: text for the end of files, by their path.
    """
    before = wheel.name.split("-")[1]
    target = wheel.with_name(wheel.name.replace(f"-{before}-", f"-{version}-"))
    rows = []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename.endswith("/RECORD"):
                continue
            data = old.read(entry) + added.get(entry.filename, "").encode()
            name = entry.filename.replace(f"menshen-{before}.", f"menshen-{version}.")
            if name.endswith(".dist-info/METADATA"):
                data = data.replace(f"\nVersion: {before}\n".encode(), f"\nVersion: {version}\n".encode())
            new.writestr(zipfile.ZipInfo(name, entry.date_time), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(data)}")
        record = f"menshen-{version}.dist-info/RECORD"
        new.writestr(record, "\n".join([*rows, f"{record},,"]) + "\n")
    return target


def _linked(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
