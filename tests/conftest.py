"""Put the project's top level on the path, wherever pytest is started, and spare the tests what need not be slow."""
import os
import sys
from pathlib import Path

# Layers of a few dozen numbers only lose by a second thread, most of all on a machine that does other work. Threads
# that wait must not spin (one test has two). torch and the processes that tests start read this when they begin.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data import TINY
from data.benchmarks import multiple_choice
from data.tasks import gsm8k, mbpp, reading


@pytest.fixture(scope="module")
def one_thread():
    """Layers of a few dozen numbers only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def read_once():
    """Read and check the bundled files once, not for each of some eighty runs.

    Whatever a test writes itself is read every time.
    """
    with pytest.MonkeyPatch.context() as patch:
        remember(patch, gsm8k.GSM8K, "read", lambda task, split: bundled(task.folder / split))
        remember(patch, mbpp, "read", bundled)
        remember(patch, reading, "read", bundled)
        remember(patch, multiple_choice, "bundled", bundled)
        yield


def bundled(path):
    """The path (also as a text), if no test writes there; else None."""
    return path if TINY in Path(path).parents else None


def remember(patch, owner, name, key):
    """Let owner.name answer from memory where key(*arguments) is not None; a list as a new one each time."""
    real, known = getattr(owner, name), {}

    def remembered(*arguments, **named):
        this = key(*arguments, **named)
        if this is None:
            return real(*arguments, **named)
        if this not in known:
            known[this] = real(*arguments, **named)
        value = known[this]
        return list(value) if isinstance(value, list) else value
    patch.setattr(owner, name, remembered)
