"""Inside the machine: run the commands that arrive on a serial line, one after another.

    control.py TTY

A line in is {"run": [...], "stdin": TEXT, "within_s": N}; a line out is {"code": N, "out": TEXT,
"err": TEXT}, code null for a command that took too long. Standard library only.
"""

import json
import os
import subprocess
import sys
import tty


def answer(ask: dict) -> dict:
    try:
        ran = subprocess.run(
            ask["run"],
            input=ask.get("stdin", ""),
            capture_output=True,
            timeout=ask["within_s"],
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as late:
        out, err = ((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr))
        return {"code": None, "out": out, "err": err}
    except OSError as fault:
        return {"code": 127, "out": "", "err": str(fault)}
    return {"code": ran.returncode, "out": ran.stdout, "err": ran.stderr}


def main(path: str) -> None:
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(line):
        tty.setraw(line)
    with os.fdopen(line, "r+b", buffering=0) as wire:
        wire.write(b'{"hello": 1}\n')
        held = b""
        while True:
            held += wire.read(4096)
            *asks, held = held.split(b"\n")
            for ask in asks:
                wire_out = memoryview(json.dumps(answer(json.loads(ask))).encode() + b"\n")
                while wire_out:
                    wire_out = wire_out[wire.write(wire_out) :]


if __name__ == "__main__":
    main(sys.argv[1])
