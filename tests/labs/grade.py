"""grade.py - a table of a class: which functions of the labs pass, in each student's copy.

    python tests/labs/grade.py CLASS              a folder that holds students' copies
    python tests/labs/grade.py ANNA BEN --lab 3   some copies, one lab
    python tests/labs/grade.py CLASS --csv class.csv --why

Run it in the project, not in a copy. All copies are asked with the same random inputs, by check.py:
each in processes of its own, with limits on time and on what it prints, on Linux also on memory.
But the code runs as you: it can read and write your files. Ctrl-C prints what is graded so far.
"""
import argparse
import ast
import csv
import os
import sys
import time
import warnings
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]        # the second for what `examine` asks

import check
from data.run.progress import Progress, minutes
from exercises import EXERCISES, LABS, of_labs
from probes import probes_of
from start import ORIGINAL, PROJECT, Mistake

SEED = 30
NOT_WRITTEN = "is not written yet"
KEY = """\
ok  all checks pass        3   so many checks pass before one fails
-   it is not written      !   its file is missing or cannot be loaded
=   it is the project's own code"""


@dataclass
class Copy:
    """A student's copy, and what was found in it."""
    name: str
    folder: Path
    written: list = field(default_factory=list)     # exercises that are to be asked
    equal: set = field(default_factory=set)         # names of functions that are the project's own
    verdicts: dict = field(default_factory=dict)    # {name of the exercise: check.Verdict}
    graded: bool = False


# ---------------------------------------------------------------- which folders

def find_copies(folders):
    """-> (copies, lines about what was left out). A class folder stands for what it holds."""
    found = {}                       # {folder: its name in the table}
    left_out = []
    for folder in folders:
        if is_copy(folder):
            found.setdefault(folder.resolve(), folder.resolve().name)
            continue
        copies_inside = 0
        without = []
        for student in subfolders(folder):
            copies = copies_of(student)
            if not copies:
                without.append(f"{student} is no student's copy; left out")
            for copy in copies:
                found.setdefault(copy.resolve(), copy.relative_to(folder).as_posix())
            copies_inside += len(copies)
        if copies_inside:
            left_out += without
        else:
            left_out.append(f"{folder} is no student's copy and holds none; left out")
    copies = []
    for folder, name in found.items():
        if list(found.values()).count(name) > 1:        # ANNA/mylab BEN/mylab
            name = f"{folder.parent.name}/{folder.name}"
        copies.append(Copy(name, folder))
    return copies, left_out


def copies_of(student):
    """A folder of a class: a copy, or a student's folder that holds one (class/anna/mylab)."""
    if is_copy(student):
        return [student]
    return [folder for folder in subfolders(student) if is_copy(folder)]


def is_copy(folder):
    """Has it a file with exercises? original.zip may be missing: the project's code is here."""
    return any((folder / exercise.file).is_file() for exercise in EXERCISES)


def subfolders(folder):
    if not folder.is_dir():
        return []
    return [one for one in sorted(folder.iterdir())
            if one.is_dir() and not one.name.startswith((".", "__"))]


# ---------------------------------------------------------------- before anything is run

def look(copy, exercises, originals):
    """Read the files of a copy: what need not be asked gets its verdict here.

    originals: {name of the exercise: the function in the project, as a text}.
    """
    trees = {}
    complaints = {}
    for file in {exercise.file for exercise in exercises}:
        try:
            trees[file] = parse(copy.folder, file)
        except Mistake as mistake:
            complaints[file] = str(mistake)
    for exercise in exercises:
        if exercise.file in complaints:
            copy.verdicts[exercise.name] = failed(exercise, complaints[exercise.file])
            continue
        function = function_in(trees[exercise.file], exercise.name)
        if is_blank(function):
            copy.verdicts[exercise.name] = failed(exercise, NOT_WRITTEN)
            continue
        copy.written.append(exercise)
        if function is not None and as_text(function) == originals[exercise.name]:
            copy.equal.add(exercise.name)


def parse(folder, file):
    """The syntax tree of a file; Mistake says what is wrong with it."""
    try:
        return ast.parse((folder / file).read_bytes())
    except FileNotFoundError:
        raise Mistake(f"{file} is missing")
    except OSError as error:
        raise Mistake(f"{file} cannot be read ({error.strerror})")
    except SyntaxError as error:
        raise Mistake(f"{file}, line {error.lineno} does not parse ({error.msg})")
    except (ValueError, RecursionError, MemoryError) as error:      # a zero byte; deep nesting
        raise Mistake(f"{file} does not parse ({error or type(error).__name__})")


