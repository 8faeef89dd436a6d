"""worker.py - ask a student's functions, in a process of its own; check.py starts it.

    python worker.py ORIGINAL FOLDER SEED OUT EXERCISE [EXERCISE ..]

ORIGINAL holds the project's own code. Of FOLDER one file at a time takes the place of the original
one: so a mistake in model.py does not fail an exercise in s3ft.py. What happens is told in lines of
OUT, also before a file is loaded and before a probe: if the process ends or hangs, the last line
tells where.
"""
import importlib
import importlib.util
import json
import linecache
import random
import sys
import traceback
from pathlib import Path

MOST_MEMORY = 2 * 2**30          # bytes of its own, where the system can limit them (Linux)
NAMES = {"data/methods/mine.py": "data.methods.mine"}       # of modules, where not the file's


def main():
    original, folder, seed, out, *names = sys.argv[1:]
    if sys.platform.startswith("linux"):
        import resource
        # Not RLIMIT_AS: torch for GPUs maps more files than that into its address space.
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    sys.path[:0] = [original, str(Path(original) / "tests" / "labs")]
    from exercises import EXERCISES
    with open(out, "a", encoding="utf-8") as report:
        def tell(**line):
            report.write(json.dumps(line) + "\n")
            report.flush()

        tell(event="start")
        importlib.import_module("s3ft")         # the original of all, and torch
        tell(event="ready")
        wanted = [exercise for exercise in EXERCISES if exercise.name in names]
        for file in dict.fromkeys(exercise.file for exercise in wanted):
            path = Path(folder) / file
            tell(event="loading", file=file)
            try:
                module = load(file, path)
            except BaseException as error:
                tell(event="unloadable", file=file, message=last_lines(error, path))
                continue
            for exercise in wanted:
                if exercise.file == file:
                    ask(exercise, module, seed, path, tell)
            unload(file)
        tell(event="done")


REPLACED = {}                    # {name: the module of the original that a student's one replaces}


def load(file, path):
    """The student's file as the module of its name; what it imports is the original."""
    name = NAMES.get(file, path.stem)
    REPLACED[name] = sys.modules.get(name)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        unload(file)
        raise
    return module


def unload(file):
    """Put the original module back in its place."""
    name = NAMES.get(file, Path(file).stem)
    original = REPLACED.pop(name)
    if original is None:                        # the worksheet: nobody imports it
        del sys.modules[name]
    else:
        sys.modules[name] = original


def lend(asked, module):
    """Let the project's own functions stand for all exercises of a file but the one that is asked,
    so that a mistake in `pick` does not fail `generate_plain`. In a method of one's own (lab 6) the
    two functions belong together. -> [(where, name, the student's function)], to be put back.
    """
    from exercises import EXERCISES
    original = REPLACED[module.__name__]
    its_own = []
    for exercise in EXERCISES:
        if exercise.file != asked.file or exercise is asked:
            continue
        if original is None or exercise.lab == 6:
            continue
        *inside, name = exercise.name.split(".")
        owner = module
        source = original
        for part in inside:                     # a method's class
            owner = getattr(owner, part, None)
            source = getattr(source, part)
        if hasattr(owner, name):
            its_own.append((owner, name, vars(owner)[name]))
            setattr(owner, name, getattr(source, name))
    return its_own


def ask(exercise, module, seed, path, tell):
    """All probes of one exercise, up to the first that raises an error."""
    from probes import probes_of
    for number, probe in enumerate(probes_of(exercise)):
        tell(event="asking", exercise=exercise.name)
        line = ask_probe(exercise, number, probe, module, seed, path)
        tell(**line)
        if line["event"] != "told":
            break


def ask_probe(exercise, number, probe, module, seed, path):
    """What a student's function says to one probe, as a line to be told."""
    draw = random.Random(f"{seed} {exercise.name} {number}")
    its_own = lend(exercise, module)
    try:
        value = probe.ask(draw, module)
        json.dumps(value)
    except NotImplementedError as error:
        # start.py has written "lab 6: write mine" into a blank function, maybe into another one
        # that this one asks.
        _, _, blank = str(error).partition(": write ")
        return {"event": "blank", "exercise": exercise.name, "blank": blank or exercise.name}
    except BaseException as error:
        message = last_lines(error, path)
        return {"event": "error", "exercise": exercise.name, "message": message}
    finally:
        for owner, name, function in its_own:
            setattr(owner, name, function)
    return {"event": "told", "exercise": exercise.name, "probe": number, "value": value}


def last_lines(error, path):
    """An error in one or two lines: what it is, and the last line of the student's file in it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if isinstance(error, SyntaxError):
        return f"line {error.lineno} does not parse: {error.msg}"
    if isinstance(error, OSError) and error.filename == str(path):
        return f"it cannot be read ({error.strerror}); copy it from the project"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename) == path:
            code = linecache.getline(frame.filename, frame.lineno).strip()
            return f"line {frame.lineno}, in {frame.name}: {text}\n    {code}"
    return f"what it returns cannot be used ({text})"


if __name__ == "__main__":
    main()
