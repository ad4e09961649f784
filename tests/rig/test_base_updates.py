"""A base system's own update in a computer: RAUC writes it, systemd-boot counts, and the machine goes back by itself.

The tests follow one another: each finds the computer as the one before has left it. Nobody has enrolled it, for a computer has
no pins: what has to be well is the technician's link, and tests/updates/test_bases.py asks of the rest.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_tools.image import account, carried
from firmware_tools.image.packing import laid_out
from firmware_tools.image.recipe import Recipe
from tests.image.test_carried import signer as a_stranger
from tests.rig.machine import image, signer
from tests.rig.parts import had
from tests.rig.qemu import Computer, why_not

pytestmark = [pytest.mark.timeout(14400), pytest.mark.xdist_group("computer")]
FAMILY = "menshen-trixie-amd64"
OTHER = "/dev/disk/by-partlabel/menshen-base-b"


@pytest.fixture(scope="module")
def card():
    """An image of this tree, whose maker's key the rig has."""
    made = had(image)
    if why := why_not():
        pytest.skip(why)
    if shutil.which("rauc") is None:
        pytest.skip("rauc is missing: apt install rauc squashfs-tools")
    if not signer().key.exists():
        pytest.skip(
            f"{made} was built elsewhere: the key that signs base systems for it is not in {signer().key.parent}"
        )
    return made


@pytest.fixture(scope="module")
def sticks(card, tmp_path_factory):
    """Two memory sticks: one with all kinds of base systems newer than the image's, and one as a technician has it."""
    return Bases(card, tmp_path_factory.mktemp("bases")).sticks()


@pytest.fixture(scope="module")
def computer(card, sticks, tmp_path_factory):
    computer = Computer(tmp_path_factory.mktemp("computer"), card, sticks, watchdog=False)
    computer.start()
    yield computer
    if keep := os.environ.get("MENSHEN_RIG_CONSOLE"):
        computer.leave(Path(keep))
    computer.cut()


class Bases:
    """Who makes base systems."""

    def __init__(self, card: Path, folder: Path) -> None:
        self._folder = folder
        self._tree = folder / "tree"
        self._out = folder / "out"
        self._out.mkdir()
        (start,) = (one.start for one in laid_out(Recipe.read("amd64")) if one.name == carried.BASE)
        carried._squashfs(card, start, folder / "base.img")
        subprocess.run(
            ["unsquashfs", "-quiet", "-no-progress", "-d", self._tree, folder / "base.img"], check=True
        )
        self.version = account.read(card.with_suffix(".json")).base_version

    def sticks(self) -> tuple[Path, Path]:
        """All of them on one, and the good one alone, as the guide says, on the other."""
        self._make("good.raucb", "2099.01.01.0000", "")
        self._sign("strange.raucb", "2099.01.01.0000", a_stranger(self._folder, "stranger"))
        self._make(
            "unwell.raucb", "2099.01.02.0000", "ln -s /dev/null etc/systemd/system/menshen-provision.service"
        )
        self._make(
            "headless.raucb",
            "2099.01.03.0000",
            "find . -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} +; rm -rf usr/bin usr/sbin usr/lib/systemd usr/lib/modules usr/lib/x86_64-linux-gnu usr/share",
        )
        for name in ("all", "gift"):
            with (self._folder / f"{name}.img").open("wb") as file:
                file.truncate(2 << 30)
        every, gift = self._folder / "all.img", self._folder / "gift.img"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "bases", "-d", self._out, every], check=True)
        subprocess.run(
            ["mkfs.vfat", "-F", "32", "-n", "MENSHENBASE", gift], check=True, stdout=subprocess.DEVNULL
        )
        subprocess.run(
            ["mcopy", "-i", gift, self._out / "good.raucb", "::menshen-base-2099.01.01.0000.raucb"],
            check=True,
        )
        return every, gift

    def _make(self, name: str, version: str, change: str) -> None:
        """Another base system, packed in haste: the tree, changed by a line of shell."""
        said = self._tree / "usr/lib/os-release"
        lines = [line for line in said.read_text().splitlines() if not line.startswith("IMAGE_VERSION")]
        said.write_text("\n".join([*lines, f'IMAGE_VERSION="{version}"']) + "\n")
        subprocess.run(["sh", "-euc", change or ":"], cwd=self._tree, check=True)
        made = self._folder / "next.img"
        made.unlink(missing_ok=True)
        subprocess.run(
            [
                "mksquashfs",
                self._tree,
                made,
                "-quiet",
                "-no-progress",
                "-comp",
                "zstd",
                "-Xcompression-level",
                "1",
            ],
            check=True,
        )
        self._sign(name, version, signer())

    def _sign(self, name: str, version: str, who: carried.Signer) -> None:
        made, copy = self._folder / "next.img", self._folder / "copy.img"
        subprocess.run(["cp", made, copy], check=True)
        carried.bundle(copy, FAMILY, version, self._out, who).rename(self._out / name)


