"""What an image is made of: recipe.toml and the files beside it, for one kind of machine."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RECIPES: Final = Path(__file__).parent
MIB: Final = 1 << 20
_MAX_BYTES: Final = 64 * 1024


class ImageFault(Exception):
    """An image that is not made, or is not what it should be; says what was found, wanted and what to do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A base system for one kind of machine.

    Args:
        arch: as Debian calls it, such as arm64; machine is what `uname -m` says there.
        python: of the base system, such as 3.13.
        mirror, security: where Debian's packages come from; a snapshot gives the same ones again.
        kernel: its package.
        loader: systemd-boot's name for the machine.
        files: a folder that is laid over the root.
        boot_bytes, base_bytes, data_bytes: of the partitions.
    """

    suite: str
    arch: str
    machine: str
    python: str
    mirror: str
    security: str
    packages: tuple[str, ...]
    kernel: str
    loader: str
    files: Path
    boot_bytes: int
    base_bytes: int
    data_bytes: int

    @classmethod
    def read(cls, arch: str, folder: Path = RECIPES / "debian") -> "Recipe":
        """Read a recipe.

        Raises:
            ImageFault: it is none, or knows no such machine.
        """
        path = folder / "recipe.toml"
        try:
            with path.open("rb") as file:
                fields: dict[str, Any] = tomllib.loads(file.read(_MAX_BYTES).decode())
            if arch not in fields["arch"]:
                raise ImageFault(f"found the machine {arch!r}, wanted one of {', '.join(fields['arch'])}")
            here, sizes = fields["arch"][arch], fields["partitions"]
            return cls(
                suite=fields["suite"],
                arch=arch,
                machine=here["machine"],
                python=fields["python"],
                mirror=fields["mirror"],
                security=fields["security"],
                packages=tuple(sorted((*fields["packages"], here["kernel"]))),
                kernel=here["kernel"],
                loader=here["loader"],
                files=folder / "files",
                boot_bytes=sizes["boot"] * MIB,
                base_bytes=sizes["base"] * MIB,
                data_bytes=sizes["data"] * MIB,
            )
        except OSError as fault:
            raise ImageFault(f"{path} can't be read: {fault.strerror}") from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise ImageFault(f"{path} does not say what a recipe says: {fault}") from fault

    @property
    def family(self) -> str:
        """Base systems of one family may take each other's place: the same machine, the same Python for the slots."""
        return f"menshen-{self.suite}-{self.arch}"

    def sources(self, mirror: str | None = None) -> list[str]:
        """Lines for sources.list.

        Args:
            mirror: in place of the recipe's, for the main archive; then nothing newer is mixed in.
        """
        main = mirror or self.mirror
        lines = [f"deb {main} {self.suite} main"]
        if mirror is None:
            lines += [
                f"deb {main} {self.suite}-updates main",
                f"deb {self.security} {self.suite}-security main",
            ]
        return lines
