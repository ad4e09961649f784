"""A day with a kiosk: from a card as it was written, to a gate that was updated and lost its power.

The tests follow one another: each finds the machine as the one before has left it.
"""

import json
import os
from itertools import groupby
from pathlib import Path

import pytest

from tests.rig import cuts
from tests.rig.kiosk import BOARD, RELAY, Kiosk
from tests.rig.machine import engine, image
from tests.rig.parts import had
from tests.rig.releases import Maker
from tests.rig.street import GATE, Street

pytestmark = [pytest.mark.timeout(7200), pytest.mark.xdist_group("kiosk")]
CUTS = int(os.environ.get("CUTS", "3"))
CONTROL = os.environ.get("CONTROL") == "1"


@pytest.fixture(scope="module")
def kernel():
    """Without the disks of the rig's other machine."""
    return had(engine)


@pytest.fixture(scope="module")
def card(kernel):
    """An image of this tree."""
    return had(image)


@pytest.fixture(scope="module")
def street(card, tmp_path_factory):
    street = Street(tmp_path_factory.mktemp("street"))
    street.open()
    yield street
    street.close()


@pytest.fixture(scope="module")
def kiosk(street, kernel, card, tmp_path_factory):
    kiosk = Kiosk(tmp_path_factory.mktemp("kiosk"), kernel, card, street.within)
    kiosk.start()
    kiosk.eventually("systemctl is-system-running")
    yield kiosk
    if keep := os.environ.get("MENSHEN_RIG_CONSOLE"):
        kiosk.leave(Path(keep))
    kiosk.close()


def test_a_written_card_starts_and_everything_on_it_is_well(kiosk):
    assert kiosk.sh("systemctl --failed --no-legend") == ""
    said = kiosk.sh(
        "findmnt -no FSTYPE,OPTIONS / ; findmnt -no FSTYPE,OPTIONS /var/lib/menshen; findmnt -no FSROOT /etc/menshen"
    )
    base, data, etc = said.splitlines()
    assert base.startswith("squashfs ro")
    assert data.startswith("ext4 rw,nosuid,nodev,noatime")
    assert etc == "/etc"
    grown = int(kiosk.sh("df --output=size -BM /var/lib/menshen | tail -1 | tr -dc 0-9"))
    assert grown > 1100, "the data partition did not take what was left of the card"


def test_nobody_can_log_in_and_nothing_listens(kiosk):
    assert kiosk.sh("grep -v '^[^:]*:[!*]' /etc/shadow || true") == ""
    assert kiosk.run("sh", "-c", "touch /usr/x /etc/x").code != 0
    assert kiosk.sh("systemctl list-units --no-legend '*getty*' 'ssh*'") == ""
    listening = kiosk.sh("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\"'")
    assert listening == ""


def test_a_blank_kiosk_has_made_its_own_key_and_drives_nothing(kiosk):
    made = json.loads(kiosk.eventually("cat /var/lib/menshen/first-boot.json"))
    assert made["journal_key"].startswith("ed25519:")
    assert made["locked"] == []
    assert kiosk.moments(RELAY) == []
    assert kiosk.sh("ls /etc/menshen") == ""


def test_a_technician_makes_it_a_gate_over_the_cable(kiosk, street):
    kiosk.plug_in()
    kiosk.put("/var/lib/menshen/rig-board.toml", BOARD)
    kiosk.plug_in_laptop()
    who = "\n".join(street.menshen("menshen-provision", "identify", "--port", kiosk.cable))
    assert "no gate" in who or "blank" in who or "not enrolled" in who, who
    kiosk.enrol(street)
    street.site.office("gate", "add", f"{GATE}.json")
    street.site.publish(())
    kiosk.eventually("systemctl is-active menshen-gate && systemctl is-active menshen-sync", within_s=240)
    street.wait_for(lambda event: event["kind"] == "list.switched", within_s=240)


def test_a_code_that_is_held_up_opens_and_the_office_knows(kiosk, street):
    kiosk.draw(*map(street.passes, ("Zhao Min", "Sun Yue", "Tang Wei")))
    before = len(kiosk.moments())
    kiosk.show(0, 8)
    event = street.wait_for(lambda event: event["kind"] == "pass.admitted", within_s=90)
    assert event["pass"] == street.site.passes["Zhao Min"].pass_id
    kiosk.eventually(f"cd /run/rig && [ $(python3 -m tests.wires level {RELAY}) = 0 ]", within_s=10)
    # The lock drives its rest level again whenever it is in doubt: what counts is that the level rose once.
    levels = [level for level, _ in groupby(level for _, level in kiosk.moments()[before:])]
    assert levels == [1, 0]


def test_a_pass_that_has_ended_opens_nothing_and_the_office_knows_why(kiosk, street):
    before = kiosk.moments()
    kiosk.show(1)
    event = street.wait_for(lambda event: event["kind"] == "pass.refused")
    assert event["reason"] == "expired"
    assert kiosk.moments() == before


def test_a_good_release_is_taken_and_kept(kiosk, street):
    maker = Maker(street)
    maker.offer("0.9.1")
    kiosk.take("0.9.1")
    kiosk.eventually("! grep -q '\"trial\": {' /var/lib/menshen/slots/state.json", within_s=600)
    assert "0.9.1    runs" in kiosk.menshen("menshen-firmware", "update", "status")
    kiosk.show(2)
    admitted = street.site.passes["Tang Wei"].pass_id
    street.wait_for(lambda event: event["pass"] == admitted)


def test_a_release_whose_gate_does_not_start_is_left_again(kiosk, street):
    maker = Maker(street)
    maker.offer("0.9.2", spoilt=True)
    kiosk.take("0.9.2")
    kiosk.eventually("grep -q 'rolled back' /var/lib/menshen/slots/state.json", within_s=600)
    said = kiosk.menshen("menshen-firmware", "update", "status")
    assert "0.9.1    runs" in said
    assert "failed   0.9.2" in said
    kiosk.eventually("systemctl is-active menshen-gate", within_s=60)


def test_the_power_goes_under_load_and_nothing_is_lost(kiosk, street):
    """CUTS=50 for as many. CONTROL=1 takes the journal's flush away, and must find that something is lost."""
    if CONTROL:
        cuts.careless(kiosk)
    tally = cuts.run(kiosk, street, CUTS)
    print(f"\n{tally}")
    if CONTROL:
        assert any("has lost" in fault for fault in tally.faults)
    else:
        assert tally.faults == []