def function_in(tree, name):
    """The syntax tree of a function, or of a method "Class.method". None where the file does not
    define it: it may import it."""
    node = tree
    for part in name.split("."):
        inside = [child for child in node.body if getattr(child, "name", None) == part]
        if not inside:
            return None
        node = inside[-1]
    return node


def is_blank(function):
    """Does it still do nothing but raise NotImplementedError?"""
    body = getattr(function, "body", [])
    if body and is_text(body[0]):
        body = body[1:]
    return len(body) == 1 and isinstance(body[0], ast.Raise) and (
        "NotImplementedError" in ast.dump(body[0]))


def is_text(statement):
    """Is it a docstring, or another text that nobody uses?"""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def as_text(function):
    """A function as a text that comments, docstrings and layout do not change."""
    for node in ast.walk(function):
        if isinstance(getattr(node, "body", None), list):
            node.body = [statement for statement in node.body if not is_text(statement)]
    return ast.dump(function)


def failed(exercise, message):
    return check.Verdict(exercise, probes=len(probes_of(exercise)), message=message)


# ---------------------------------------------------------------- asking

def grade(copy, seed, known):
    """Ask what a student has written, and judge it beside what the project's functions told."""
    try:
        told = check.ask(PROJECT, copy.folder, copy.written, seed)
    except Exception as error:                  # it fails this copy, and not the class
        for exercise in copy.written:
            copy.verdicts[exercise.name] = failed(exercise, f"it could not be asked ({error})")
        return
    for exercise in copy.written:
        try:
            verdict = check.judge_exercise(exercise, told, known)
        except Exception as error:              # of a value that no probe thought of
            text = " ".join(str(error).split())[:200]
            verdict = failed(exercise, f"what it returns cannot be judged ({text})")
        if verdict.message.startswith(NOT_WRITTEN):
            verdict.message = ("raise NotImplementedError is still reached, here or in a function "
                               "that it calls")
        copy.verdicts[exercise.name] = verdict


def grade_all(copies, seed):
    """Grade copies, two at a time where there are two processors -> was it stopped by Ctrl-C?

    Two is what check.py itself runs (the student's functions and the project's own), so the limits
    on time are here what they were for the student.
    """
    for copy in copies:
        copy.graded = not copy.written          # nothing to ask
    left_to_ask = [copy for copy in copies if copy.written]
    if not left_to_ask:
        return False
    exercises = [exercise for exercise in EXERCISES
                 if any(exercise in copy.written for copy in left_to_ask)]
    processors = os.cpu_count() or 1
    pool = ThreadPoolExecutor(2 if processors > 1 else 1)
    progress = Progress("copies", len(left_to_ask))
    try:
        known = check.ask(PROJECT, PROJECT, exercises, seed)
        for name, message in known.errors.items():
            raise Mistake(f"the project's own {name} fails ({message}); try again with less other "
                          "work on this machine, or mend the project")
        copy_of = {pool.submit(grade, copy, seed, known): copy for copy in left_to_ask}
        left = set(copy_of)
        while left:
            done, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()                 # raises what went wrong in its thread
                copy_of[future].graded = True
                progress()
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        check.STOP.set()
        return True
    return False


# ---------------------------------------------------------------- the table

def cell(copy, exercise):
    verdict = copy.verdicts[exercise.name]
    if verdict.message == NOT_WRITTEN:
        return "-"
    if is_about_file(verdict):
        return "!"
    mark = "=" if exercise.name in copy.equal else ""
    return f"ok{mark}" if verdict.ok else f"{verdict.passed}{mark}"


def is_about_file(verdict):
    """Is the message one about the whole file? It begins with its name then."""
    return verdict.message.startswith(verdict.exercise.file)


def table(copies, exercises):
    """Rows of texts: names, one row a copy, and how many passed each exercise."""
    rows = [["student", *codes(exercises).values(), "total", "="]]
    for copy in copies:
        cells = [cell(copy, exercise) for exercise in exercises]
        rows.append([copy.name[:24], *cells, *totals(cells)])
    passed = []
    for exercise in exercises:
        passed.append(sum(copy.verdicts[exercise.name].ok for copy in copies))
    return [*rows, ["passed", *map(str, passed), "", ""]]


