"""A whole inspection: a person at a terminal, a kiosk at the other end of a cable, and the office that hears of it.

Both ends are processes. The board is simulated, and so is the person; the broker, its certificates, the
list and the office are real.
"""

import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connections

from agent.config import load
from agent.core.notices import Wire
from agent.wiring.gate import gate_process
from agent.wiring.sync import sync_process
from hw.board import BOARDS
from provisioning import site_file
from provisioning.authority import Authority
from provisioning.credentials import Credentials
from provisioning.enrol import enrol
from tests import brokers
from tests.small_office import SITE, eventually
from tests.test_office_and_gate import Site

from .person import Gateway, Technician
from .test_commands import device_process
from .test_identity import PASSPHRASE, self_signed_broker
from .workbench import NORTH, Told, make_root

LOCK = '\n[inputs.lock]\npin = 20\nactive = "high"\npull = "down"\ndebounce_ms = 20\n'


def site_of(folder: Path, root: bytes, more: str) -> site_file.Site:
    """A site of simulated kiosks whose locks have a monitor contact."""
    folder.mkdir(exist_ok=True)
    (folder / "root.json").write_bytes(root)
    (folder / "simulator-bolted.toml").write_text((BOARDS / "simulator.toml").read_text() + LOCK)
    (folder / "site.toml").write_text(
        f'site = "{SITE}"\nroot = "root.json"\n'
        f'[board]\nname = "{folder / "simulator-bolted.toml"}"\npins = "mock"\n'
        f'[camera]\nkind = "sim"\nwidth_px = 640\nheight_px = 360\nfps = 15.0\nscript = "{folder / "card.toml"}"\n[gate.clock]\ntrust = "synced"\n{more}'
    )
    return site_file.read(folder / "site.toml")


def before(room, folder, *stuck):
    return Gateway(room.etc / "gate.toml", room.state, folder / "card.toml", frozenset(stuck))


def test_a_gate_is_inspected_by_hand_and_the_office_hears_of_it(room, cable, tmp_path):
    """C22."""
    office, made = Site(tmp_path), tmp_path / "site"
    office.publish()
    made.mkdir()
    self_signed_broker(made)
    authority = Authority.make(made / "enrolment", SITE, PASSPHRASE)
    with ExitStack() as house:
        house.callback(connections.close_all)
        word = tmp_path / "office.password"
        word.write_text("o\n")
        word.chmod(0o600)
        secure = brokers.free_port()
        lines = f"""
            listener {secure} 127.0.0.1
            cafile {authority.folder / "enrolment-ca.pem"}
            certfile {made / "server.pem"}
            keyfile {made / "server.key"}
            crlfile {authority.revoke(())}
            require_certificate true
            use_identity_as_username true
        """
        settings = "\n".join(map(str.strip, lines.splitlines()))
        broker = house.enter_context(
            brokers.mosquitto(
                tmp_path / "broker", users={"office": "o"}, acl=brokers.acl(SITE), settings=settings
            )
        )
        facts = site_of(
            made,
            (office.trust / "1.root.json").read_bytes(),
            f'[broker]\nhost = "localhost"\nport = {secure}\ntls_ca = "server.pem"\n'
            f'[list]\nsource = "dir:{office.repo}"\n[identity]\nauthority = "enrolment"\n',
        )
        gateway = before(room, made)
        with device_process(room), gateway.bolt():
            enrolled = enrol(room.bench, facts, NORTH, Told(), credentials=Credentials(authority=authority))
            code, seen = Technician(gateway).inspect(room, tmp_path / "record.json")
            assert (code, seen.splitlines()[-1]) == (0, f"PASS  gate north of site {SITE}: 18 steps"), seen
        enrolled.write(tmp_path / "north.json")
        office.office("gate", "add", tmp_path / "north.json")

        found = {
            " ".join(filter(None, (step["step"], step["note"]))): step["found"]
            for step in json.loads((tmp_path / "record.json").read_text())["steps"]
        }
        assert found["exit"] == "it said pressed, then let go"
        assert found["door"] == "it said open, then shut"
        assert found["tamper"] == "it said broken, then whole"
        assert found["fire"] == "it said alarm, then quiet"
        assert found["lock"] == "the relay moved, and its contact followed"
        assert found["broker"] == "signed in by certificate"
        assert found["list"] == "list 1 is here, and verified"
        assert all(found[f"card {where}"].startswith("read after") for where in ("near", "middle", "far"))

        config = load(room.etc / "gate.toml")
        with gate_process(config):
            pass
        address, home = f"127.0.0.1:{broker.port}", tmp_path / "home"
        command = [sys.executable, "-m", "office.cli", "ingest", "--broker", address, "--home", home]
        ingest = subprocess.Popen([*command, "--username", "office", "--password-file", word])
        house.callback(ingest.wait)
        house.callback(ingest.terminate)
        stop = threading.Event()
        sync = threading.Thread(target=sync_process, args=(config, stop))
        sync.start()
        house.callback(sync.join)
        house.callback(stop.set)
        eventually(lambda: '"gate.inspected"' in office.office("feed", "--format", "jsonl"), within_s=60)
        lines = [json.loads(line) for line in office.office("feed", "--format", "jsonl").splitlines()]
        (event,) = (line for line in lines if line["kind"] == "gate.inspected")
        assert (event["data"]["passed"], event["data"]["steps"], event["data"]["failed"]) == (True, 18, "")


@pytest.fixture
def hasty(tmp_path):
    """A self-test that waits for nobody longer than two seconds."""
    script = tmp_path / "hasty"
    script.write_text(
        f'#!/bin/sh\nexec "{Path(sys.executable).with_name("menshen-agent")}" selftest "$1" "$2" "$3" --for 2\n'
    )
    script.chmod(0o755)
    return ("--try-gate", str(script))


def test_what_does_not_move_is_not_read_or_not_seen_fails_and_is_named(room, cable, tmp_path, hasty):
    facts = site_of(tmp_path / "site", make_root(), "")
    gateway = before(room, tmp_path / "site", Wire.DOOR, Wire.LOCK)
    with device_process(room, *hasty), gateway.bolt():
        enrol(room.bench, facts, NORTH, Told())
        person = Technician(gateway, distances_cm=(10, 300, 40), says={"red was lit": "n"})
        steps = ("light-red", "lock", "door", "card")
        code, seen = person.inspect(room, tmp_path / "record.json", *steps)
    assert code == 1
    assert "BAD   lock: the relay moved and its contact did not; look at the lock and at inputs.lock" in seen
    assert (
        "BAD   door: nothing changed within 2 s; look at the wire, and at inputs.door in the board's" in seen
    )
    assert "BAD   card middle: not read within 2 s; mind light, distance and focus" in seen
    assert seen.count("ok    card") == 2
    assert seen.splitlines()[-1].endswith("failed its inspection: light-red, lock, door, card middle"), seen
    config = load(room.etc / "gate.toml")
    with gate_process(config):
        pass
    from .test_inspection import told  # noqa: PLC0415

    (event,) = told(config)
    assert (event["passed"], event["failed"]) == (False, "light-red, lock, door, card middle")
