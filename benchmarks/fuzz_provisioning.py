"""A million broken frames against a sealed kiosk: nothing may raise, nothing may change.

Half of them are broken on the line (bits, bytes, lengths, pieces of two frames in one),
half before they are framed, so that they pass the checksum and reach the messages.

    make fuzz-provisioning FRAMES=1000000
"""

import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from provisioning import identity, wire
from provisioning.check import Checker
from provisioning.device import Kiosk
from provisioning.enrolment import Enrolments
from provisioning.fragments import Joiner, is_fragment, split
from provisioning.framing import Decoder, encode

_NOTED = {"provision.jsonl", "provision.jsonl.1"}  # who came is recorded; that is no change of state
_ENROLMENT = {"site": "garden", "gate": "north", "at": "2026-03-01T08:00:00.000Z"}


def fuzz(frames: int, folder: Path, seed: int = 1) -> Counter[str]:
    """Throw frames at a sealed kiosk.

    Returns:
        How many frames were thrown and payloads came through, by what was answered;
        `changed` counts changes of what the kiosk keeps.
    """
    chance = random.Random(seed)
    kiosk = _sealed(folder)
    before = _state(folder)
    seeds = _seeds()
    counts: Counter[str] = Counter()
    decoder, joiner = Decoder(), Joiner()
    for number in range(frames):
        payload = chance.choice(seeds).replace(b"seed.", b"%x." % number)  # an id that was not used yet
        line = encode(_spoilt(payload, chance)) if number % 2 else _spoilt(encode(payload), chance)
        counts["frames"] += 1
        for heard in decoder.feed(line):
            joined = joiner.feed(heard) if is_fragment(heard) else heard
            answer = kiosk.answer(joined) if joined else None
            counts["payloads"] += 1
            counts["answered" if answer else "not answered"] += 1
            if answer and isinstance(wire.unpack(answer), wire.Unreadable):
                counts["unreadable answers"] += 1
    counts["changed"] = before != _state(folder)
    return counts


def _spoilt(data: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(spoilt) + 1) if spoilt else 0
        match chance.randrange(6):
            case 0 if spoilt:
                spoilt[place % len(spoilt)] ^= 1 << chance.randrange(8)
            case 1 if spoilt:
                spoilt[place % len(spoilt)] = chance.randrange(256)
            case 2:
                del spoilt[place : place + chance.randint(1, 9)]
            case 3:
                spoilt[place:place] = chance.randbytes(chance.randint(1, 9))
            case 4:
                spoilt[place:place] = spoilt[: chance.randint(0, 40)]
            case _:
                spoilt[place : place + 4] = chance.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"null", b"4294967296", b'"' * 4, b"[[[[")
                )
    return bytes(spoilt[:4096]) or b"\0"


def _sealed(folder: Path) -> Kiosk:
    etc, state = folder / "etc", folder / "state"
    kept = etc / "enrolments" / ("0" * 32)
    kept.mkdir(parents=True)
    state.mkdir()
    note = {"transfer": "0" * 32, **_ENROLMENT, "by": "ana"}
    (kept / "enrolment.json").write_text(json.dumps(note))
    (kept / "gate.toml").write_text('site = "garden"\ngate = "north"\n')
    identity.make_journal_key(state)
    (kept / "technicians.json").write_text(json.dumps({"ana": f"ed25519:{'11' * 32}"}))
    (etc / "enrolled").symlink_to(f"enrolments/{'0' * 32}")
    (etc / "technicians.json").symlink_to("enrolled/technicians.json")
    kiosk = Kiosk(state, Enrolments(etc, Checker(("false",))), time.time)
    kiosk.answer(_seeds()[0])  # hello, so that everything else is heard
    return kiosk


def _seeds() -> list[bytes]:
    """One good request of each kind, and its fragments."""
    facts = {"gate.toml": {"size": 4, "sha256": "0" * 64}, "root.json": {"size": 4, "sha256": "0" * 64}}
    wanted: dict[str, dict[str, object]] = {
        "hello": {"protocol": 1, "bench": "menshen", "who": "ana"},
        "enrol.begin": {**_ENROLMENT, "files": facts},
        "enrol.put": {"transfer": "0" * 32, "file": "gate.toml", "offset": 0, "data": "AAAA"},
        "enrol.commit": {"transfer": "0" * 32},
        "seal.prove": {"technician": "ana", "signature": "00" * 64},
        "identity.csr": {"site": "garden", "gate": "south"},
        "read.open": {"what": "sessions"},
        "read.part": {"handle": "00000000", "offset": 0, "count": 100},
        "time.set": {"utc": 1_800_000_000.0},
        "network.wifi": {"ssid": "garden", "passphrase": "open sesame"},
        "decommission": {"gate": "north", "at": _ENROLMENT["at"]},
    }
    requests = [
        wire.pack(wire.Request(id=f"seed.{number}", method=method, params=wanted.get(method, {})))
        for number, method in enumerate(wire.METHODS)
        # A challenge that was asked for and then answered wrongly is counted, as it should be.
        if method != "seal.challenge"
    ]
    piece = wire.pack(wire.Piece(b"abcd", 0, b"hello"))
    return [*requests, piece, *split(requests[1])]


def _state(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name not in _NOTED:
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(str(path.readlink()).encode() if path.is_symlink() else b"")
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def main() -> int:
    """Print what came of it; 1 if anything changed."""
    with tempfile.TemporaryDirectory() as folder:
        counts = fuzz(int(os.environ.get("FRAMES", "1000000")), Path(folder))
    for what, count in sorted(counts.items()):
        print(f"{count:>10,}  {what}")
    return 1 if counts["changed"] or counts["unreadable answers"] else 0


if __name__ == "__main__":
    sys.exit(main())
