"""data - whatever is not the method: tasks, prompts, files, options, the run folder, the table.

    from data import load_task
    task = load_task("gsm8k", "data/tiny")
    task.load("train")[0].question
"""
import json
from dataclasses import dataclass, field
from pathlib import Path

TINY = Path(__file__).parent / "tiny"             # the bundled teaching model and its data
TASKS = ("gsm8k", "mbpp", "nq", "squad")
ALL = ("gsm8k", "mbpp", "nq")                     # the paper's three: --task all
SKILLS = ("sorting", "reversing", "counting", "arithmetic")      # of the bundled model: data/tiny/skills


class UserError(ValueError):
    """Something that the user can mend. The message is one line: what is wrong and what to do."""


@dataclass(frozen=True)
class Example:
    """One training or test item. `answer` is the gold as the file has it; the task's `gold` cleans it."""
    id: str
    question: str
    answer: str
    extra: dict = field(default_factory=dict, hash=False)    # whatever else stands on the line


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
        from data.gsm8k import GSM8K
        return GSM8K(folder)
    if name == "mbpp":
        from data.mbpp import MBPP
        return MBPP(folder, all_asserts)
    if name in ("nq", "squad"):
        from data.squad import Reading
        return Reading(name, folder, test)
    if name.endswith((".jsonl", ".json")):
        from data.own import Own
        return Own(name, judge, test)
    raise UserError(f"task {name!r} is not known; known: {', '.join(TASKS)}, or a FILE.jsonl of your own")


def read_jsonl(path, fields):
    """[(line number, {..}), ...] of a JSON-lines file; UserError names file and line of the first bad one."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see --data") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error}); save it as UTF-8") from None
    rows = []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {n}: is no JSON ({error}); every line must be one JSON object") from None
        for name in fields:
            if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name].strip():
                raise UserError(f"{path}, line {n}: lacks the text field {name!r}; every line needs {', '.join(fields)}")
            if any("\ud800" <= c <= "\udfff" for c in row[name]):
                raise UserError(f"{path}, line {n}: the field {name!r} holds half a character (a lone surrogate); write it anew")
        rows.append((n, row))
    if not rows:
        raise UserError(f"{path}: is empty; it needs one JSON object a line with {', '.join(fields)}")
    return rows
