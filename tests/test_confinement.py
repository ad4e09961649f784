"""Who may touch what, tried from inside the units' own confinement under a real systemd.

Part of the rig: it wants root, systemd and the right to make namespaces, so it
runs when MENSHEN_RIG=1 asks for it and says why when it can't.
"""

import json

import pytest

from tests.rig.container import Container, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")

PAIR = ("gate", "sync", "rest-pins")
LATER = {
    "safe": "menshen-safe",
    "console": "menshen-console",
    "update-fetch": "menshen-update-fetch",
    "update-auto": "menshen-update-install",
    "first-boot": "menshen-first-boot",
    "gadget": "menshen-provision-gadget",
    "device": "menshen-provision",
    "guard-adopt": "menshen-guard-adopt",
    "guard-base": "menshen-guard-base",
    "guard-stick": "menshen-guard-stick",
    "guard-begin": "menshen-guard-begin",
    "guard-watch": "menshen-guard-watch",
    "guard-retry": "menshen-guard-retry",
    "office-serve": "menshen-office",
    "office-ingest": "menshen-office-ingest",
    "office-mirror": "menshen-office-mirror",
    "office-renew": "menshen-office-renew",
    "office-backup": "menshen-office-backup",
}
"""What a prisoner is started as, and by which unit; those that run beside gate and sync, or in the gate's place."""
GUARDS = tuple(role for role in LATER if role.startswith("guard"))
OFFICE = tuple(role for role in LATER if role.startswith("office"))


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Boot, and yield {role: {what was tried: what came of it}} of every process of a kiosk."""
    container = Container(tmp_path_factory.mktemp("container"), "prisoner.sh")

    def found() -> dict[str, dict[str, str]]:
        files = container.report.glob("*.jsonl")
        lines = [line for file in files for line in reversed(file.read_text().splitlines())]
        return {one["role"]: one["tried"] for one in map(json.loads, lines)}  # of several, each one's first

    try:
        container.until(lambda: found().keys() >= {*PAIR})
        for role, unit in LATER.items():
            container.run("systemctl", "start", unit)
            container.until(lambda role=role: role in found())
        yield found()
    finally:
        container.close()


EVERYBODY = (*PAIR, *LATER)
FORBIDDEN_TO_ALL = (
    "set the clock",
    "open a device that is not ours",
    "write to /usr",
    "write to /home",
    "read /proc/1/environ",
)
KEYS = ("gate", "sync")
WRITES = {
    "gate": {"/var/lib/menshen/gate"},
    "rest-pins": {"/var/lib/menshen/gate"},
    "safe": {"/var/lib/menshen/gate"},
    "sync": {"/var/lib/menshen/sync"},
    "console": set(),
    "update-fetch": {"/var/lib/menshen/updates"},
    "update-auto": {"/var/lib/menshen/slots", "/run/systemd/system"},
    "guard-adopt": {"/var/lib/menshen/slots", "/run/systemd/system"},
    "guard-base": set(),
    "guard-stick": set(),
    "guard-begin": {"/var/lib/menshen/slots", "/run/systemd/system"},
    "guard-watch": {"/var/lib/menshen/slots", "/run/systemd/system"},
    "guard-retry": set(),
    **{role: {"/var/lib/menshen-office"} for role in OFFICE},
    "office-backup": {"/var/lib/menshen-office", "/var/backups/menshen-office"},
}
"""What each may write to."""
READS_KEYS = {
    "gate": {"gate"},
    "rest-pins": {"gate"},
    "safe": {"gate"},
    "sync": {"sync"},
    "update-auto": {"gate", "sync"},  # it has no network: asks the new code whether it accepts all of this
    "first-boot": {"gate", "sync"},  # it makes them
    "gadget": {"gate", "sync"},  # root, before anybody speaks; it hears nobody
    "device": {"gate", "sync"},  # it makes them, proves whose they are, and destroys them
}


def done(tried: dict[str, str], prefix: str) -> set[str]:
    """What of a kind came off."""
    return {
        what.removeprefix(prefix) for what, how in tried.items() if what.startswith(prefix) and how == "done"
    }


@pytest.mark.parametrize("role", EVERYBODY)
def test_what_nobody_may_do_nobody_can(reports, role):
    may = {"set the clock"} if role == "device" else set()  # from the technician's laptop
    assert [what for what in FORBIDDEN_TO_ALL if reports[role][what] == "done" and what not in may] == []


@pytest.mark.parametrize("role", EVERYBODY)
def test_what_each_must_do_each_can(reports, role):
    assert reports[role]["load the native libraries"] == "done"
    if role not in OFFICE:
        assert reports[role]["read /etc/menshen/gate.toml"] == "done"


def test_a_picture_is_read_behind_a_filter_of_its_own_within_the_units(reports):
    assert reports["gate"]["read a code with an eye behind its filter"] == "done"


@pytest.mark.parametrize("role", [*PAIR, "safe"])
def test_who_keeps_the_gates_data_can_keep_and_read_them(reports, role):
    needed = (
        "read /var/lib/menshen/gate/theirs",
        "read /var/lib/menshen/sync/theirs",
        "ask the kernel for the time's trust",
        "keep a database",
        "rest the pins of a simulated board",
    )
    assert {what: reports[role][what] for what in needed} == dict.fromkeys(needed, "done")


@pytest.mark.parametrize("role", ["device", "gadget", "first-boot"])
def test_who_may_write_to_the_gates_data_may_not_write_to_its_code(reports, role):
    written = done(reports[role], "write to ")
    assert written & {"/var/lib/menshen/slots", "/var/lib/menshen/updates", "/run/systemd/system"} == set()


def test_only_sync_and_the_updater_reach_the_network(reports):
    """Of a kiosk; an office has nobody who does not."""
    assert {role for role in EVERYBODY if reports[role]["speak to the network"] == "done"} == {
        *("sync", "update-fetch"),
        *OFFICE,
    }
    assert {role for role in EVERYBODY if reports[role]["listen to netlink"] == "done"} == {
        "console",
        "device",
    }


@pytest.mark.parametrize("role", WRITES)
def test_each_writes_where_its_own_things_are_and_nowhere_else(reports, role):
    assert done(reports[role], "write to ") == WRITES[role]


@pytest.mark.parametrize("role", EVERYBODY)
def test_each_reads_the_keys_that_are_its_own(reports, role):
    found = {key for key in KEYS if reports[role][f"read /var/lib/menshen/keys/{key}/key"] == "done"}
    assert found == READS_KEYS.get(role, set())


def test_the_brokers_password_is_for_those_who_sign_in_or_check_that_it_is_there(reports):
    readers = {role for role in EVERYBODY if reports[role]["read /etc/menshen/broker.password"] == "done"}
    assert readers == {"sync", "update-auto", "first-boot", "gadget", "device"}


def test_systemd_listens_to_the_guard_the_installer_and_the_technicians_link(reports):
    """The link has an inspection's steps run as the gate; first-boot is root as well, once."""
    heard = {role for role in EVERYBODY if reports[role]["ask systemd for something"] == "done"}
    assert heard == {*GUARDS, "update-auto", "first-boot", "device"}


def test_nobody_gives_files_away_but_who_makes_keys_for_others(reports):
    givers = {role for role in EVERYBODY if reports[role]["give a file to another user"] == "done"}
    assert givers == {"first-boot", "device"}


def test_no_process_of_ours_opens_a_device_that_it_was_not_given(reports):
    # The gate's device list forbids it; in sync's private /dev it does not exist.
    assert reports["gate"]["open a device that is not ours"] == "PermissionError"
    assert reports["sync"]["open a device that is not ours"] == "FileNotFoundError"


def test_sync_reads_the_health_that_the_gate_leaves_in_memory(reports):
    assert {role: reports[role]["pass the gate's health on"] for role in ("gate", "sync")} == {
        "gate": "done",
        "sync": "done",
    }


def test_a_gate_that_ended_is_followed_by_resting_pins(reports):
    assert reports["rest-pins"]["rest the pins of a simulated board"] == "done"
