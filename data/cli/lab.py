"""lab.py - `--lab` and `--name`: what they stand for, and which options go with them."""
import unicodedata

from data import BUNDLED, UserError

# A comparison that a class can wait for. Its rate and sizes were chosen by measuring on seeds other
# than its own (data/tiny/lab/README.md).
LAB = {"task": "gsm8k", "limit": 200, "test_limit": 200, "validation_limit": 150,
       "benchmarks": ",".join((*BUNDLED, "counting")), "benchmark_limit": 200, "lr": [1e-3],
       "out": "runs/lab"}
NOT_IN_LAB = ("judge", "test", "all_asserts", "unsafe_code", "model", "data", "new_items",
              "thinking", "paper", "results", "report", "ask")
LONGEST_NAME = 40                # of a student, in letters


def check_lab(options, usual):
    """UserError where --lab, --name and the other options do not go together.

    usual: the options where none is given.
    """
    if options.name is not None:
        if not options.lab:
            raise UserError("--name is of a student in a lab; add --lab or leave it out")
        if not is_student(options.name):
            raise UserError(f"--name {options.name[:50]!r} is no name for a file; take letters, "
                            f"digits, - and _, at most {LONGEST_NAME}, no space")
    if not options.lab:
        return
    if options.task not in (None, LAB["task"]):
        raise UserError(f"--lab is about {LAB['task']}; leave out --task, or --lab")
    for name in NOT_IN_LAB:
        if getattr(options, name) != getattr(usual, name):
            option = name.replace("_", "-")
            raise UserError(f"--{option} does not go with --lab; leave out --{option}, or --lab")


def is_student(name):
    """Can this be a student's name? It names a file: letters of any script, digits, - and _.

    Some scripts write vowels as marks on a letter, so these count as letters.
    """
    for c in name:
        is_mark = unicodedata.category(c).startswith("M")
        if not (c.isalnum() or is_mark or c in "-_"):
            return False
    return 0 < len(name) <= LONGEST_NAME and name[0].isalnum()
