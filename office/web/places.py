"""Where pages are: those at the door stand at the root of the host, a site's below its own prefix, if it has one."""

from django.urls import get_script_prefix, reverse

SITE: str = "/site/{name}/"


def door(name: str) -> str:
    """The address of a page at the door, from wherever one is."""
    return "/" + reverse(name, urlconf="office.web.urls").removeprefix(get_script_prefix())


def site(name: str) -> str:
    """The address of a site's first page in a group."""
    return SITE.format(name=name)
