"""docs/first-site.md, typed as it stands: it ends with a visitor let in, in the office's feed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import free_port

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-site.md"


@pytest.mark.timeout(300)
def test_the_page_opens_a_gate(tmp_path: Path):
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = "set -e\n" + "".join(blocks).replace("1883", str(free_port())).replace("~/garden", "garden")
    (tmp_path / "page.sh").write_text(script, encoding="utf-8")
    with (tmp_path / "said").open("w+", encoding="utf-8") as said:
        shell = subprocess.Popen(
            ["bash", "page.sh"],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(timeout=240)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    text = (tmp_path / "said").read_text(encoding="utf-8")
    assert code == 0, text
    assert re.search(r"^PASS .*gate north of site garden$", text, re.MULTILINE), text
    assert re.search(r"pass\.admitted .*Zhao Min$", text, re.MULTILINE), text
