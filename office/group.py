"""A group of sites: one directory, with a home for each site and one database of accounts.

    riverside/
      group.toml            its name, and what differs from site to site
      office.db, keys/      accounts, roles, sessions, the group's own history
      sites/harbour/        a home, as of an office with one site
      sites/garden/

A site is what has a directory in `sites`; the file only says where its database and
its broker are. This module reads names and addresses, and opens nothing. See docs/adr/0021.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from agent.core.allowlist import NAME
from office.faults import OfficeFault
from office.files import write_new

FILE: Final = "group.toml"
_SITES: Final = "sites"
_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What a site has of its own beside its home; empty is the usual.

    Args:
        database: a PostgreSQL address; else a file in the home.
        broker: `HOST:PORT` that its gates talk to.
        username, password_file: for that broker.
    """

    database: str = ""
    broker: str = ""
    username: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its file describes it.

    Args:
        database: of accounts; a PostgreSQL address, or empty for a file in the directory.
        first: the site that was there before the group, which printed addresses without a site mean.
    """

    path: Path
    name: str
    database: str
    first: str
    settings: Mapping[str, SiteSettings]

    @classmethod
    def at(cls, path: Path) -> Self | None:
        """The group in this directory; None if it is none.

        Raises:
            OfficeFault: its file can't be read, or says what nobody understands.
        """
        file = path / FILE
        try:
            if not file.is_file():
                return None
            text = file.read_bytes()
            if len(text) > _MAX_BYTES:
                raise OfficeFault(f"found {len(text)} bytes in {file}, wanted at most {_MAX_BYTES}")
            said = tomllib.loads(text.decode())
        except (OSError, ValueError) as fault:
            raise OfficeFault(f"{file} can't be read: {fault}") from fault
        sites = said.pop("sites", {})
        words = {key: said.pop(key, "") for key in ("name", "database", "first")}
        if said or not isinstance(sites, dict):
            raise OfficeFault(
                f"{file}: found {', '.join(said) or 'sites'}, wanted name, database, first and [sites.NAME]"
            )
        if not all(isinstance(word, str) for word in words.values()) or not NAME.fullmatch(words["name"]):
            raise OfficeFault(f"{file}: wanted a name of a-z, 0-9 and -, and addresses as text")
        settings = {name: _settings(file, name, facts) for name, facts in sites.items()}
        return cls(path, words["name"], words["database"], words["first"], settings)

    @classmethod
    def around(cls, home: Path) -> Self | None:
        """The group that has this home; None if it stands alone."""
        whole = home.absolute()
        if whole.parent.name != _SITES or not NAME.fullmatch(whole.name):
            return None
        return cls.at(whole.parent.parent)

    @classmethod
    def make(cls, path: Path, name: str) -> Self:
        """Begin a group, without sites.

        Raises:
            OfficeFault: the name is unfit, something is there already, or it can't be written.
        """
        if not NAME.fullmatch(name):
            raise OfficeFault(f"found name {name!r}, wanted 1 to 32 of a-z, 0-9 and -")
        try:
            if path.exists() and any(path.iterdir()):
                raise OfficeFault(f"found something in {path}, wanted a directory that is new or empty")
            (path / _SITES).mkdir(mode=0o700, parents=True)
            path.chmod(0o700)
            write_new(path / FILE, _BEGINNING.format(name=name).encode())
        except OSError as fault:
            raise OfficeFault(f"no group can be made at {path}: {fault}") from fault
        return cls(path, name, "", "", {})

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of its sites, in order."""
        try:
            found = [one.name for one in (self.path / _SITES).iterdir() if (one / "keys").is_dir()]
        except OSError:
            return ()
        return tuple(sorted(name for name in found if NAME.fullmatch(name)))

    def home(self, site: str) -> Path:
        """Where a site's home is, or would be."""
        return self.path / _SITES / site

    def of(self, site: str) -> SiteSettings:
        return self.settings.get(site, SiteSettings())


def _settings(file: Path, name: str, facts: Any) -> SiteSettings:
    known = {one.name for one in fields(SiteSettings)}
    if not NAME.fullmatch(name) or not isinstance(facts, dict):
        raise OfficeFault(f"{file}: found sites.{name}, wanted [sites.NAME] with a site's name")
    wrong = [key for key, value in facts.items() if key not in known or not isinstance(value, str)]
    if wrong:
        raise OfficeFault(
            f"{file}: found sites.{name}.{wrong[0]}, wanted {', '.join(sorted(known))}, each a text"
        )
    return SiteSettings(**facts)


_BEGINNING: Final = """\
name = "{name}"

# Accounts, roles and sessions; without it a file beside this one.
# database = "postgresql://menshen@db.example/menshen_group?passfile=/etc/menshen/pgpass"

# The site that printed addresses without a site's name lead to.
# first = "harbour"

# What differs from the usual, for each site:
# [sites.harbour]
# database = "postgresql://menshen@db.example/menshen_harbour?passfile=/etc/menshen/pgpass"
# broker = "broker-1.example:1883"
# username = "office"
# password_file = "/etc/menshen/harbour.broker"
"""
