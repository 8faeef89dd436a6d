"""The tasks: questions, golds, the wording of their prompts, and how an answer is judged.

    from data.tasks import load_task
    task = load_task("gsm8k", "data/tiny")
    task.load("train")[0].question
"""
from data import TASKS, UserError
from data.judging import sandbox


def load_task(name, folder=None, judge=None, test=None, all_asserts=False):
    """A task by name on the files in `folder`, or the user's own FILE.jsonl with a judge and perhaps a test file.

    -> a Task: an object with
        load(split)              "train", "validation" or "test" -> list of Example
        the pieces of its prompts, which s3ft.py joins (`ask`, `rewrite`):
        history(e)               messages before the question, mostly none
        question(e), instruction what is asked, and how to answer
        reference(e), rewriting  how the gold is shown, and how to answer when it is
        gold(e), text(e, source) the clean gold; the text of a source that needs no sampling (gold, raw, voice)
        accept(e, text, source)  may this become a target? -> Verdict
        score(e, text)           is it right? -> Verdict
        truth(e)                 what a verdict needs, for attempts.jsonl: "judge", "gold", and "tests" and "setup", or "golds"
        name, title, files       the judge's or the set's name; what the table calls it; the files that it was read from
        fields, notes            which fields were read (own data); lines that the run prints and keeps in results.json
    and where it applies: runs_code (verdicts come from running programs), summary(examples, verdicts) (more figures, for
    readings), alike(e, verdict) (what makes a program a copy of the gold).
    """
    if name == "gsm8k":
        from data.tasks.gsm8k import GSM8K
        return GSM8K(folder)
    if name == "mbpp":
        from data.tasks.mbpp import MBPP
        return MBPP(folder, all_asserts)
    if name in ("nq", "squad"):
        from data.tasks.reading import Reading
        return Reading(name, folder, test)
    if name.endswith((".jsonl", ".json")):
        from data.tasks.own import Own
        return Own(name, judge, test)
    raise UserError(f"task {name!r} is not known; known: {', '.join(TASKS)}, or a FILE.jsonl of your own")


def check_sandbox(task, options):
    """Fail before sampling: UserError where generated code cannot be contained, unless
    --unsafe-code was given."""
    if getattr(task, "runs_code", False):
        sandbox.allow_limits_alone(options.unsafe_code)
        sandbox.check()
