"""hand_ins.py - the files that a class hands in (--lab --name), as runs of one comparison.

Each file is a student's run. Most students have the same SFT and S3FT as all others: such a method
stands once, and bears no name. What a student did otherwise bears the student's name: "mine (ada)".
"""
from collections import Counter

from data import UserError
from data.files import digest
from data.cli.lab import is_student
from data.report import gather
from data.report.intervals import difference, drop_benchmarks
from data.report.text import NAMES, method_title
from data.results.cells import latest, read
from data.results.scores import measured


# ---------------------------------------------------------------- which files

def split(paths):
    """-> (the files of a class among the paths and in their folders, the other paths).

    In a folder with one file of a class all files are taken for such: what is wrong with the others
    is said.
    """
    of_class = []
    others = []
    for path in paths:
        files = [path] if path.is_file() else []
        if path.is_dir() and not (path / "run.json").is_file():
            files = [file for file in sorted(path.iterdir())
                     if file.is_file() and not file.name.startswith(".")]
        if any(student_of(read(file)[0]) for file in files):
            of_class += files
        else:
            others.append(path)
    return of_class, others


def student_of(records):
    """The student in whose name all these cells are; None where it is no file of a class."""
    names = [record.get("about", {}).get("student") for record in records]
    if names and names.count(names[0]) == len(names) and is_student(str(names[0] or "")):
        return names[0]
    return None


# ---------------------------------------------------------------- one run for each student

def read_class(files):
    """Files of a class -> runs in the shape of results.json, for pool.pool.

    A file that cannot be read, or compared with most of the others, is left out; "remarks" of the
    first run name it.
    """
    runs = {}                        # {student: run}
    remarks = []
    # a file that bears its student's name comes before a copy such as "ada (1).jsonl"
    for file in sorted(files, key=lambda file: (not is_student(file.stem), file.name)):
        try:
            run = read_hand_in(file)
        except UserError as error:
            remarks.append(f"{file.name} is left out: {str(error).removeprefix('--report: ')}")
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            remarks.append(f"{file.name} is left out: damaged ({type(error).__name__}); let it be "
                           "made again")
        else:
            other = runs.get(run["label"])
            if other:
                remarks.append(f"{file.name} is left out: it is by {run['label']}, as "
                               f"{other['file']} is; delete one, or run again with another --name")
            else:
                runs[run["label"]] = run
    if not runs:
        raise UserError(f"--report: no file can be read. {'; '.join(remarks)}")
    usual = Counter(run["measured_on"] for run in runs.values()).most_common(1)[0][0]
    in_class = []
    for run in runs.values():
        if run["measured_on"] == usual:
            in_class.append(run)
        else:
            remarks.append(f"{run['file']} is left out: it was measured on other items, data or "
                           "seeds than most; run it again with the class's options")
    in_class = by_usual_base(in_class)
    remarks += name_methods(in_class)
    in_class[0]["remarks"] = remarks + in_class[0]["remarks"]
    return in_class


def by_usual_base(runs):
    """The runs, first one whose base model scores as most do: it speaks for all."""
    scores = [run["cells"][0]["test"]["right"] for run in runs]
    usual = Counter(map(str, scores)).most_common(1)[0][0]
    return sorted(runs, key=lambda run: str(run["cells"][0]["test"]["right"]) != usual)


def read_hand_in(file):
    """A student's file -> its run: the cells of its first seed that has a base model."""
    records = read(file)[0]
    student = student_of(records)
    if student is None:
        raise UserError("it is no file that --lab --name wrote, or a damaged one")
    run = gather.gather_cells([file])
    seed = run["settings"]["seeds"][0]
    run["cells"] = [cell for cell in run["cells"] if cell["seed"] == seed]
    run["settings"]["seeds"] = [seed]
    base = run["cells"][0]
    ids = {name: measured(base, name)["ids"] for name in ("test", *base["benchmarks"])}
    made = {}                        # {method: what its cells were made from}
    for name, record in latest(records).items():
        # Base's texts come with the project: where others of them are right, a judge or a prompt
        # was changed.
        what = [name, record["key"], record["about"].get("targets"), base["test"]["right"]]
        made.setdefault(record["cell"]["method"], []).append(what)
    # a cell of another version of the project may lack something: that is found here
    for cell in run["cells"]:
        for name in ("test", *cell["benchmarks"]):
            len(measured(cell, name)["right"])
    return run | {
        "folder": file.parent, "label": student, "file": file.name,
        "measured_on": digest(run["identity"], seed, ids),
        "made": {method: digest(what) for method, what in made.items()},
    }


# ---------------------------------------------------------------- which methods are one

def name_methods(runs):
    """Let what a student did otherwise bear the student's name, and what several did the same stand
    once, in the first such run. In place. -> remarks.

    Two runs did the same if all their answers are the same; or if their targets and settings are
    and no difference between them is shown. (Each student's code is written by hand, and another
    machine adds up in another order, so that some answers differ all the same.)
    """
    remarks = []
    for run in runs:
        run["students_of"] = {}      # {method without a name: the students who have it}
    for method in dict.fromkeys(method for run in runs for method in run["settings"]["methods"]):
        holders = [run for run in runs if method in run["settings"]["methods"]]
        usual, number = Counter(run["made"][method] for run in holders).most_common(1)[0]
        first = next(run for run in holders if run["made"][method] == usual)
        is_shared = number > 1 or method in NAMES
        same = []
        if is_shared:
            same = [run for run in holders if did_the_same(first, run, method)]
        remarks += other_answers(method, first, same)
        for run in holders:
            if run not in same:
                rename(run, method, f"{method} ({run['label']})")
            elif run is first:
                run["students_of"][method] = [one["label"] for one in same]
            else:
                rename(run, method, None)
    return remarks


def did_the_same(first, run, method):
    """Is a method of a run what it is in the first run?"""
    if answers(run, method) == answers(first, method):
        return True
    if run["made"][method] != first["made"][method]:
        return False
    for mine, theirs in zip(cells_of(run, method), cells_of(first, method), strict=True):
        for names in (["test"], drop_benchmarks([theirs])):
            gap = difference([mine], [theirs], names)
            if gap and (gap[1] > 0 or gap[2] < 0):
                return False
    return True


def cells_of(run, method):
    """A run's cells of a method, one a rate."""
    cells = [cell for cell in run["cells"] if cell["method"] == method]
    return sorted(cells, key=lambda cell: cell["lr"])


def answers(run, method):
    """What a run's cells of a method have right, on the test and on the benchmarks."""
    return [[cell["lr"], cell["test"]["right"],
             {name: scores["right"] for name, scores in cell["benchmarks"].items()}]
            for cell in cells_of(run, method)]


def other_answers(method, first, same):
    """A line on the runs whose method is the same as the first one's, but whose answers are not."""
    differ = [run for run in same if answers(run, method) != answers(first, method)]
    if not differ:
        return []
    right = [100 * cell["test"]["accuracy"] for run in same for cell in cells_of(run, method)]
    return [f"{method_title(method)}: from the same targets {len(differ)} of {len(same)} files "
            "have some other answers, as machines add up in another order; no difference is shown "
            f"({min(right):.1f} to {max(right):.1f} % right; {first['label']}'s stand here)"]


def rename(run, method, title):
    """Give a method of a run another title, in place; None: leave it out."""
    titles = [title if name == method else name for name in run["settings"]["methods"]]
    run["settings"]["methods"] = [name for name in titles if name is not None]
    cells = []
    for cell in run["cells"]:
        if cell["method"] != method:
            cells.append(cell)
        elif title is not None:
            cells.append(cell | {"method": title})
    run["cells"] = cells
