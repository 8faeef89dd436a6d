"""start.py - write a student's copy of the project, in which the functions of the labs are blank.

    python tests/labs/start.py FOLDER                  all labs
    python tests/labs/start.py FOLDER --lab 3          only the functions of lab 3 are blank
    python tests/labs/start.py FOLDER --solution 3     in a copy: put the functions of lab 3 back
    python tests/labs/start.py FOLDER --solution pick  put one function back

A blank function keeps its signature and its docstring; one line stands for its body. The copy has
the project's own code in tests/labs/original.zip, which the checks compare with.
"""
import argparse
import ast
import io
import shutil
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from exercises import EXERCISES, LABS, of_labs

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ("s3ft.py", "model.py", "judge.py", "data", "tests/labs", "README.md", "CONTRIBUTING.md",
          "LICENSE", "requirements.txt")
LEFT_OUT = ("__pycache__", "*.tmp*", "original.zip", "TEACHERS.md", "grade.py", "labs_*.py",
            "wrong", "right")
ORIGINAL = "tests/labs/original.zip"


class Mistake(Exception):
    """Something that the user can mend: one line."""


# ---------------------------------------------------------------- functions in files

def find_function(source, name, file):
    """The syntax tree of a function, or of a method "Class.method". Mistake where it is not there.
    """
    try:
        node = ast.parse(source)
    except SyntaxError as error:
        raise Mistake(f"{file}, line {error.lineno} does not parse ({error.msg}); mend it first")
    for part in name.split("."):
        inside = [child for child in node.body if getattr(child, "name", None) == part]
        if not inside:
            raise Mistake(f"{file} has no function {name} any more; copy it from the project")
        node = inside[-1]
    return node


def first_line(node):
    """The number of a function's first line: its decorators belong to it."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def blanked(source, exercise):
    """The text of a file with one line in place of a function's body."""
    node = find_function(source, exercise.name, exercise.file)
    body = node.body
    if ast.get_docstring(node) is not None:
        body = body[1:]
    indent = " " * body[0].col_offset
    line = f'{indent}raise NotImplementedError("lab {exercise.lab}: write {exercise.name}")'
    lines = source.split("\n")
    begin = body[0].lineno - 1
    # Comments that stand before the first statement belong to the body too.
    while begin > node.body[0].end_lineno and len(body) < len(node.body):
        begin -= 1
    return "\n".join([*lines[:begin], line, *lines[body[-1].end_lineno:]])


def put_back(source, original, exercise):
    """The text of a file with a function as it stands in the original file."""
    mine = find_function(source, exercise.name, exercise.file)
    theirs = find_function(original, exercise.name, exercise.file)
    lines = source.split("\n")
    right = original.split("\n")[first_line(theirs) - 1:theirs.end_lineno]
    return "\n".join([*lines[:first_line(mine) - 1], *right, *lines[mine.end_lineno:]])


def read(path):
    return path.read_text(encoding="utf-8")


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="\n")


# ---------------------------------------------------------------- the two things to do

def write_copy(folder, labs):
    """Write a student's copy, blank in these labs."""
    if (PROJECT / ORIGINAL).exists():
        raise Mistake("this is a student's copy itself; start from the project")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Mistake(f"{folder} exists and is not empty; name a new folder")
    inside = folder.resolve().parents
    if PROJECT in inside and PROJECT / "runs" not in inside:
        raise Mistake(f"{folder} lies inside the project; name a folder outside of it")
    for name in COPIED:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            shutil.copyfile(PROJECT / name, place)
    with zipfile.ZipFile(folder / ORIGINAL, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, path.relative_to(folder).as_posix())
    for exercise in of_labs(labs):
        path = folder / exercise.file
        write(path, blanked(read(path), exercise))
    names = ", ".join(exercise.name for exercise in of_labs(labs))
    print(f"{folder}: to be written are {names}\n"
          f"cd {folder}; read tests/labs/README.md; python tests/labs/check.py LAB checks a lab")


def solve(folder, wanted):
    """Put functions back in a student's copy. wanted: the number of a lab, or a function's name."""
    if not (folder / ORIGINAL).is_file():
        raise Mistake(f"{folder} is no student's copy (it has no {ORIGINAL}); "
                      "--solution is for a folder that start.py wrote")
    exercises = [one for one in EXERCISES if wanted in (str(one.lab), one.name)]
    if not exercises:
        names = ", ".join(exercise.name for exercise in EXERCISES)
        raise Mistake(f"--solution {wanted}: no lab and no function of one; known: 1 to "
                      f"{len(LABS)}, {names}")
    with zipfile.ZipFile(folder / ORIGINAL) as archive:
        for exercise in exercises:
            path = folder / exercise.file
            with io.TextIOWrapper(archive.open(exercise.file), "utf-8") as file:
                original = file.read()
            write(path, put_back(read(path), original, exercise))
            print(f"{exercise.file}: {exercise.name} is back")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog=__doc__.partition("\n\n")[2])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--lab", type=int, metavar="N", help="blank in this lab only")
    parser.add_argument("--solution", metavar="N",
                        help="put back the functions of lab N, or the function of this name")
    options = parser.parse_args()
    try:
        if options.lab is not None and options.lab not in LABS:
            raise Mistake(f"there is no lab {options.lab}; known: 1 to {len(LABS)}")
        if options.solution is not None:
            solve(options.folder, options.solution)
        else:
            write_copy(options.folder, [options.lab] if options.lab else list(LABS))
    except Mistake as mistake:
        print(f"start: {mistake}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"start: {error.filename} cannot be written ({error.strerror}); name another folder",
              file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
