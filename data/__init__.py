"""data - whatever is not the method: tasks, prompts, files, options, the run folder, the table."""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

TINY = Path(__file__).parent / "tiny"             # the bundled teaching model and its data
TASKS = ("gsm8k", "mbpp", "nq", "squad")
ALL = ("gsm8k", "mbpp", "nq")                     # the paper's three: --task all
BUNDLED = ("facts", "myths", "endings", "referents")    # the bundled model's own benchmarks
PUBLIC = ("mmlu", "truthfulqa", "hellaswag", "winogrande")      # those of the paper's Table 4
SKILLS = ("sorting", "reversing", "counting", "arithmetic")     # in data/tiny/skills
# the linear layers of a block, on which LoRA puts adapters
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


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
    """One training or test item."""
    id: str
    question: str
    answer: str                  # the gold as the file has it; the task's `gold` cleans it
    extra: dict = field(default_factory=dict, hash=False)    # whatever else stands on the line


# ---------------------------------------------------------------- reading what others wrote

def has_half_character(text):
    """Does it hold a lone surrogate? JSON can spell one ("\\ud83d"), but no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def checked_text(value, what):
    """The value, if it is a text that says something; ValueError says what is wrong with it."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text but {json.dumps(value)[:40]}; write a text")
    if not value.strip():
        raise ValueError(f"{what} is empty; fill it in or delete the line")
    if has_half_character(value):
        raise ValueError(f"{what} holds half a character (a lone surrogate); write it anew")
    return value


def is_list_of_texts(value):
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def read_jsonl(path, fields):
    """A JSON-lines file -> [(line number, {..}), ...].

    fields: those that every line must have, as texts. UserError names file and line of a bad one.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); "
                        "give a file with one JSON object a line") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error}); save it as UTF-8") from None
    needed = ", ".join(fields) or "a question and its answer"
    if "\0" in text[:4000]:
        raise UserError(f"{path}: is no UTF-8 text (it has zero bytes); save it as UTF-8")
    if text.lstrip().startswith("["):
        raise UserError(f"{path}, line 1: is a JSON list; write one object a line, "
                        "without the list around them (jq -c '.[]' does that)")
    rows = []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {n}: is no JSON ({error}); "
                            "every line must be one JSON object") from None
        for name in fields:
            value = row.get(name) if isinstance(row, dict) else None
            if not isinstance(value, str) or not value.strip():
                raise UserError(f"{path}, line {n}: lacks the text field {name!r}; "
                                f"every line needs {needed}")
            if has_half_character(value):
                raise UserError(f"{path}, line {n}: the field {name!r} holds half a character "
                                "(a lone surrogate); write it anew")
        rows.append((n, row))
    if not rows:
        raise UserError(f"{path}: is empty; it needs one JSON object a line with {needed}")
    return rows
