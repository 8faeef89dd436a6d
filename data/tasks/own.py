"""own.py - the user's own data: one JSON-lines file and a judge.

    python s3ft.py --task FILE.jsonl --judge NAME [--test FILE2.jsonl]

    number    the final number decides
    exact     the whole text does, but for white space
    code      the asserts in the line's "test_list" do (and "test_setup_code")
    span      a short answer that holds one of "golds", or else the answer; where nothing is to be
              found golds [] and the answer "The passage does not say."

Three choices:
- nobody has to name the fields: the first row of FIELDS that every line has is read as a chat;
- the prompt is the user's own, unchanged. Nothing is added but, for a paraphrase, the gold and a
  request;
- no question is in two parts. A tenth of the questions is held back as validation and, without a
  test file, a fifth as test (at most 500 each), always the same ones. Lines with the same prompt
  stay together.
"""
import json
import os
import random
from pathlib import Path

from data import Example, UserError, checked_text, make_examples, read_jsonl, text_field
from data.tasks.task import Task, check_number, number_gold, tests_of

# {judge: what a paraphrase is asked for besides own words}
REWRITE_ENDINGS = {
    "number": ' Think step by step. End with "The answer is N.", where N is the final number.',
    "code": " Answer with one Python code block.",
    "span": " Answer in one short sentence.",
    "exact": "",
}
FIELDS = (("question", "answer"), ("prompt", "completion"), ("instruction", "output"),
          ("messages",))
CHAT_RULE = ("a chat is an optional system message, then user and assistant in turn, "
             "the assistant last")
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
        self.notes = []
        self.files = [Path(file)]
        examples, self.fields = read(Path(file), judge_name)
        if test is None:
            self.split(examples)
            sizes = ", ".join(f"{len(part)} {name}" for name, part in self.parts.items())
            self.notes.append(f"no --test file, so {Path(file).name} is split, "
                              f"the same way each time: {sizes}")
            return
        self.files.append(Path(test))
        test_examples, test_fields = read(Path(test), judge_name)
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
    """A file -> (list of Example, which fields were read). UserError names file and line."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path}: is a directory, pipe or device; give a file")
    rows = read_jsonl(path)
    fields = fields_of(path, rows)
    have_ids = all(type(row.get("id")) in (str, int) for _, row in rows)

    def example_of(n, row):
        id = checked_text(str(row["id"]), "the field 'id'") if have_ids else f"line-{n}"
        *prompt, answer = chat_of(row, fields)
        gold = answer["content"]
        extra = {"messages": prompt}
        if judge_name == "number":
            check_number(gold)
        elif judge_name == "code":
            extra |= tests_of(row)
        elif judge_name == "span":
            extra["golds"] = golds_of(row, gold)
        return Example(id, prompt[-1]["content"], gold, extra)

    examples = make_examples(path, rows, example_of)
    if fields == ("messages",):
        return examples, "chats from 'messages', each last message the answer"
    question, answer = fields
    with_input = question == "instruction" and any(row.get("input") for _, row in rows)
    more = " (and 'input')" if with_input else ""
    return examples, f"questions from {question!r}{more}, answers from {answer!r}"


def fields_of(path, rows):
    """The first of FIELDS that every line has. UserError names the first line without it."""
    fitting = FIELDS                 # those that all lines so far have
    for n, row in rows:
        names = list(row) if isinstance(row, dict) else []
        left = [fields for fields in fitting if set(fields) <= set(names)]
        if not left:
            has = ", ".join(repr(name[:30]) for name in names[:8]) or "no fields"
            needed = " or ".join("/".join(fields) for fields in fitting)
            raise UserError(f"{path}, line {n}: has {has}; every line must be one JSON object "
                            f"with {needed}, the same on all lines")
        fitting = left
    return fitting[0]


def golds_of(row, answer):
    """The wordings that --judge span takes for right: [] where nothing is to be found."""
    golds = row.get("golds", [answer])
    if not isinstance(golds, list):
        raise ValueError("the field 'golds' must be a list of texts "
                         "([] where the answer is that there is none)")
    return [checked_text(gold, "a text of the field 'golds'") for gold in golds]


# ---------------------------------------------------------------- a line as a chat

def chat_of(row, fields):
    """A line -> its chat, the gold last: [{"role", "content"}, ..]. ValueError: what is wrong."""
    if fields == ("messages",):
        messages = messages_of(row, "messages")
    elif fields == ("prompt", "completion"):
        prompt = messages_of(row, "prompt", "user")
        completion = messages_of(row, "completion", "assistant")
        if len(completion) > 1:
            raise ValueError("the field 'completion' holds several messages; "
                             "it needs one, the assistant's")
        messages = prompt + completion
    else:
        question = text_field(row, fields[0])
        answer = text_field(row, fields[1])
        context = row.get("input") if fields[0] == "instruction" else None
        if str(context or "").strip():                   # Alpaca's is mostly ""
            question += "\n\n" + text_field(row, "input")
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        raise ValueError(f"its messages have the roles {str(roles)[:200]}; {CHAT_RULE}")
    return messages


def messages_of(row, field, role=None):
    """A field's chat messages, with text contents and without other keys.

    role: a text is taken as one message of this role; None: it has to be a list.
    """
    value = row[field]
    if role and not isinstance(value, list):
        return [{"role": role, "content": text_field(row, field)}]
    if not isinstance(value, list) or not value:
        raise ValueError(f"the field {field!r} is no list of messages, or an empty one; "
                         f"{CHAT_RULE}")
    messages = []
    for i, message in enumerate(value, 1):
        where = f"message {i} of {field!r}"
        if not isinstance(message, dict) or "role" not in message or "content" not in message:
            raise ValueError(f"{where} has no 'role' or no 'content'; "
                             'write {"role": "user", "content": ".."}')
        content = joined(message["content"], where)
        messages.append({"role": message["role"], "content": checked_text(content, where)})
    return messages


def joined(content, where):
    """A message's content; where it is a list of parts, as OpenAI has it, their texts together."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        is_text = isinstance(part, dict) and part.get("type") == "text"
        if not is_text or not isinstance(part.get("text"), str):
            raise ValueError(f"{where} has a part that is no text; only text can be learnt")
        texts.append(part["text"])
    return "".join(texts)
