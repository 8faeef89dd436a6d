"""data - whatever is not the method: tasks, prompts, files, options, the run folder, the table."""
import json
import re
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
    extra: dict = field(default_factory=dict, hash=False)    # what else a task needs of the line


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
    return value


def text_field(row, name):
    """The text in a field of a JSON object; ValueError says what is wrong with it."""
    if not isinstance(row, dict) or name not in row:
        raise ValueError(f"lacks the text field {name!r}")
    return checked_text(row[name], f"the field {name!r}")


def is_list_of_texts(value):
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def read_text(path):
    """The text of a UTF-8 file. UserError where it cannot be read."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see --data") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error}); save it as UTF-8") from None


def parse_json(text, path, n=1):
    """The JSON value in a text that begins in line n of the file. UserError names the line."""
    try:
        value = json.loads(text.rstrip())
    except (ValueError, RecursionError) as error:
        line = n + getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", "nested too deeply")
        raise UserError(f"{path}, line {line}: is no JSON ({reason})") from None
    if re.search(r"\\u[dD]", text) and has_half_character(json.dumps(value, ensure_ascii=False)):
        raise UserError(f"{path}, line {n}: holds half a character (a lone surrogate); "
                        "write it anew")
    return value


def read_jsonl(path, fields=()):
    """A JSON-lines file -> [(line number, value), ...]. UserError names file and line.

    fields: those that every line must have, as texts.
    """
    text = read_text(path)
    if text.lstrip().startswith("["):
        raise UserError(f"{path}, line 1: is a JSON list; write one object a line, "
                        "without the list around them (jq -c '.[]' does that)")
    rows = []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = parse_json(line, path, n)
        try:
            for name in fields:
                text_field(row, name)
        except ValueError as error:
            raise UserError(f"{path}, line {n}: {error}") from None
        rows.append((n, row))
    if not rows:
        raise UserError(f"{path}: is empty; it needs one JSON object a line")
    return rows


def make_examples(path, rows, make, unit="line "):
    """[make(n, row), ...] of the numbered rows of a file, each with an id of its own.

    UserError names file and row where `make` raises ValueError, or where an id stands twice.
    """
    examples = []
    row_of = {}                      # {id: number of its row}
    for n, row in rows:
        try:
            example = make(n, row)
            id = example.id
            if id in row_of:
                raise ValueError(f"id {id[:60]!r} stands in {unit}{row_of[id]} too; "
                                 "make ids unique")
        except ValueError as error:
            raise UserError(f"{path}, {unit}{n}: {error}") from None
        row_of[id] = n
        examples.append(example)
    return examples
