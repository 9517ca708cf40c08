"""Each fuzz target for a few seconds: that it runs, reaches what it is meant for, and finds nothing at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SECONDS = "3"


@pytest.mark.parametrize("target", sorted(file.stem for file in FOLDER.glob("fuzz_*.py")))
def test_fuzz_target_runs(target: str) -> None:
    environment = os.environ | {"FUZZ_SECONDS": SECONDS, "PYTHONPATH": str(FOLDER.parents[1])}
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{target}.py")], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
