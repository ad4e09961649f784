"""Two whole gates, each its two processes, and no broker: a code copied at one does not open the other."""

import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from time import time

import pytest
from cryptography.fernet import Fernet

from tests import brokers
from tests.core.builders import ed25519, public, rotating
from tests.house import SITE, House
from tests.small_office import eventually
from tests.test_gate_process import events_of, told


@contextmanager
def running(gate):
    with (gate.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run", "--config", str(gate.toml)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def happened(gate) -> list[dict]:
    with suppress(Exception):
        return events_of(gate)
    return []


@pytest.mark.timeout(240)
def test_c05_with_the_broker_down_a_copied_code_is_refused_at_the_second_gate(tmp_path):
    house = House(tmp_path)
    house.grant("alice", phone=True)
    key = tmp_path / "fellows.key"
    key.write_bytes(Fernet.generate_key())
    key.chmod(0o600)
    ports = {"north": brokers.free_port(), "garage": brokers.free_port()}
    nobody = {"host": brokers.LOOPBACK, "port": brokers.free_port()}
    gates = {
        name: house.enrol(
            name,
            broker=nobody,
            fellows={
                "lan": True,
                "port": port,
                "group": "",
                "interface": brokers.LOOPBACK,
                "others": [f"{brokers.LOOPBACK}:{other}" for other in ports.values() if other != port],
                "key_file": str(key),
            },
        )
        for name, port in ports.items()
    }
    house.publish(gates={name: public(gate.key) for name, gate in gates.items()})
    for gate in gates.values():
        gate.bring_list()
    north, garage = gates.values()
    # What somebody photographs over Alice's shoulder, and shows at the garage a moment later.
    copied = rotating("alice", ed25519("alice"), time(), site=SITE, later=1)
    north.script({"at_s": 0.5, "seconds": 3.0, "text": copied, "seed": 1})
    garage.script({"at_s": 4.0, "seconds": 20.0, "text": copied, "seed": 2})
    with running(north):
        eventually(lambda: "admitted" in told(happened(north)), within_s=60.0)
        with running(garage):
            eventually(lambda: told(happened(garage)), within_s=90.0)
            eventually(lambda: any("alert" in event["type"] for event in happened(garage)))
    assert told(events_of(garage))[0] == "replayed"
    (refused,) = [one for one in events_of(garage) if one["type"] == "menshen.pass.refused"][:1]
    assert refused["data"]["detail"] == "this code or a later one has opened gate north"
    alert = next(one["data"] for one in events_of(garage) if one["type"] == "menshen.gate.alert")
    assert (alert["what"], alert["gate"]) == ("two_gates", "north")
