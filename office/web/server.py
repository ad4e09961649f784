"""The server of the pages: uvicorn over Django, with the home's own secret.

For a group it is the door, with a process for each site behind it.

Plain HTTP is served to this machine alone. For everybody else it is HTTPS,
here or by a proxy in front; a browser gives the holder's page its keys and the
visitors' forms their privacy only then.
"""

import secrets
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application

from office.faults import OfficeFault
from office.files import write_new
from office.fleet import Fleet
from office.group import Group
from office.home import Home
from office.web.caretaker import Caretaker
from office.web.hub import HUB
from office.web.relay import Relay

_SIGNING_FILE: Final = "pages.secret"
_A_YEAR_S: Final = 365 * 86400
_COMING_UP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the pages are served.

    Args:
        names: host names that browsers may use, besides localhost.
        certificate, key: PEM files; both or none.
        behind_proxy: a proxy on this machine speaks HTTPS for us.
    """

    host: str
    port: int
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def encrypted(self) -> bool:
        return self.behind_proxy or self.certificate is not None

    def check(self) -> None:
        """Look whether it may be served so.

        Raises:
            OfficeFault: half a certificate, or other machines without encryption (C29).
        """
        if (self.certificate is None) != (self.key is None):
            raise OfficeFault("found one of --tls-cert and --tls-key, wanted both or none")
        if not self.encrypted and not _is_this_machine(self.host):
            raise OfficeFault(
                f"other machines would reach {self.host} without encryption; give --tls-cert and --tls-key, "
                "or --behind-proxy with a proxy that speaks HTTPS"
            )


def serve(home: Home, address: Address) -> None:
    """Serve until SIGTERM or SIGINT; `pages.listening port=…` is printed when it is ready.

    Raises:
        OfficeFault: as Address.check, or the secret can't be kept.
    """
    address.check()
    configure(home, address)
    run(home, _listening(address))


def serve_group(home: Home, address: Address) -> None:
    """The door of a group, and a process for each of its sites behind it.

    Raises:
        OfficeFault: as serve.
    """
    address.check()
    if home.group is None:
        raise OfficeFault(f"found an office of one site in {home.path}, wanted a group")
    settings.ROOT_URLCONF = "office.web.door_urls"
    configure(home, address)
    with tempfile.TemporaryDirectory(prefix="menshen-sites-") as folder:  # for this user alone
        sockets = _Sockets(Path(folder), home.group)
        settings.SOCKETS = sockets
        fleet = Fleet(home.group, _serve_site, lambda site: (sockets[site], address))
        fleet.start()
        try:
            sockets.wait()
            run(home, _listening(address), Relay(get_asgi_application(), sockets), live=False)
        finally:
            fleet.stop()


class _Sockets(Mapping[str, str]):
    """Where each site's process listens: of all that the group has at this moment."""

    def __init__(self, folder: Path, group: Group) -> None:
        self._folder, self._group = folder, group

    def __getitem__(self, site: str) -> str:
        if not self._group.home(site).is_dir():
            raise KeyError(site)
        return str(self._folder / site)

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.sites)

    def __len__(self) -> int:
        return len(self._group.sites)

    def wait(self) -> None:
        """Give the sites a while to come up, so that the first who look find them."""
        give_up = time.monotonic() + _COMING_UP_S
        while time.monotonic() < give_up and not all(Path(self[site]).exists() for site in self):
            time.sleep(0.1)


def _serve_site(group: Path, site: str, socket: str, address: Address) -> None:
    from office.web import site as pages  # noqa: PLC0415  it needs this module

    pages.serve(group, site, socket, address)


def run(home: Home, options: dict[str, Any], app: Any = None, *, live: bool = True) -> None:
    """Serve an application until told to end, with what goes on beside it.

    Args:
        options: of uvicorn: where to listen.
        live: there are events to follow, and pages that show them.
    Raises:
        OfficeFault: it can't listen there, or the certificate can't be used.
    """
    options = {
        "lifespan": "off",
        "log_level": "warning",
        "access_log": False,  # addresses of pages name people's files
        "server_header": False,
        "timeout_graceful_shutdown": 2,
        "limit_concurrency": 500,
        **options,
    }
    try:
        server = _Server(uvicorn.Config(app or get_asgi_application(), **options))
    except OSError as fault:
        raise OfficeFault(f"the certificate can't be used: {fault}") from fault
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _told)
    caretaker = Caretaker(home)
    if live:
        HUB.start()
    caretaker.start()
    try:
        server.run()
    except SystemExit as fault:  # how uvicorn says that it could not listen
        where = options.get("uds") or f"{options['host']}:{options['port']}"
        raise OfficeFault(
            f"the pages can't be served on {where}; is it taken? Give another --port"
        ) from fault
    finally:
        HUB.stop()
        caretaker.stop()


def _listening(address: Address) -> dict[str, Any]:
    options: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "proxy_headers": address.behind_proxy,
    }
    if address.certificate is not None and address.key is not None:
        options |= {"ssl_certfile": str(address.certificate), "ssl_keyfile": str(address.key)}
    return options


def configure(home: Home, address: Address) -> None:
    """Put into Django's settings what is this home's and this address's own."""
    settings.SECRET_KEY = secret(home)
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *address.names]
    if address.encrypted:
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
        settings.SECURE_HSTS_SECONDS = _A_YEAR_S
        if address.behind_proxy:
            settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def secret(home: Home) -> str:
    """What sessions and forms are signed with: made once, kept with the keys of who signs people in."""
    path = home.door / "keys" / _SIGNING_FILE
    try:
        if not path.exists():
            write_new(path, secrets.token_urlsafe(48).encode())
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as fault:
        raise OfficeFault(f"the pages' secret {path} can't be read or made: {fault}") from fault


def _told(signum: int, frame: Any) -> None:
    """Uvicorn repeats the signal once all is closed; that is then the end of it."""
    del signum, frame


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    """Says when it listens, and where."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers and not self.config.uds:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"pages.listening port={port}", flush=True)

    async def shutdown(self, sockets: Any = None) -> None:
        HUB.release()
        await super().shutdown(sockets)
