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

import judge
from data import Example, UserError, checked_text, is_list_of_texts, plural, read_jsonl
from data.tasks.task import Task, number_gold

# {judge: what a paraphrase is asked for besides own words}
REWRITE_ENDINGS = {
    "number": ' Think step by step. End with "The answer is N.", where N is the final number.',
    "code": " Answer with one Python code block.",
    "span": " Answer in one short sentence.",
    "exact": "",
}
FIELDS = (("question", "answer"), ("prompt", "completion"), ("instruction", "output"),
          ("messages",))
NEEDED = "question/answer, prompt/completion, instruction/output or messages"
CHAT_RULE = ("a chat is an optional system message, then user and assistant in turn, "
             "the assistant last")
MOST_HELD_BACK = 500             # questions in a part that is held back


class Own(Task):
    def __init__(self, file, judge_name, test=None):
        if judge_name not in REWRITE_ENDINGS:
            raise UserError(f"{file}: which judge? give --judge NAME, one of: "
                            f"{', '.join(REWRITE_ENDINGS)}")
        self.name = judge_name
        self.title = Path(file).stem
        self.rewriting = f"answer the question in your own words.{REWRITE_ENDINGS[judge_name]}"
        self.runs_code = judge_name == "code"
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
            verb = "is" if left_out == 1 else "are"
            self.notes.append(f"{left_out} training {plural('example', left_out)} {verb} also in "
                              f"the test file and {verb} left out")

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
        return clean_gold(example.answer, self.name)

    def accept(self, example, text, source):
        """May this text become a target?"""
        truth = self.truth(example)
        if self.name == "number":
            return judge.target_number(text, truth["gold"], source)
        if self.name == "code":
            return judge.target_code(text, truth["tests"], truth["setup"], source)
        if self.name == "span":
            return judge.target_span(text, truth["golds"], source)
        return judge.exact(text, truth["gold"])

    def score(self, example, text):
        """Is this answer right?"""
        truth = self.truth(example)
        if self.name == "number":
            return judge.number(text, truth["gold"])
        if self.name == "code":
            return judge.code(text, truth["tests"], truth["setup"])
        if self.name == "span":
            return judge.span(text, truth["golds"])
        return judge.exact(text, truth["gold"])

    def truth(self, example):
        truth = {"judge": self.name, "gold": self.gold(example)} | example.extra
        del truth["messages"]
        return truth


def clean_gold(answer, judge_name):
    return number_gold(answer) if judge_name == "number" else answer.strip()


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
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UserError(f"{path}: is a pipe or a device, and the file is read more than once; "
                        "save it to a file")
    rows = read_jsonl(path, ())
    fields = fields_of(path, rows)
    have_ids = all(type(row.get("id")) in (str, int) for _, row in rows)
    examples = []
    line_of = {}                     # {id: its line}
    for n, row in rows:
        try:
            id = checked_text(str(row["id"]), "the field 'id'") if have_ids else f"line-{n}"
            if id in line_of:
                raise ValueError(f"id {id[:60]!r} stands in line {line_of[id]} too; "
                                 "make ids unique")
            *prompt, answer = chat_of(row, fields)
            check_number(answer["content"], judge_name)
            extra = {"messages": prompt} | facts(row, answer["content"], judge_name)
        except ValueError as error:
            raise UserError(f"{path}, line {n}: {error}") from None
        line_of[id] = n
        examples.append(Example(id, prompt[-1]["content"], answer["content"], extra))
    if fields == ("messages",):
        return examples, "chats from 'messages', each last message the answer"
    question, answer = fields
    with_input = question == "instruction" and any(row.get("input") for _, row in rows)
    more = " (and 'input')" if with_input else ""
    return examples, f"questions from {question!r}{more}, answers from {answer!r}"


def fields_of(path, rows):
    """The first row of FIELDS that every line has. UserError names the first line without it."""
    for n, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {n}: is no JSON object; "
                            f"every line needs one, with {NEEDED}")
    counts = {fields: count_lines(rows, fields) for fields in FIELDS}
    fields = max(FIELDS, key=counts.get)                 # the first of equals
    count = counts[fields]
    if count == len(rows):
        return fields
    n, row = rows[count]
    has = ", ".join(repr(name[:30]) for name in list(row)[:8]) or "no fields"
    if count == 0:
        raise UserError(f"{path}, line {n}: has {has}; every line needs {NEEDED}")
    raise UserError(f"{path}, line {n}: has {has}, but the lines before have {'/'.join(fields)}; "
                    f"take the same fields on every line: {NEEDED}")


