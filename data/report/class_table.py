"""class_table.py - the section "The class": what each student's method did, in one table."""
from data.report.intervals import accuracy, difference, mean_drop
from data.report.table import mean_kl
from data.report.text import (
    control_of, markdown_table, method_title, points, with_interval)


def the_class(c):
    """A row for each method, sorted by its difference to S3FT, and what chance alone would do:
    lines. c: data.report.report.Comparison"""
    students_of = {}                 # {method that bears no name: the students who have it}
    for run in c.results["runs"]:
        students_of |= run.get("students_of", {})
    groups = {method: c.groups[method, lr] for method, lr in c.rates.items()}
    order = sorted(groups, key=lambda method: rank(groups, c.base, method), reverse=True)
    rows = [["student", "method", "task, %", "gain over base", "difference to SFT", "to S3FT",
             "to its control", "mean drop", "KL"]]
    for method in order:
        group = groups[method]
        name, student = name_and_student(method)
        if not student:
            student = ", ".join(students_of[method])
            if len(students_of[method]) > 3:
                student = f"{len(students_of[method])} of {len(c.results['runs'])}"
        control = control_of(method)                        # the same student's
        if control not in groups:
            control = f"{name}_random"
        others = [to(groups, method, other) for other in ("sft", "s3ft", control)]
        rows.append([student, method_title(name), with_interval(accuracy(group)),
                     points(difference(group, c.base), ""), *others,
                     points(mean_drop(group, c.base), ""), mean_kl(group)])
    text = ("Gains and differences are at the task, in points, with 95 % intervals. SFT and S3FT "
            "are here those of most files. \"9 of 30\": so many files have this row.")
    return [*markdown_table(rows), "", text, *other_base(c), *by_chance(groups)]


def other_base(c):
    """A line on the students whose base model scores otherwise. Its texts come with the project, so
    they changed what is right, or what is asked."""
    usual = c.base[0]["test"]["right"]
    students = [run["label"] for run in c.results["runs"]
                if run["cells"][0]["test"]["right"] != usual]
    if not students:
        return []
    return ["", f"Not to be compared with the others: {', '.join(students)}. There the base model "
            "itself scores otherwise, so a judge or a prompt was changed."]


def name_and_student(method):
    """"mine (ada)" -> ("mine", "ada"); "s3ft" -> ("s3ft", "")"""
    name, _, student = method.partition(" ")
    return name, student.strip("()")


def rank(groups, base, method):
    """By what the rows are sorted: the difference to S3FT, or to base where nobody has S3FT."""
    return difference(groups[method], groups.get("s3ft", base))[0]


def to(groups, method, other):
    """The difference between two methods as text; "-" where there is nothing to compare."""
    if other == method or other not in groups:
        return "-"
    return points(difference(groups[method], groups[other]), "")


def by_chance(groups):
    """How many rows would differ from S3FT by chance alone, and which differ beyond that: lines.

    Bonferroni: among N comparisons, each at a level of 5 % / N, chance alone shows one in less than
    one class of twenty.
    """
    rows = [method for method in groups if name_and_student(method)[1]]
    if not rows or "s3ft" not in groups:
        return []
    number = len(rows)
    level = 0.05 / number
    shown = []                       # at 5 %
    still = []                       # at 5 % / number
    for method in rows:
        for its_level, its_list in ((0.05, shown), (level, still)):
            _, low, high = difference(groups[method], groups["s3ft"], level=its_level)
            if low > 0 or high < 0:
                its_list.append(method_title(method))
    expected = f"about {number / 20:.1f}".removesuffix(".0")
    text = (f"Students' own rows that are compared with S3FT: {number}. If none were better or "
            f"worse than it, {expected} would look different by chance alone. {len(shown)} do here")
    text += f": {', '.join(shown)}." if shown else "."
    if shown:
        text += (f" With so many rows one asks for more, intervals of {100 * (1 - level):.4g} % in "
                 "place of 95 % (Bonferroni): ")
        text += f"still shown: {', '.join(still)}." if still else "then none is shown."
    return ["", text]
