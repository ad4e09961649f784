"""An office as its units run it, under a real systemd, made by the commands of docs/office.md."""

import subprocess
import sys

import pytest

from tests.rig.container import Container, why_not

SYSTEMS_PYTHON = subprocess.run(
    ["/usr/bin/python3", "-V"], capture_output=True, text=True, check=False
).stdout
HOME = "/var/lib/menshen-office"
OFFICE = f"runuser -u menshen-office -- env -C {HOME} MENSHEN_OFFICE_HOME={HOME}/home /opt/menshen/venv/bin/menshen-office"
ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8099/', timeout=5).geturl())"

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or ""),
    pytest.mark.skipif(
        SYSTEMS_PYTHON.split(".")[:2] != f"Python {sys.version}".split(".")[:2],
        reason="the office runs on /usr/bin/python3, which wants this environment's packages to be of the same Python",
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    container = Container(tmp_path_factory.mktemp("office"), "office.sh")
    try:
        container.until(
            lambda: container.run("systemctl", "is-active", "menshen-office.target").stdout == "active\n"
        )
        yield container
    finally:
        container.close()


def active(machine: Container, unit: str) -> str:
    return machine.run("systemctl", "is-active", unit).stdout.strip()


def test_an_office_is_made_and_served_by_its_units(machine):
    assert {active(machine, f"menshen-office{one}") for one in ("", "-ingest", "-mirror")} == {"inactive"}, (
        "no site yet"
    )
    machine.sh(f"{OFFICE} site garden --zones main,garage")
    machine.sh("printf 'SERVE=--port 8099\\nINGEST=--broker 127.0.0.1:1\\n' >/etc/menshen-office/office.env")
    machine.sh("systemctl start menshen-office.target")
    machine.until(lambda: "/sign-in" in machine.sh(f'/usr/bin/python3 -c "{ASK}"'))
    machine.until(lambda: active(machine, "menshen-office-ingest") == "active")
    assert active(machine, "menshen-office-mirror") == "inactive", "nothing says where to"
    assert active(machine, "menshen-office-renew.timer") == "active"


def test_the_list_is_renewed_by_its_unit_and_nobody_else_reads_the_home(machine):
    machine.sh(
        "echo a-long-passphrase-for-a-test >/root/phrase; chmod 600 /root/phrase; "
        "/opt/menshen/venv/bin/menshen-firmware keys make --out /root/offline --passphrase-file /root/phrase; "
        f"/opt/menshen/venv/bin/menshen-firmware keys sign --keys /root/offline --office {HOME}/home/office-public.json "
        f"--out {HOME}/trust --passphrase-file /root/phrase; chown -R menshen-office: {HOME}/trust"
    )
    machine.sh(f"{OFFICE} publish --trust trust --out published")
    before = machine.sh(f"sha256sum {HOME}/published/timestamp.json")
    machine.sh("systemctl start menshen-office-renew")
    assert machine.sh(f"sha256sum {HOME}/published/timestamp.json") != before
    assert machine.sh(f"stat -c '%U %a' {HOME}") == "menshen-office 750\n"


def test_a_backup_is_made_by_its_unit(machine):
    machine.sh(
        "echo a-long-passphrase-for-a-test >/etc/menshen-office/backup.passphrase; "
        "chown menshen-office: /etc/menshen-office/backup.passphrase; chmod 600 /etc/menshen-office/backup.passphrase"
    )
    machine.sh(
        "echo 'BACKUP=/var/backups/menshen-office --daily 7 --weekly 5 --passphrase-file "
        "/etc/menshen-office/backup.passphrase' >>/etc/menshen-office/office.env; systemctl start menshen-office-backup"
    )
    assert machine.sh("ls /var/backups/menshen-office").count(".age") == 2, (
        "the office, and the keys of people"
    )
