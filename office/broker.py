"""An MQTT broker inside this process, for a demo or a small bench.

It is amqtt: MQTT 3.1.1, nothing kept on disk, messages in flight lost with
their connection. That is safe for events, since a gate keeps them until the
office has signed for them; a site runs Mosquitto all the same, which also
knows who may write where.
"""

import asyncio
import contextlib
import logging
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # type: ignore[import-untyped]
from amqtt.broker import Broker  # type: ignore[import-untyped]
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from office.faults import OfficeFault

_LISTENER: Final = "default"
_HASHED: Final = "$argon2"
_MAX_FILE_BYTES: Final = 64 * 1024


def serve(host: str, port: int, password_file: Path | None, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        port: 0 takes a free one.
        password_file: `name:password` lines, plain or argon2; None lets anybody in.
        ready: called with the port once it listens.
    Raises:
        OfficeFault: the port or the password file can't be used.
    """
    # amqtt logs each packet, and a client that leaves abruptly as an error.
    for name in ("amqtt", "transitions", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="menshen-broker-") as directory:
        plugins = _plugins(password_file, Path(directory))
        asyncio.run(_serve(host, port, plugins, ready))


async def _serve(host: str, port: int, plugins: dict[str, Any], ready: Callable[[int], None]) -> None:
    # An external listener leaves the socket to us: so the port is known, and ends with us.
    broker = Broker({"listeners": {_LISTENER: {"type": "external"}}, "plugins": plugins})
    await broker.start()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(Exception):  # a client's rubbish ends its connection, nothing else
            await broker.external_connected(
                StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER
            )
        writer.close()

    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        server = await asyncio.start_server(welcome, host, port)
    except OSError as fault:
        await broker.shutdown()
        raise OfficeFault(
            f"the broker can't listen on {host}:{port}: {fault}; give another --port"
        ) from fault
    ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    await broker.shutdown()


def _plugins(password_file: Path | None, directory: Path) -> dict[str, Any]:
    if password_file is None:
        return {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    hashed = directory / "passwords"
    hashed.write_text(_hashed(password_file), encoding="utf-8")
    return {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(hashed)}}


def _hashed(file: Path) -> str:
    """A password file as amqtt reads it."""
    try:
        with file.open(encoding="utf-8") as lines:
            text = lines.read(_MAX_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as fault:
        raise OfficeFault(f"the password file can't be read: {fault}") from fault
    hasher = PasswordHash((Argon2Hasher(),))
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, word = line.partition(":")
        if not (name and colon and word):
            raise OfficeFault(f"{file}, line {number}: wanted name:password")
        out.append(f"{name}:{word if word.startswith(_HASHED) else hasher.hash(word)}\n")
    return "".join(out)
