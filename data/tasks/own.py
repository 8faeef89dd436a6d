"""own.py - the user's own data: a file of JSON lines, a JSON list or CSV, and a judge.

    python s3ft.py --task FILE --judge NAME [--test FILE2]

    number    the final number decides
    exact     the whole text does, but for white space
    code      the asserts in the line's "test_list" do (and "test_setup_code")
    span      a short answer that holds one of "golds", or else the answer; where nothing is to be
              found golds [] and the answer "The passage does not say."

Three choices:
- nobody has to name the fields: own_rows.py finds them, and a run says which it has taken and
  which nobody reads;
- the prompt is the user's own. Nothing is added but options, with which of them to choose from
  where the answer is a label, and for a paraphrase the gold and a request;
- no question is in two parts. A tenth of the questions is held back as validation and, without a
  test file, a fifth as test (at most 500 each), always the same ones. Rows with the same prompt
  stay together.
"""
import json
import os
import random
from pathlib import Path

from data import Example, UserError, checked_text, make_examples, plural, read_rows
from data.judging.answer_text import without_thought
from data.tasks.own_rows import JUDGED_BY, chat_of, fields_of, is_bad, unread
from data.tasks.task import Task, check_number, number_gold, tests_of

# {judge: what a paraphrase is asked for besides own words}
REWRITE_ENDINGS = {
    "number": ' Think step by step. End with "The answer is N.", where N is the final number.',
    "code": " Answer with one Python code block.",
    "span": " Answer in one short sentence.",
    "exact": "",
}
# {judge: fields that it reads itself}
JUDGE_FIELDS = {"code": ("test_list", "test_setup_code"), "span": ("golds",)}
MOST_HELD_BACK = 500             # questions in a part that is held back


class Own(Task):
    def __init__(self, file, judge_name, test=None):
        if judge_name not in REWRITE_ENDINGS:
            raise UserError(f"{file}: which judge? give --judge NAME, one of: "
                            f"{', '.join(REWRITE_ENDINGS)}")
        self.name = judge_name
        self.judge_name = judge_name
        self.title = Path(file).stem
        self.rewriting = f"answer the question in your own words.{REWRITE_ENDINGS[judge_name]}"
        self.files = [Path(file)]
        examples, self.fields, self.notes = read(Path(file), judge_name)
        if test is None:
            self.split(examples)
            sizes = ", ".join(f"{len(part)} {name}" for name, part in self.parts.items())
            self.notes.append(f"no other file as --test, so {Path(file).name} is split, "
                              f"the same way each time: {sizes}")
            return
        self.files.append(Path(test))
        test_examples, test_fields, test_notes = read(Path(test), judge_name)
        self.notes += test_notes
        if test_fields != self.fields:
            self.fields += f"; in {test}: {test_fields}"
        left_out = self.split(examples, test_examples)
        if left_out:
            self.notes.append("training examples that are left out because they are also in the "
                              f"test file: {left_out}")

    def split(self, examples, test_examples=None):
        """Set self.parts -> how many examples have a prompt of the test part."""
        prompts = [prompt_of(example) for example in examples]
        different = list(dict.fromkeys(prompts))
        random.Random("own data").shuffle(different)
        if test_examples is not None:
            in_test = {prompt_of(example) for example in test_examples}
        elif len(different) >= 3:
            in_test = set(different[:size_of_part(len(different), 5)])
        else:
            raise UserError(f"{self.files[0]}: has fewer than 3 different questions, too few to "
                            "hold one back as test; add some or give --test")
        left = [prompt for prompt in different if prompt not in in_test]
        if not left:
            raise UserError(f"{self.files[0]}: all of its questions are also in {self.files[1]}, "
                            "so nothing is left to train on; give another --test FILE")
        size = min(size_of_part(len(different), 10), len(left) - 1)
        in_validation = set(left[:size])

        self.parts = {"train": [], "validation": [], "test": []}
        for example, prompt in zip(examples, prompts):
            if prompt in in_test:
                self.parts["test"].append(example)
            elif prompt in in_validation:
                self.parts["validation"].append(example)
            else:
                self.parts["train"].append(example)
        count = len(self.parts["test"])
        if test_examples is not None:
            self.parts["test"] = test_examples
        return count

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, in the order of the file."""
        return list(self.parts[split])

    def history(self, example):
        """The user's own chat up to the question: a system message, earlier turns, or nothing."""
        return [dict(message) for message in example.extra["messages"][:-1]]

    def gold(self, example):
        answer = example.answer
        return number_gold(answer) if self.name == "number" else answer.strip()


