"""data - whatever is not the method: tasks, prompts, files, options, the run folder, the table."""
import codecs
import csv
import io
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
TABLES = (".csv", ".tsv")
OWN_DATA = (".jsonl", ".json", *TABLES)           # how the name of a user's own file ends
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
    """The text of a UTF-8 file, or of a UTF-16 one with its mark. UserError: it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see --data") from None
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if content.startswith(marks) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error}); save it as UTF-8") from None
    if "\0" in text:                 # UTF-16 without its mark, UTF-32
        raise UserError(f"{path}: is no UTF-8 text (it holds zero bytes); save it as UTF-8")
    return text


def load_json(text, path, n):
    """The JSON value in a text that begins in line n of the file. UserError names the line."""
    try:
        return json.loads(text.rstrip())
    except (ValueError, RecursionError) as error:
        line = n + getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", "nested too deeply")
        raise UserError(f"{path}, line {line}: is no JSON ({reason}); mend it "
                        "(in JSON lines every line is a whole object)") from None


def refuse_half_characters(value, place):
    """UserError where a lone surrogate stands in a JSON value."""
    if has_half_character(json.dumps(value, ensure_ascii=False)):
        raise UserError(f"{place}: holds half a character (a lone surrogate); write it anew")


def parse_json(text, path, n=1):
    """As load_json; half characters are refused too."""
    value = load_json(text, path, n)
    if re.search(r"\\u[dD]", text):
        refuse_half_characters(value, f"{path}, line {n}")
    return value


def json_lines(text, path):
    """A text with a JSON value a line -> [(line number, value), ...]."""
    lines = enumerate(text.split("\n"), 1)
    return [(n, parse_json(line, path, n)) for n, line in lines if line.strip()]


def read_jsonl(path, fields=()):
    """A JSON-lines file -> [(line number, value), ...]. UserError names file and line.

    fields: those that every line must have, as texts.
    """
    text = read_text(path)
    if text.lstrip().startswith("["):
        raise UserError(f"{path}, line 1: is a JSON list; write one object a line, "
                        "without the list around them (jq -c '.[]' does that)")
    rows = json_lines(text, path)
    for n, row in rows:
        try:
            for name in fields:
                text_field(row, name)
        except ValueError as error:
            raise UserError(f"{path}, line {n}: {error}") from None
    if not rows:
        raise UserError(f"{path}: is empty; it needs one JSON object a line")
    return rows


def read_rows(path):
    """A file of JSON lines, a JSON list or CSV -> (its word for a row, [(number, value), ...]).

    The word is "line ", "item " or "row ". UserError names file and row.
    """
    text = read_text(path)
    if str(path).lower().endswith(TABLES):
        unit = "row "
        rows = csv_rows(text, path)
    elif text.lstrip().startswith("["):
        unit = "item "
        rows = list(enumerate(load_json(text, path, 1), 1))
        for n, item in rows:
            refuse_half_characters(item, f"{path}, item {n}")
    else:
        unit = "line "
        rows = json_lines(text, path)
    if not rows:
        raise UserError(f"{path}: is empty; it needs a row for each question")
    return unit, rows


def csv_rows(text, path):
    """A text of CSV -> [(row number, {field: text}), ...]. Row 1 names the fields."""
    first_line = text.partition("\n")[0]
    separator = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True,
                        skipinitialspace=True)
    names = []
    rows = []
    n = 0
    try:
        for n, cells in enumerate(reader, 1):
            if not any(cells):
                continue
            if not names:
                names = [field_name(cell) or f"column {i}" for i, cell in enumerate(cells, 1)]
            elif len(cells) != len(names):
                raise UserError(f"{path}, row {n}: has {len(cells)} cells, but row 1 has "
                                f"{len(names)}; put texts that hold {separator!r} in quotes")
            else:
                rows.append((n, dict(zip(names, cells))))
    except csv.Error as error:
        raise UserError(f"{path}, row {n + 1}: is no CSV ({error})") from None
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}, row 1: names the field {name!r} twice; give it two names")
    return rows


def field_name(heading):
    """"Correct Answer" -> "correct_answer". A, B, .. and such as answerKey stay as they are."""
    name = heading.strip().replace(" ", "_")
    return name.lower() if len(name) > 1 and name[0].isupper() else name


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
