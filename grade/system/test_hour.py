"""An hour of everything at once: stress, a shell's scripts and the oracle's calls, on
both firmwares, under a fast timer. MINUTES=2 makes it shorter."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from machine.programs import Programs, archive_with
from machine.qemu import TREE, run

MINUTES = int(os.environ.get("MINUTES", "60"))
BUSYBOX = shutil.which("busybox", path="/bin:/usr/bin")


@pytest.mark.long
@pytest.mark.skipif(BUSYBOX is None, reason="busybox-static is not here")
def test_the_system_lives_and_nothing_is_lost(firmware: str, programs: Programs,
                                              tmp_path: Path) -> None:
    initrd = archive_with({
        "bin/mix": programs["mix"], "bin/oracle": programs["oracle"],
        "bin/busybox": Path(str(BUSYBOX)).read_bytes(),
        "applets.sh": (TREE / "grade/system/programs/applets.sh").read_bytes(),
    }, tmp_path / "initrd.cpio")
    result = run(f"/bin/mix {60 * MINUTES}", append="hz=2000", firmware=firmware,
                 initrd=initrd, deadline=90 * MINUTES + 300)
    assert result.status == 0, result.report
    told = re.search(r"mix: free pages before (\d+) after (\d+), files (\w{32}) and (\w+)",
                     result.console)
    assert told and told[1] == told[2] and told[3] == told[4], result.report
    print(result.console)