def prompt_of(example):
    """Its prompt as a text; prompts that differ in white space alone have the same one."""
    messages = example.extra["messages"]
    return json.dumps([[message["role"], *message["content"].split()] for message in messages])


def size_of_part(questions, share):
    """How many of so many questions a part gets that is to have one in `share`."""
    return min(MOST_HELD_BACK, max(1, questions // share))


# ---------------------------------------------------------------- reading a file

def read(path, judge_name):
    """A file -> (list of Example, which fields were read, notes on what was not).

    UserError names file and row.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path}: is a directory, pipe or device; give a file")
    unit, all_rows = read_rows(path)
    fields = fields_of(path, unit, all_rows)
    rows = [(n, row) for n, row in all_rows if not is_bad(row)]
    if not rows:
        raise UserError(f"{path}: the label of every row is false, so no answer is a good "
                        "one; add some")
    have_ids = all(type(row.get("id")) in (str, int) for _, row in rows)
    used = {}                        # {field: None} of what chats are made of, in order

    def example_of(n, row):
        id = f"{unit.strip()}-{n}"
        if have_ids:
            id = checked_text(str(row["id"]), "the field 'id'")
        (*prompt, answer), names = chat_of(row, fields)
        used.update(dict.fromkeys(names))
        gold = answer["content"]
        extra = {"messages": prompt} | judged_by(row, gold, judge_name)
        return Example(id, prompt[-1]["content"], gold, extra)

    examples = make_examples(path, rows, example_of, unit)
    beside = ", ".join(repr(name) for name in used if name not in fields)
    beside = f" (and {beside})" if beside else ""
    about_fields = f"questions from {fields[0]!r}{beside}, answers from {fields[-1]!r}"
    if len(fields) == 1:
        about_fields = f"chats from {fields[0]!r}{beside}, each last message the answer"
    notes = []
    bad = len(all_rows) - len(rows)
    if bad:
        notes.append(f"{path.name}: {bad} {plural('row', bad)} left out, whose answer is marked as "
                     "a bad one ('label' or 'kto_tag' is false)")
    read_besides = list(JUDGE_FIELDS.get(judge_name, ()))
    if have_ids:
        read_besides.append("id")
    if bad:
        read_besides += JUDGED_BY
    ignored = unread(rows, [*used, *read_besides])
    if ignored:
        counts = ", ".join(f"{name} ({n} {plural('row', n)})" for name, n in ignored.items())
        notes.append(f"{path.name}: not used: {counts}")
    return examples, about_fields, notes


def judged_by(row, answer, judge_name):
    """What the judge needs of a row besides its answer. ValueError: what is wrong with it."""
    if judge_name == "number":
        check_number(answer)
    if judge_name == "code":
        return tests_of(row)
    if judge_name == "span":
        return {"golds": golds_of(row, answer)}
    return {}


def golds_of(row, answer):
    """The wordings that --judge span takes for right: [] where nothing is to be found."""
    golds = row.get("golds", [without_thought(answer) or answer])
    if not isinstance(golds, list):
        raise ValueError("the field 'golds' must be a list of texts "
                         "([] where the answer is that there is none)")
    return [checked_text(gold, "a text of the field 'golds'") for gold in golds]