def totals(cells):
    """How many pass, and how many of these are the project's own code."""
    equal = cells.count("ok=")
    return [str(cells.count("ok") + equal), str(equal)]


def codes(exercises):
    """{exercise: "3b"}, the second function of lab 3."""
    found = {}
    for exercise in exercises:
        place = of_labs([exercise.lab]).index(exercise)
        found[exercise] = f"{exercise.lab}{'abcdefgh'[place]}"
    return found


def show(copies, exercises):
    rows = table(copies, exercises)
    name_width = max(len(row[0]) for row in rows)
    for row in rows:
        cells = " ".join(f"{text:<3}" for text in row[1:])
        print(f"{row[0]:<{name_width}}  {cells}".rstrip())
    print()
    for lab in dict.fromkeys(exercise.lab for exercise in exercises):
        names = [f"{code} {exercise.name} ({len(probes_of(exercise))} checks)"
                 for exercise, code in codes(exercises).items() if exercise.lab == lab]
        print(", ".join(names))
    print(f"\n{KEY}")
    for copy in copies:
        for line in lines_about_files(copy):
            print(f"{copy.name}: {line}")


def lines_about_files(copy):
    """One line for each file that is missing or cannot be loaded."""
    lines = [verdict.message.partition("\n")[0] for verdict in copy.verdicts.values()
             if is_about_file(verdict)]
    return list(dict.fromkeys(lines))


def show_why(copies):
    """The first message of each exercise that was written and does not pass."""
    for copy in copies:
        for name, verdict in copy.verdicts.items():
            if verdict.ok or verdict.message == NOT_WRITTEN or is_about_file(verdict):
                continue
            print(f"\n{copy.name}: {name}, {verdict.passed} of {verdict.probes} checks")
            for line in verdict.message.split("\n"):
                print(f"    {line}")


def write_csv(path, copies, exercises):
    """The same table with whole names. (utf-8-sig: Excel takes plain UTF-8 for something else.)"""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        names = [exercise.name for exercise in exercises]
        writer.writerow(["student", *names, "total", "project's own code"])
        for copy in copies:
            cells = [cell(copy, exercise) for exercise in exercises]
            writer.writerow([copy.name, *cells, *totals(cells)])


# ---------------------------------------------------------------- the program

def read_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog=__doc__.partition("\n\n")[2])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER",
                        help="a student's copy, or a folder that holds copies")
    parser.add_argument("--lab", action="append", type=int, choices=list(LABS), metavar="N",
                        help="only this lab; give it again for another one")
    parser.add_argument("--seed", type=int, default=SEED,
                        help=f"of the random inputs, the same for all (default: {SEED})")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the table here")
    parser.add_argument("--why", action="store_true",
                        help="print why the first check that fails does")
    return parser.parse_args()


def run(options):
    """Grade and print -> the exit code."""
    if (PROJECT / ORIGINAL).exists():
        raise Mistake("this is a student's copy; run grade.py in the project itself")
    copies, left_out = find_copies(options.folders)
    for line in left_out:
        print(f"grade: {line}", file=sys.stderr)
    if not copies:
        return 2
    if options.csv:
        options.csv.open("a").close()           # fails now, and not after ten minutes
    began = time.monotonic()
    exercises = of_labs(options.lab or LABS)
    originals = {}
    for exercise in exercises:
        tree = parse(PROJECT, exercise.file)
        originals[exercise.name] = as_text(function_in(tree, exercise.name))
    for copy in copies:
        look(copy, exercises, originals)
    stopped = grade_all(copies, options.seed)
    graded = [copy for copy in copies if copy.graded]
    show(graded, exercises)
    if options.why:
        show_why(graded)
    if options.csv:
        write_csv(options.csv, graded, exercises)
    count = f"{len(graded)} of {len(copies)} copies in {minutes(time.monotonic() - began)}"
    print(f"\n{count} (random inputs: --seed {options.seed})")
    if stopped:
        print("grade: stopped; give the same command again for all", file=sys.stderr)
        return 130
    return 1 if left_out else 0


def main():
    warnings.simplefilter("ignore", SyntaxWarning)      # of students' code: no fault to grade
    sys.stdout.reconfigure(errors="replace")            # names that a console cannot show
    sys.stderr.reconfigure(errors="replace")
    try:
        return run(read_options())
    except (Mistake, RuntimeError) as mistake:
        print(f"grade: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("grade: stopped before anything was graded", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"grade: {error.filename} cannot be written ({error.strerror}); name another file",
              file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
