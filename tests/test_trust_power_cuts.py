"""The power goes while sync switches lists; the gate has a whole valid list every time."""

from tests import list_drill


def test_sync_killed_anywhere_while_it_switches_leaves_a_whole_list(tmp_path):
    switches = list_drill.drill(tmp_path, 40)
    assert switches > 0, "the kills fell among switches"
