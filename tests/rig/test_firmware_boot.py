"""A written card in a computer: firmware, boot loader, Debian's kernel and initrd, none of which test_image.py has.

The tests follow one another: each finds the computer as the one before has left it.
"""

import base64
import json
import os
from pathlib import Path

import pytest

from tests.rig.machine import image
from tests.rig.parts import had
from tests.rig.qemu import Computer, why_not

pytestmark = [pytest.mark.timeout(7200), pytest.mark.xdist_group("computer")]
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
"""Under which systemd-boot leaves words for the system (systemd.io, the boot loader interface)."""


@pytest.fixture(scope="module")
def card():
    """An image of this tree."""
    made = had(image)
    if why := why_not():
        pytest.skip(why)
    return made


@pytest.fixture(scope="module")
def computer(card, tmp_path_factory):
    computer = Computer(tmp_path_factory.mktemp("computer"), card)
    computer.start()
    yield computer
    if keep := os.environ.get("MENSHEN_RIG_CONSOLE"):
        computer.leave(Path(keep))
    computer.cut()


def runs(computer: Computer) -> str:
    """How the system is, once it has started."""
    return computer.eventually(
        "s=$(systemctl is-system-running || true); echo $s; [ $s != starting ] && [ $s != initializing ]",
        within_s=900,
    ).strip()


def told_by_loader(computer: Computer, name: str) -> str:
    """A word that the boot loader left; UTF-16 behind four bytes of attributes."""
    word = computer.sh(f"base64 -w0 /sys/firmware/efi/efivars/{name}-{LOADER}")
    return base64.b64decode(word)[4:].decode("utf-16-le").rstrip("\0")


def test_the_firmware_finds_the_loader_and_the_loader_the_kernel(computer):
    assert told_by_loader(computer, "LoaderInfo").startswith("systemd-boot")
    assert told_by_loader(computer, "LoaderEntrySelected") == "menshen-base-a.conf"


def test_everything_on_it_is_well(computer):
    assert runs(computer) == "running", computer.sh("systemctl --failed --no-legend")
    said = computer.sh("findmnt -no FSTYPE,OPTIONS / ; findmnt -no FSTYPE,OPTIONS /var/lib/menshen")
    base, data = said.splitlines()
    assert base.startswith("squashfs ro")
    assert data.startswith("ext4 rw,nosuid,nodev,noatime")


def test_the_data_partition_has_taken_the_rest_of_the_card(computer):
    grown = int(computer.sh("df --output=size -BM /var/lib/menshen | tail -1 | tr -dc 0-9"))
    assert grown > 3600, "6 GiB, less what lies before it, less what ext4 keeps for itself"


def test_a_blank_kiosk_makes_its_key_once(computer):
    made = json.loads(computer.eventually("cat /var/lib/menshen/first-boot.json"))
    assert made["journal_key"].startswith("ed25519:")
    computer.restart()
    assert runs(computer) == "running"
    assert json.loads(computer.sh("cat /var/lib/menshen/first-boot.json")) == made


def test_its_screen_says_what_it_is_and_asks_for_no_name(computer):
    shown = computer.eventually("grep -a menshen-provision /dev/vcs1", within_s=600)
    assert "gate" in shown
    assert "login" not in shown


def test_memory_is_compressed_in_place_of_a_swap_file(computer):
    assert computer.sh("swapon --show=NAME --noheadings").split() == ["/dev/zram0"]
    assert "[lz4]" in computer.sh("cat /sys/block/zram0/comp_algorithm")


def test_systemd_holds_the_hardwares_watchdog(computer):
    facts = computer.sh("cd /sys/class/watchdog/watchdog0; cat identity state timeout")
    assert facts.splitlines() == ["i6300ESB timer", "active", "14"]


def test_a_first_process_that_has_crashed_is_reset_by_the_watchdog(computer):
    computer.sh("(sleep 1; kill -SEGV 1) >/dev/null 2>&1 &")
    assert computer.happens("WATCHDOG", within_s=600)["data"]["action"] == "reset"
    computer.comes_up()
    assert runs(computer) == "running"


def test_a_kernel_that_hangs_is_reset_by_the_watchdog(computer):
    computer.sh("(echo 0 >/proc/sys/kernel/panic; sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    assert computer.happens("WATCHDOG", within_s=600)["data"]["action"] == "reset"
    computer.comes_up()
    assert runs(computer) == "running"


def test_a_kernel_that_gives_up_starts_again_by_itself(computer):
    """Sooner than the watchdog: the kernel's own `panic=10`."""
    computer.sh("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    computer.comes_up()
    assert runs(computer) == "running"


def test_the_plug_is_pulled_and_it_comes_up_again(computer):
    computer.cut()
    computer.start()
    assert runs(computer) == "running"
