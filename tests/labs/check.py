"""check.py - does a lab's code do what it should?

    python tests/labs/check.py 3             the exercises of lab 3, in a student's copy
    python tests/labs/check.py 1 2 3         several labs; all: all six
    python tests/labs/check.py 3 --seed 7    the same random inputs as before

Every function is asked with random inputs, and so is the project's own one, in another process.
What a function says has to be the same. Each check is a sentence about what has to hold, and a
failing one is where to look. In the project itself all checks pass.
"""
import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from exercises import LABS, of_labs
from probes import probes_of

PROJECT = HERE.parents[1]
ORIGINAL = "tests/labs/original.zip"
FIRST_ANSWER = 60                # seconds until torch is imported, on a busy machine
EACH_ANSWER = 10                 # seconds for one probe
MOST_PRINTED = 10**6             # bytes that a student's code may print
STOP = threading.Event()         # set: end all workers (grade.py, after Ctrl-C)
LONGEST_SHOWN = 160              # characters of what was wanted, and of what a function said


@dataclass
class Verdict:
    """What is said of one exercise."""
    exercise: object             # exercises.Exercise
    passed: int = 0              # probes
    probes: int = 0
    message: str = ""            # what is wrong: the first thing

    @property
    def ok(self):
        return not self.message


@dataclass
class Told:
    """What a worker told."""
    values: dict = field(default_factory=dict)      # {(exercise, number of the probe): value}
    errors: dict = field(default_factory=dict)      # {exercise: message}
    begun: set = field(default_factory=set)         # exercises whose function was asked


# ---------------------------------------------------------------- asking a student's functions

def ask(original, folder, exercises, seed):
    """Ask the exercises of a folder -> Told. One that ends or hangs the process costs a new
    process, so that the others are asked too."""
    told = Told()
    left = list(exercises)
    while left:
        lines, ended = run_worker(original, folder, left, seed)
        last = take(lines, left, told)
        if ended is None:                               # it ran to its end
            break
        if last is None:                                # before any file: no fault of a student
            raise RuntimeError(f"no check could be started, importing s3ft {ended}")
        for exercise in left:                           # a function; or all of a file, in loading
            if last in (exercise.name, exercise.file):
                told.errors[exercise.name] = ended
        left = [exercise for exercise in left if not is_told(exercise, told)]
    return told


def is_told(exercise, told):
    """Is an exercise done with: is every probe answered, or one of them by an error?"""
    last_probe = len(probes_of(exercise)) - 1
    return exercise.name in told.errors or (exercise.name, last_probe) in told.values


def take(lines, exercises, told):
    """Sort a worker's lines into told -> the exercise or the file that it was at last, or None."""
    last = None
    for line in lines:
        name = line.get("exercise")
        last = name or line.get("file") or last
        if line["event"] == "asking":
            told.begun.add(name)
        elif line["event"] == "told":
            told.values[name, line["probe"]] = line["value"]
        elif line["event"] == "blank":
            told.errors[name] = "is not written yet"
            if line["blank"] != name:
                told.errors[name] = f"needs {line['blank']}, which is not written yet"
            told.begun.discard(name)                    # so no probe has anything to say of it
        elif line["event"] == "error":
            told.errors[name] = line["message"]
        elif line["event"] == "unloadable":
            for exercise in exercises:
                if exercise.file == line["file"]:
                    told.errors[exercise.name] = f"{line['file']}, {line['message']}"
    return last


def run_worker(original, folder, exercises, seed):
    """-> (the lines that it told, how it ended before its end: a few words, or None)."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "told.jsonl"
        printed = Path(place) / "printed.txt"
        names = [exercise.name for exercise in exercises]
        command = [sys.executable, str(HERE / "worker.py"), str(original), str(folder), str(seed),
                   str(out), *names]
        with open(printed, "wb") as sink:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                       cwd=place, env=surroundings(), start_new_session=True)
            ended = wait_for(process, out, printed)
        lines = []
        for line in out.read_text(encoding="utf-8").split("\n") if out.is_file() else []:
            try:
                lines.append(json.loads(line))
            except ValueError:                          # cut off, or the empty last one
                pass
    finished = any(line["event"] == "done" for line in lines)
    if ended is None and not finished:
        ended = "ends Python"
    return lines, ended


def surroundings():
    """The environment of a worker: one thread, no bytecode in a student's folder."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
                         "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}


def wait_for(process, out, printed):
    """Wait for a worker -> None, or why it was stopped."""
    patience = FIRST_ANSWER
    size = 0
    last_told = time.monotonic()
    stopped = None
    try:
        while process.poll() is None and not stopped:
            time.sleep(0.05)
            now = out.stat().st_size if out.is_file() else 0
            if now != size:
                size = now
                last_told = time.monotonic()
                if b'"ready"' in out.read_bytes():
                    patience = EACH_ANSWER
            if printed.stat().st_size > MOST_PRINTED:
                stopped = "prints without end"
            elif time.monotonic() - last_told > patience:
                stopped = f"does not end within {patience} seconds"
            elif STOP.is_set():
                stopped = "was stopped"
    finally:                                            # after Ctrl-C too
        if process.poll() is None:
            kill(process)
        process.wait()
    return stopped