def running(computer: Computer) -> str:
    return computer.sh("menshen-base get-current").strip()


def plug_in(computer: Computer) -> None:
    """The stick with all of them, once after each time that the power was off."""
    if computer.run("test", "-e", "/dev/disk/by-label/bases").code != 0:
        computer.plug_in("all")
    computer.eventually(
        "mkdir -p /run/stick; mountpoint -q /run/stick || mount -o ro LABEL=bases /run/stick", within_s=300
    )
    computer.eventually("systemctl is-active dbus", within_s=600)


def status(computer: Computer) -> str:
    """Once the data partition is there: the hand inside is awake before it."""
    computer.eventually("mountpoint -q /var/lib/menshen", within_s=600)
    return computer.sh("menshen-base status", within_s=300)


def told(computer: Computer, words: str) -> None:
    """Wait until it says so of a base system that was on trial."""
    computer.eventually(f"menshen-base status | grep -q '{words}'", within_s=1200)


def test_there_is_one_base_system_and_a_place_for_another(computer):
    said = status(computer)
    assert "runs" in said.splitlines()[0]
    assert said.splitlines()[1] == "base b    empty"


def test_one_that_its_maker_did_not_sign_is_refused_before_anything_is_written(computer):
    plug_in(computer)
    ran = computer.run("menshen-base", "install", "/run/stick/strange.raucb", within_s=600)
    assert ran.code == 3
    assert "strange.raucb is refused" in ran.err
    assert computer.sh(f"head -c 1M {OTHER} | tr -d '\\0' | wc -c").strip() == "0"
    assert status(computer).splitlines()[1] == "base b    empty"


def test_the_power_goes_while_it_is_written_and_what_ran_runs(computer):
    computer.sh("systemd-run --quiet --collect menshen-base install /run/stick/good.raucb")
    computer.eventually(
        f"[ $(head -c 64M {OTHER} | tail -c 32M | tr -d '\\0' | head -c 1M | wc -c) -gt 100000 ]",
        within_s=900,
    )
    computer.cut()
    computer.start()
    assert running(computer) == "a"
    told(computer, "cut short: it was not written to its end")
    assert status(computer).splitlines()[1] == "base b    empty"


def test_one_that_can_not_start_is_tried_three_times_and_left(computer):
    plug_in(computer)
    said = computer.sh("menshen-base install /run/stick/headless.raucb", within_s=1800)
    assert "on trial from the next start on" in said
    before = computer.console.count("No init found")
    computer.restart()
    assert running(computer) == "a"
    assert computer.console.count("No init found") - before >= 3
    told(computer, "2099.01.03.0000    left: it was started three times and did not come up")


def test_one_whose_link_does_not_come_is_left(computer):
    plug_in(computer)
    computer.sh("menshen-base install /run/stick/unwell.raucb", within_s=1800)
    computer.restart()
    assert running(computer) == "b"
    computer.comes_up()
    assert running(computer) == "a"
    told(computer, "2099.01.02.0000    left: menshen-provision is inactive")


def test_a_stick_is_plugged_in_and_the_rest_goes_by_itself(computer):
    computer.plug_in("gift")
    computer.comes_up()
    assert running(computer) == "b"
    told(computer, "2099.01.01.0000    kept")


def test_one_that_was_kept_stays_after_the_next_power_cut_and_everything_is_well(computer):
    computer.cut()
    computer.start()
    assert running(computer) == "b"
    assert [line.split("    ")[2] for line in status(computer).splitlines()[:2]] == ["good", "runs"]
    said = computer.sh("grep IMAGE_VERSION /usr/lib/os-release").strip()
    assert said == 'IMAGE_VERSION="2099.01.01.0000"'
    well = "s=$(systemctl is-system-running || true); echo $s; [ $s = running ] || [ $s = degraded ]"
    assert computer.eventually(well, within_s=900).strip() == "running", computer.sh("systemctl --failed")


def test_an_older_one_is_not_taken_unless_it_is_asked_for(computer):
    plug_in(computer)
    ran = computer.run("menshen-base", "install", "/run/stick/good.raucb", within_s=600)
    assert ran.code == 3
    assert "wanted a newer one" in ran.err
