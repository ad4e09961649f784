"""Which release this is, as the environment that it is installed in says."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """This software's version; `unknown` where it is not installed."""
    try:
        return version("menshen")
    except PackageNotFoundError:
        return "unknown"