def kill(process):
    """End a worker and all that it started."""
    if sys.platform == "win32":
        process.kill()
        return
    os.killpg(process.pid, signal.SIGKILL)


# ---------------------------------------------------------------- judging what was told

def judge_exercise(exercise, mine, theirs):
    """What a student's file told of an exercise, beside what the original told -> Verdict."""
    probes = probes_of(exercise)
    verdict = Verdict(exercise, probes=len(probes))
    for number, probe in enumerate(probes):
        if (exercise.name, number) not in mine.values:
            verdict.message = mine.errors.get(exercise.name, "was not asked")
            if exercise.name in mine.begun:
                verdict.message += f"\n(where this has to hold: {probe.holds})"
            return verdict
        value = mine.values[exercise.name, number]
        if probe.examine:
            complaint = probe.examine(value)
            if complaint:
                verdict.message = f"{probe.holds}\n{complaint}"
                return verdict
        else:
            wanted = theirs.values[exercise.name, number]
            if not same(value, wanted):
                its_wanted, its_value = where_they_differ(wanted, value)
                verdict.message = (f"{probe.holds}\nwanted {short(its_wanted)}\n"
                                   f"got    {short(its_value)}")
                return verdict
        verdict.passed += 1
    return verdict


def same(a, b):
    """Are two plain values the same, numbers but for rounding?"""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        both_nan = math.isnan(a) and math.isnan(b)
        return both_nan or math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-4)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def where_they_differ(wanted, value):
    """The two, or where they are long lists of lists, the first two parts of them that differ."""
    long = max(len(as_text(wanted)), len(as_text(value))) > LONGEST_SHOWN
    lists = isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value)
    if long and lists:
        for its_wanted, its_value in zip(wanted, value):
            if isinstance(its_wanted, (list, dict)) and not same(its_wanted, its_value):
                return where_they_differ(its_wanted, its_value)
    return wanted, value


def short(value):
    """A value on one line: long ones lose their middle."""
    text = as_text(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:90]} .. {text[-60:]}"


def as_text(value):
    return json.dumps(rounded(value), ensure_ascii=False)


def rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return value


def check(folder, exercises, seed, original, known=None):
    """Check exercises in a folder -> [Verdict].

    known: what the original told with this seed, if it was asked before.
    """
    with ThreadPoolExecutor(2) as both:
        mine = both.submit(ask, original, folder, exercises, seed)
        if known is None:
            known = ask(original, original, exercises, seed)
    return [judge_exercise(exercise, mine.result(), known) for exercise in exercises]


# ---------------------------------------------------------------- the program

def unpack_original(place):
    """The folder with the project's own code: in a student's copy unpacked into `place`."""
    archive = PROJECT / ORIGINAL
    if not archive.is_file():
        return PROJECT
    shutil.copytree(PROJECT / "data" / "tiny", Path(place) / "data" / "tiny")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(place)
    return Path(place)


def show(verdicts):
    """Print the verdicts of one lab."""
    lab = verdicts[0].exercise.lab
    print(f"\nlab {lab}: {LABS[lab]}")
    for verdict in verdicts:
        count = f"{verdict.passed} of {verdict.probes} checks"
        mark = "ok " if verdict.ok else "NO "
        print(f"  {mark} {verdict.exercise.name} ({verdict.exercise.file}): {count}")
        for line in verdict.message.split("\n"):
            if line:
                print(f"      {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog=__doc__.partition("\n\n")[2])
    parser.add_argument("labs", nargs="+", metavar="LAB", help="1 to 6, or all")
    parser.add_argument("--seed", type=int,
                        help="of the random inputs (default: another each time)")
    options = parser.parse_args()
    labs = []
    for name in options.labs:
        if name == "all":
            labs += LABS
        elif name.isdecimal() and int(name) in LABS:
            labs.append(int(name))
        else:
            print(f"check: there is no lab {name!r}; known: 1 to {len(LABS)}, all", file=sys.stderr)
            return 2
    labs = list(dict.fromkeys(labs))
    seed = random.randrange(10**4) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as place:
        original = unpack_original(place)
        sys.path.insert(1, str(original))                # for what `examine` asks
        try:
            verdicts = check(PROJECT, of_labs(labs), seed, original)
        except RuntimeError as error:
            print(f"check: {error}; install what requirements.txt names, and see what "
                  "python -c \"import s3ft\" says", file=sys.stderr)
            return 2
    for lab in labs:
        show([verdict for verdict in verdicts if verdict.exercise.lab == lab])
    good = sum(verdict.ok for verdict in verdicts)
    print(f"\n{good} of {len(verdicts)} functions pass (random inputs: --seed {seed})")
    return 0 if good == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
