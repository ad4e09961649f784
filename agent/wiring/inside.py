"""What this gate knows of who is inside: its own last passages, and those that its fellows told it."""

from contextlib import closing

from agent.config import GateConfig
from agent.core.memory import MOST_REMEMBERED
from agent.core.moments import Moment
from agent.core.muster import Muster, Seen
from agent.stores import heard, read_only, uses


def account(config: GateConfig, now: Moment, since_utc: float) -> Muster:
    """The account, not yet signed.

    Args:
        since_utc: passages before that are left out.
    Raises:
        sqlite3.Error: the journal can't be read; a gate that has never run has none.
    """
    connection, _ = read_only.connect(config.journal_file, isolation_level=None, timeout=2.0)
    with closing(connection):
        here, _whole = uses.newest(connection, MOST_REMEMBERED)
    own = [
        Seen(pass_id.hex(), config.gate, config.zone, use.way, int(use.at_utc))
        for pass_id, use in here.items()
        if use.way is not None and use.at_utc >= since_utc
    ]
    told = [
        Seen(one.pass_id.hex(), one.gate, one.zone, one.use.way, int(one.use.at_utc))
        for one in heard.passages_of(config.heard_file)
        if one.use.way is not None and one.use.at_utc >= since_utc
    ]
    return Muster(config.site, config.gate, int(now.utc), now.trust, (*own, *told))
