"""Put the project's top level on the path, wherever pytest is started, and keep the tests from doing slowly what can be quick."""
import os
import sys
from pathlib import Path

# Layers of a few dozen numbers only lose by a second thread, most of all on a machine that does other work. Threads that wait must
# not spin (one test has two). torch and the processes that tests start read this when they begin.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data import TINY, benchmarks, gsm8k, runs, verdicts


@pytest.fixture(scope="module")
def one_thread():
    """Layers of a few dozen numbers only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def read_once():
    """The bundled questions and benchmarks are read and checked once, the code's fingerprints taken once: not anew for each of some eighty runs.

    Whatever a test writes itself is read every time.
    """
    read, code_of, bundled, known = gsm8k.GSM8K.read, runs.code_of, benchmarks.bundled, {}

    def read_once(task, split):
        if TINY not in task.folder.parents:
            return read(task, split)
        if (task.folder, split) not in known:
            known[task.folder, split] = read(task, split)
        return list(known[task.folder, split])

    def code_once(module, *names):
        if isinstance(module, Path):
            return code_of(module, *names)
        if (module, names) not in known:
            known[module, names] = code_of(module, *names)
        return known[module, names]
    def bundled_once(path):
        if TINY not in path.parents:
            return bundled(path)
        if path not in known:
            known[path] = bundled(path)
        return list(known[path])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gsm8k.GSM8K, "read", read_once)
        patch.setattr(benchmarks, "bundled", bundled_once)
        patch.setattr(runs, "code_of", code_once)
        patch.setattr(verdicts, "code_of", code_once)
        yield
