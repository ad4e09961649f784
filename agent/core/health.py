"""How a gate does, in one small JSON object: for dashboards, and for the office's overview.

Published retained on the gate's health topic, once a minute and when it changes:

    at              when it was written, RFC 3339; an old one says that the gate is not there
    version         of the software
    mode            normal; safe while only the way out and the fire input are served
    door            locked, opening, open, held, forced, released; `unknown` if the gate process is away
    lockdown        whether only the way out opens
    list            number of the list in use, null if there is none
    list_age_s      seconds since it was published
    list_state      fresh, stale, dead; `none` without a list
    clock           synced, holdover, unknown
    camera_fps      frames a second, over the last half minute
    decode_ms       mean time to look through one frame
    decode_most_ms  the longest
    decoders_lost   how many reading processes have crashed or hung since the gate started
    journal         good; late while the card does not take events
    queue           events that the office does not have yet
    disk_free_mb    of the card
    temperature_c   of the processor; null where it cannot be read
    update          what became of the newest release, such as `trial 0.2.0`; null where none ever came
    throttled       under-voltage, capped, hot: what the Pi's firmware says now, `none`, or null

The gate process writes its part to a file, and sync adds the rest. Nothing in
it is signed: it moves no lock and closes no account.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from agent.core.feed import health_topic, status_topic
from agent.core.machine_watch import throttling
from agent.core.moments import iso

MAX_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class GateHealth:
    """What the gate process knows; see the module for each field."""

    at: str = ""
    version: str = ""
    mode: str = "normal"
    door: str = "unknown"
    lockdown: bool = False
    list: int | None = None
    list_issued: int = 0
    list_state: str = "none"
    clock: str = "unknown"
    camera_fps: float = 0.0
    decode_ms: float = 0.0
    decode_most_ms: float = 0.0
    decoders_lost: int = 0
    journal: str = "good"

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "GateHealth":
        """Read the gate's file.

        Raises:
            ValueError: it is none of this form.
        """
        try:
            found: Any = json.loads(data)
        except (ValueError, RecursionError) as fault:
            raise ValueError("not a gate's health: no JSON") from fault
        if not isinstance(found, dict) or len(data) > MAX_BYTES:
            raise ValueError("not a gate's health")
        known = {field.name: found[field.name] for field in fields(cls) if field.name in found}
        if not all(value is None or isinstance(value, str | int | float) for value in known.values()):
            raise ValueError("not a gate's health")
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Machine:
    """What sync reads of the machine; None where it cannot be read.

    Args:
        throttled: the firmware's bits (see the Raspberry Pi's vcgencmd get_throttled).
        update: see agent.stores.release_news.
    """

    disk_free_mb: int | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    update: str | None = None


def message(gate: GateHealth, machine: Machine, utc: float, queue: int, version: str) -> bytes:
    """The whole, as it is published."""
    whole = {
        "at": iso(utc),
        "version": version,
        "mode": gate.mode,
        "door": gate.door,
        "lockdown": gate.lockdown,
        "list": gate.list,
        "list_age_s": max(0, round(utc - gate.list_issued)) if gate.list is not None else None,
        "list_state": gate.list_state,
        "clock": gate.clock,
        "camera_fps": gate.camera_fps,
        "decode_ms": gate.decode_ms,
        "decode_most_ms": gate.decode_most_ms,
        "decoders_lost": gate.decoders_lost,
        "journal": gate.journal,
        "queue": queue,
        "disk_free_mb": machine.disk_free_mb,
        "temperature_c": machine.temperature_c,
        "throttled": throttling(machine.throttled),
        "update": machine.update,
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def news_in(gate: GateHealth, machine: Machine) -> tuple[object, ...]:
    """What is told at once when it changes; the rest waits for the minute."""
    said = gate.mode, gate.door, gate.lockdown, gate.list, gate.list_state, gate.clock, gate.journal
    return *said, machine.throttled, machine.update


_SENSORS: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("door", "Door", {}),
    ("mode", "Mode", {}),
    ("list_state", "List", {}),
    ("clock", "Clock", {}),
    ("queue", "Events waiting", {"state_class": "measurement"}),
    ("camera_fps", "Camera", {"unit_of_measurement": "fps", "state_class": "measurement"}),
    ("decode_ms", "Decoding", {"unit_of_measurement": "ms", "state_class": "measurement"}),
    ("temperature_c", "Processor", {"device_class": "temperature", "unit_of_measurement": "°C"}),
    ("disk_free_mb", "Free on the card", {"device_class": "data_size", "unit_of_measurement": "MB"}),
    ("throttled", "Throttling", {}),
    ("update", "Update", {}),
)


def discovery(prefix: str, site: str, gate: str, version: str) -> tuple[str, bytes]:
    """Home Assistant's announcement of one gate: its topic and its message, to be retained.

    Args:
        prefix: `homeassistant`, unless that was changed there.
    Source: Home Assistant, MQTT integration, "Device discovery payload" (2024.11 on).
    """
    ident = f"menshen_{site}_{gate}".replace("-", "_")
    components = {
        name: {
            "platform": "sensor",
            "name": shown,
            "unique_id": f"{ident}_{name}",
            "value_template": f"{{{{ value_json.{name} }}}}",
            **more,
        }
        for name, shown, more in _SENSORS
    }
    announced = {
        "device": {
            "identifiers": [ident],
            "name": f"Gate {gate}",
            "manufacturer": "menshen",
            "sw_version": version,
        },
        "origin": {"name": "menshen", "sw_version": version},
        "components": components,
        "state_topic": health_topic(site, gate),
        "availability_topic": status_topic(site, gate),  # `online` and `offline` are what it expects
    }
    return f"{prefix}/device/{ident}/config", json.dumps(announced, separators=(",", ":")).encode()
