"""The tasks: questions, golds, the wording of their prompts, and how an answer is judged.

    from data.tasks import load_task
    task = load_task("gsm8k", "data/tiny")
    task.load("train")[0].question
"""
from data import OWN_DATA, TASKS, UserError
from data.judging import sandbox
from data.tasks.gsm8k import GSM8K
from data.tasks.mbpp import MBPP
from data.tasks.own import Own
from data.tasks.reading import Reading


def load_task(name, folder=None, judge=None, test=None, all_asserts=False):
    """A task by name, read from the files in `folder` -> Task (data/tasks/task.py).

    Or the user's own file, with the name of a judge and perhaps a test file.
    """
    if name == "gsm8k":
        return GSM8K(folder)
    if name == "mbpp":
        return MBPP(folder, all_asserts)
    if name in ("nq", "squad"):
        return Reading(name, folder, test)
    if name.lower().endswith(OWN_DATA):
        return Own(name, judge, test)
    known = ", ".join(TASKS)
    raise UserError(f"task {name!r} is not known; known: {known}, or a file of your own "
                    f"({', '.join(OWN_DATA)})")


def check_sandbox(task, options):
    """Fail before sampling: UserError where generated code cannot be contained, unless
    --unsafe-code was given."""
    if task.runs_code:
        sandbox.allow_limits_alone(options.unsafe_code)
        sandbox.check()
