"""Edited code never shows the results of the old code, nor the old code those of the edited one.

tests/check_edits.py tries every function; here are two of its cases, in a process of its own, since it forks.
"""
import subprocess
import sys
from pathlib import Path


def test_an_edit_is_seen_and_taken_back_it_finds_the_old_results():
    command = [sys.executable, Path(__file__).parent / "check_edits.py", "--two"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