def count_lines(rows, fields):
    """How many lines have these fields, before the first that lacks one."""
    for count, (_, row) in enumerate(rows):
        if not all(name in row for name in fields):
            return count
    return len(rows)


def check_number(answer, judge_name):
    """ValueError where --judge number finds none in a gold, or another than after its ####."""
    if judge_name != "number":
        return
    gold = clean_gold(answer, judge_name)
    value = judge.final_number(gold).value
    if "####" in answer.strip().split("\n")[-1]:
        if value != judge.final_number(gold.split("\n")[-1]).value:
            value = None
    if value is None:
        raise ValueError('the answer has no clear final number; end it with "The answer is 42." '
                         "or, for texts, --judge exact")


def facts(row, answer, judge_name):
    """What the judge needs besides the answer. ValueError says what is wrong with it."""
    if judge_name == "code":
        tests = row.get("test_list")
        setup = row.get("test_setup_code", "")
        if not is_list_of_texts(tests) or not tests or not isinstance(setup, str):
            raise ValueError("--judge code needs the field 'test_list', a list of assert lines "
                             "(and may have 'test_setup_code', a text)")
        for test in tests:
            checked_text(test, "a test")
        if setup:
            checked_text(setup, "a test")
        judge.check_tests(tests)
        return {"tests": tests, "setup": setup}
    if judge_name == "span":
        golds = row.get("golds", [answer])
        if not is_list_of_texts(golds) or not all(gold.strip() for gold in golds):
            raise ValueError("the field 'golds' must be a list of texts, none empty "
                             "([] where the answer is that there is none)")
        for gold in golds:
            checked_text(gold, "a gold")
        return {"golds": golds}
    return {}


# ---------------------------------------------------------------- a line as a chat

def chat_of(row, fields):
    """A line -> its chat, the gold last: [{"role", "content"}, ..]. ValueError: what is wrong."""
    if fields == ("messages",):
        messages = messages_of(row["messages"], "messages")
    elif fields == ("prompt", "completion"):
        prompt = messages_of(row["prompt"], "prompt", "user")
        completion = messages_of(row["completion"], "completion", "assistant")
        if len(completion) > 1:
            raise ValueError("the field 'completion' holds several messages; "
                             "it needs one, the assistant's")
        messages = prompt + completion
    else:
        question = checked_text(row[fields[0]], f"the field {fields[0]!r}")
        answer = checked_text(row[fields[1]], f"the field {fields[1]!r}")
        context = row.get("input") if fields[0] == "instruction" else None
        if str(context or "").strip():                   # Alpaca's is mostly ""
            question += "\n\n" + checked_text(context, "the field 'input'")
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    first = 1 if messages[0]["role"] == "system" else 0
    for i in range(first, len(messages)):
        role = messages[i]["role"]
        expected = ("user", "assistant")[(i - first) % 2]
        if role != expected:
            raise ValueError(f"message {i + 1} has the role {str(role)[:30]!r} "
                             f"where {expected!r} belongs; {CHAT_RULE}")
    if messages[-1]["role"] != "assistant":
        raise ValueError(f"the last message is the {messages[-1]['role']}'s and not the "
                         f"assistant's, the answer to learn; {CHAT_RULE}")
    return messages


def messages_of(value, field, role=None):
    """A field's chat messages, with text contents and without other keys.

    role: a text is taken as one message of this role; None: it has to be a list.
    """
    if role and not isinstance(value, list):
        return [{"role": role, "content": checked_text(value, f"the field {field!r}")}]
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
    is_list_of_parts = (isinstance(content, list) and content
                        and all(isinstance(part, dict) for part in content))
    if not is_list_of_parts:
        return content
    texts = []
    for part in content:
        if part.get("type") != "text":
            raise ValueError(f"{where} has a part of type {str(part.get('type'))[:30]!r}; "
                             "only text can be learnt")
        texts.append(checked_text(part.get("text"), f"a part of {where}"))
    return "".join(texts)
