"""The pages of one site in a group: a process of its own, behind the group's door.

It opens its own home and nothing else. Whoever is signed in, and what they may
do here, it reads itself from the group's database.
"""

from pathlib import Path

from django.conf import settings

from office import home as homes
from office import logs
from office.ingest.subscriber import broker_of
from office.web import places, server


def serve(group: Path, site: str, socket: str, address: server.Address) -> None:
    """Serve one site on a Unix socket until SIGTERM.

    Args:
        address: where the door is.
    Raises:
        OfficeFault: the home can't be used.
    """
    logs.configure()
    home = homes.use(group, site)
    settings.ROOT_URLCONF = "office.web.site_urls"
    settings.FORCE_SCRIPT_NAME = places.site(site).removesuffix("/")
    settings.ORDER_BROKER = broker_of(home)
    server.configure(home, address)
    # The door has put these in place of whatever a browser said.
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    server.run(home, {"uds": socket, "proxy_headers": True, "forwarded_allow_ips": "*"})
