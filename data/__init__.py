"""data - whatever is not the method: tasks, prompts, files, options, the run folder, the table.

"""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

TINY = Path(__file__).parent / "tiny"             # the bundled teaching model and its data
TASKS = ("gsm8k", "mbpp", "nq", "squad")
ALL = ("gsm8k", "mbpp", "nq")                     # the paper's three: --task all
BUNDLED = ("facts", "myths", "endings", "referents")    # the bundled model's own benchmarks
PUBLIC = ("mmlu", "truthfulqa", "hellaswag", "winogrande")
SKILLS = ("sorting", "reversing", "counting", "arithmetic")    # of the bundled model, too


class UserError(ValueError):
    """Something that the user can mend. The message is one line: what is wrong and what to do."""


def say_once(text, said=set()):
    """Print a line to stderr unless it has been printed before."""
    if text not in said:
        said.add(text)
        print(text, file=sys.stderr)


def plural(word, n):
    """seed -> seed, or seeds where n is not 1."""
    return word if n == 1 else word + "s"


@dataclass(frozen=True)
class Example:
    """One training or test item. answer: the gold as the file has it; the task's `gold` cleans it."""
    id: str
    question: str
    answer: str
    extra: dict = field(default_factory=dict, hash=False)    # whatever else stands on the line


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
