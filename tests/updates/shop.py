"""A workshop for releases: keys, small wheels, bundles, and a gate on which they are installed.

The wheels are real and small: `menshen-agent` in them answers what updates ask
of it. The clock is tests.trusted_site's, in 2031.
"""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from firmware_tools import building, releases
from firmware_tools.device import fetching, staging
from firmware_tools.device.guard import Slots
from firmware_tools.device.place import Place
from firmware_tools.rollout import Rollout
from office import repository
from tests.trusted_site import PASSPHRASE, TrustedSite

BUILT = 1_900_000_000
AGENT = """
import sys
HEALTH = {health!r}
def main():
    if "--version" in sys.argv:
        print("menshen-agent, version {version}")
    elif sys.argv[1] == "check" and {refuses!r}:
        raise SystemExit("door.open_s: found a key that this code does not know")
    elif sys.argv[1] == "healthy" and HEALTH != "well":
        print(HEALTH)
        raise SystemExit(1)
"""
FORMS = """
[journal]
writes = 2
reads = [2]
migrations = ["one"]
"""


def wheel(
    folder: Path, name: str, version: str, files: dict[str, str], *, script: str = "", needs=()
) -> Path:
    """A wheel, written by hand: the same bytes each time."""
    info = f"{name}-{version}.dist-info"
    members = {**files}
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs)
    )
    members[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: shop\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if script:
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script}\n"
    rows = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    return target


@dataclass
class Shop:
    """One site, its makers' keys, and one gate."""

    folder: Path
    site: TrustedSite = field(init=False)

    def __post_init__(self) -> None:
        self.site = TrustedSite(self.folder / "site")
        self.site.publish(1)
        self.gate_toml()

    @classmethod
    def standing(cls, folder: Path) -> "Shop":
        """The one that was made before, or copied from there."""
        self = cls.__new__(cls)
        self.folder, self.site = folder, TrustedSite.standing(folder / "site")
        self.gate_toml()
        return self

    # --- the gate --------------------------------------------------------------

    def gate_toml(self, more: str = "", board: str = "simulator") -> Path:
        config = self.folder / "gate.toml"
        config.write_text(
            f'site = "harbour"\ngate = "north"\nroot = "{self.site.trust}/1.root.json"\nstate = "{self.folder}/var"\n'
            f'board = {{ name = "{board}", pins = "mock" }}\nlist = {{ source = "dir:{self.site.repo}" }}\n{more}'
        )
        return config

    @property
    def place(self) -> Place:
        return Place.read(self.folder / "gate.toml")

    @property
    def slots(self) -> Slots:
        return self.place.slots

    def fetch(self, source: str | None = None, version: str | None = None) -> fetching.Fetched:
        return fetching.fetch(self.place, source or self.place.source, self.site.moment(), version)

    def stage(self, version: str | None = None, step=lambda _name: None):
        return staging.stage(self.place, self.site.moment(), version, sys.executable, step)

    def take(self, version: str) -> None:
        """Fetch, stage and switch."""
        self.fetch()
        self.stage()
        assert self.slots.switch(online=False) == version

    def runs(self) -> str:
        """The version that the gate's own command says, through the link."""
        agent = self.slots.root / "current" / "venv" / "bin" / "menshen-agent"
        done = subprocess.run([agent, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]

    # --- the makers ------------------------------------------------------------

    def bundle(
        self,
        version: str,
        *,
        health: str = "well",
        refuses: bool = False,
        says: str = "",
        floor: str = "0.0.0",
        forms: str = FORMS,
        arch: str | None = None,
        python: str | None = None,
        more: dict[str, str] | None = None,
    ) -> Path:
        """A bundle of a menshen of a few lines."""
        where = self.folder / "making" / version
        text = AGENT.format(health=health, refuses=refuses, version=says or version)
        wheel(
            where / "wheels",
            "menshen",
            version,
            {"menshen_shop.py": text, **(more or {})},
            script="menshen-agent = menshen_shop:main",
        )
        units = where / "units"
        units.mkdir(exist_ok=True)
        (units / "menshen-gate.service").write_text(f"# of {version}\n[Service]\nExecStart=/bin/true\n")
        boards = where / "boards"
        boards.mkdir(exist_ok=True)
        (boards / "simulator.toml").write_text('name = "simulator"\n')
        (where / "pins.txt").write_text("")
        (where / "forms.toml").write_text(forms)
        recipe = building.Recipe(
            wheels=where / "wheels",
            pins=where / "pins.txt",
            units=units,
            boards=boards,
            forms=where / "forms.toml",
            arch=arch or os.uname().machine,
            python=python or "{}.{}".format(*sys.version_info[:2]),
            floor=floor,
            built_utc=BUILT,
        )
        return building.build(recipe, where / "out")[0]

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    def release(self, *bundles: Path, rollout: Rollout | None = None) -> None:
        """Draft, sign with both keys, and publish."""
        releases.draft(self.releases, bundles, rollout or Rollout(percent=100), self.site.at)
        self.sign_and_publish()

    def sign_and_publish(self) -> None:
        signed = releases.sign(self.releases, self.site.offline, PASSPHRASE)
        assert signed.published_as
        self.publish()

    def publish(self) -> None:
        releases.publish(self.releases, self.site.repo)
        self.site.now += 60
        repository.renew(self.site.repo, self.site.trust, self.site.keyring, self.site.now)

    def first(self, version: str = "0.1.0", **terms) -> None:
        """The gate as it left the works."""
        staging.first(self.slots, self.bundle(version, **terms), sys.executable)
