"""own.py - the user's own data: one JSON-lines file and a judge.

    python s3ft.py --task FILE.jsonl --judge number              the final number decides, as in data/tasks/gsm8k.py
    python s3ft.py --task FILE.jsonl --judge exact               the whole text does, but for white space
    python s3ft.py --task FILE.jsonl --judge code                the asserts in the line's "test_list" (and "test_setup_code") do
    python s3ft.py --task FILE.jsonl --judge span                a short answer that holds one of "golds", or the answer; golds [] and the
                                                                 answer "The passage does not say." where nothing is to be found
    python s3ft.py --task FILE.jsonl --judge exact --test FILE2.jsonl

Three choices:
- the field names are found, not asked for: the first row of FIELDS that stands on every line. Each becomes the same chat;
- the prompt is the user's own, unchanged: nothing is added to it but, for a paraphrase, the gold and a request;
- no question is in two parts. A tenth of the questions is held back as validation and, without a test file, a fifth as test (at most 500
  each), by a shuffle that is always the same. Lines with the same prompt go together.
"""
import codecs
import json
import random
import re
from pathlib import Path

import judge as judges
from data import Example, UserError, read_jsonl

JUDGES = {                       # name: (may it become a target? is it right? how a paraphrase is to answer); truth: a line's facts
    "number": (lambda text, truth, source: judges.target_number(text, truth["gold"], source),
               lambda text, truth: judges.number(text, truth["gold"]), ' Think step by step. End with "The answer is N.", where N is the final number.'),
    "code": (lambda text, truth, source: judges.target_code(text, truth["tests"], truth["setup"], source),
             lambda text, truth: judges.code(text, truth["tests"], truth["setup"]), " Answer with one Python code block."),
    "span": (lambda text, truth, source: judges.target_span(text, truth["golds"], source),
             lambda text, truth: judges.span(text, truth["golds"]), " Answer in one short sentence."),
    "exact": (lambda text, truth, source: judges.exact(text, truth["gold"]), lambda text, truth: judges.exact(text, truth["gold"]), ""),
}
FIELDS = (("question", "answer"), ("prompt", "completion"), ("instruction", "output"), ("messages",))
KNOWN = "question/answer, prompt/completion, instruction/output or messages"
TURNS = "a chat is an optional system message, then user and assistant in turn, the assistant last"
HELD = 500                       # questions in a part that is held back, at most


class Own:
    """A Task (data/__init__.py, load_task), and for the caller: title, files, fields and notes (lines to print)."""
    instruction = ""             # nothing is added to the user's own question

    def __init__(self, file, judge, test=None):
        if judge not in JUDGES:
            raise UserError(f"{file}: which judge? give --judge NAME, one of: {', '.join(JUDGES)}")
        self.name, self.title = judge, Path(file).stem
        self.judge_target, self.judge_answer, how = JUDGES[judge]
        self.rewriting = f"answer the question in your own words.{how}"
        self.runs_code = judge == "code"
        self.files = [Path(path) for path in (file, test) if path is not None]
        examples, self.fields = self.read(self.files[0])
        prompts = list(dict.fromkeys(key for key, _ in examples))              # the different ones
        random.Random("own data").shuffle(prompts)
        if test is None:
            if len(prompts) < 3:
                raise UserError(f"{file}: has fewer than 3 different questions, too few to hold one back as test; add some or give --test")
            tests = set(prompts[:min(HELD, max(1, len(prompts) // 5))])
            held = [(key, e) for key, e in examples if key in tests]
        else:
            held, fields = self.read(self.files[1])
            tests = {key for key, _ in held}
            self.fields += f"; in {test}: {fields}" if fields != self.fields else ""
        tenth = min(HELD, max(1, len(prompts) // 10))
        prompts = [key for key in prompts if key not in tests]
        if not prompts:
            raise UserError(f"{file}: all of its questions are also in {test}, so nothing is left to train on; give another --test FILE")
        validation = set(prompts[:min(tenth, len(prompts) - 1)])
        self.parts = {"train": [e for key, e in examples if key not in tests and key not in validation],
                      "validation": [e for key, e in examples if key in validation], "test": [e for _, e in held]}
        self.notes, both = [], sum(key in tests for key, _ in examples)
        if test is None:
            sizes = ", ".join(f"{len(part)} {name}" for name, part in self.parts.items())
            self.notes.append(f"no --test file, so {Path(file).name} is split, the same way each time: {sizes}")
        elif both:
            verb = ("is", "are")[both > 1]
            self.notes.append(f"{both} training example{'s' * (both > 1)} {verb} also in the test file and {verb} left out")

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, in the order of the file."""
        return list(self.parts[split])

    def read(self, path):
        """A file -> ([(its prompt as a key, Example), ..], which fields were read); UserError names file and line."""
        look(path)
        rows, examples, seen = read_jsonl(path, ()), [], {}
        pair = fields_of(path, rows)
        ids = all(type(row.get("id")) in (str, int) for _, row in rows)
        for n, row in rows:
            try:
                messages = chat(row, pair)
                answer = messages.pop()["content"]
                id = words(str(row["id"]), "the field 'id'") if ids else f"line-{n}"
                if id in seen:
                    raise ValueError(f"id {id[:60]!r} stands in line {seen[id]} too; make ids unique")
                example = Example(id, messages[-1]["content"], answer, {"messages": messages, **self.facts(row, answer)})
                if self.name == "number" and judged_number(answer, self.gold(example)) is None:
                    raise ValueError('the answer has no clear final number; end it with "The answer is 42." or, for texts, --judge exact')
            except ValueError as error:
                raise UserError(f"{path}, line {n}: {error}") from None
            seen[id] = n
            examples.append((json.dumps([[m["role"], *m["content"].split()] for m in messages]), example))
        if pair == ("messages",):
            return examples, "chats from 'messages', each last message the answer"
        extra = " (and 'input')" if pair[0] == "instruction" and any(row.get("input") for _, row in rows) else ""
        return examples, f"questions from {pair[0]!r}{extra}, answers from {pair[1]!r}"

    def facts(self, row, answer):
        """What the judge needs besides the answer; ValueError says what is wrong with it."""
        if self.name == "code":
            tests, setup = row.get("test_list"), row.get("test_setup_code", "")
            if not (isinstance(tests, list) and tests and all(isinstance(t, str) for t in tests) and isinstance(setup, str)):
                raise ValueError("--judge code needs the field 'test_list', a list of assert lines (and may have 'test_setup_code', a text)")
            for text in [*tests, setup] if setup else tests:
                words(text, "a test")
            judges.check_tests(tests)
            return {"tests": tests, "setup": setup}
        if self.name == "span":
            golds = row.get("golds", [answer])
            if not (isinstance(golds, list) and all(isinstance(g, str) and g.strip() for g in golds)):
                raise ValueError("the field 'golds' must be a list of texts, none empty ([] where the answer is that there is none)")
            for gold in golds:
                words(gold, "a gold")
            return {"golds": golds}
        return {}

    def truth(self, example):
        """What a verdict needs, so that attempts.jsonl can be judged again by itself."""
        return {"judge": self.name, "gold": self.gold(example)} | {k: v for k, v in example.extra.items() if k != "messages"}

    def history(self, example):
        """The user's own chat up to the question: a system message, earlier turns, or nothing."""
        return [dict(message) for message in example.extra["messages"][:-1]]

    def question(self, example):
        """The user's own question, unchanged."""
        return example.question

    def reference(self, example):
        return f"Reference answer:\n{self.gold(example)}"

    def gold(self, example):
        """The clean gold. For numbers, as in GSM8K, without <<..>>, and a last line "#### 13" told as "The answer is 13." """
        if self.name != "number":
            return example.answer.strip()
        text = re.sub(r"<<[^<>\n]*>>", "", example.answer).strip()
        body, marker, number = text.rpartition("####")
        return f"{body.strip()}\nThe answer is {number.strip().rstrip('.')}.".strip() if marker and "\n" not in number else text

    def text(self, example, source):
        """The text of a source that needs no sampling."""
        if source == "voice":
            raise UserError("source 'voice' exists only in the bundled data (the gold told in the teaching model's own voice)")
        return {"gold": self.gold(example), "raw": example.answer}[source]

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return self.judge_target(text, self.truth(example), source)

    def score(self, example, text):
        """Is this answer right? -> Verdict."""
        return self.judge_answer(text, self.truth(example))


# ---------------------------------------------------------------- one file, one line, one message

def look(path):
    """UserError for what is no file of JSON lines at all, with the hint that helps; read_jsonl sees to the lines."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"{path}: is a pipe or a device, and the file is read more than once; save it to a file")
        with open(path, "rb") as file:
            head = file.read(4000)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file with one JSON object a line") from None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head:
        raise UserError(f"{path}: is UTF-16 or no text at all; save it as UTF-8 text, one JSON object a line")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not start:
        raise UserError(f"{path}: is empty; it needs one JSON object a line, with {KNOWN}")
    if start.startswith(b"["):
        raise UserError(f"{path}, line 1: is a JSON list; write one object a line, without the list around them (jq -c '.[]' does that)")


def fields_of(path, rows):
    """The first row of FIELDS that stands on every line; UserError names the first line that breaks with those before."""
    for n, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {n}: is no JSON object; every line needs one, with {KNOWN}")
    missing = {pair: next((i for i, (_, row) in enumerate(rows) if not all(name in row for name in pair)), len(rows)) for pair in FIELDS}
    pair = max(FIELDS, key=missing.get)                   # max takes the first of equals
    if missing[pair] == len(rows):
        return pair
    n, row = rows[missing[pair]]
    has = ", ".join(repr(name[:30]) for name in list(row)[:8]) or "no fields"
    if missing[pair] == 0:
        raise UserError(f"{path}, line {n}: has {has}; every line needs {KNOWN}")
    raise UserError(f"{path}, line {n}: has {has}, but the lines before have {'/'.join(pair)}; take the same fields on every line: {KNOWN}")


def chat(row, pair):
    """One line -> the whole chat as {"role", "content"} messages, the gold last; ValueError says what is wrong."""
    if pair == ("messages",):
        messages = turns(row["messages"], "messages")
    elif pair == ("prompt", "completion"):
        asked, said = ([{"role": role, "content": words(row[name], f"the field {name!r}")}] if not isinstance(row[name], list)
                       else turns(row[name], name) for name, role in zip(pair, ("user", "assistant")))
        if len(said) != 1:
            raise ValueError("the field 'completion' holds several messages; it needs one, the assistant's")
        messages = asked + said
    else:
        question, answer = (words(row[name], f"the field {name!r}") for name in pair)
        if pair[0] == "instruction" and str(row.get("input") or "").strip():              # Alpaca's is mostly ""
            question += "\n\n" + words(row["input"], "the field 'input'")
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    first = messages[0]["role"] == "system"
    for i, message in enumerate(messages[first:]):
        if message["role"] != (role := ("user", "assistant")[i % 2]):
            raise ValueError(f"message {i + first + 1} has the role {str(message['role'])[:30]!r} where {role!r} belongs; {TURNS}")
    if len(messages[first:]) % 2 or not messages[first:]:
        raise ValueError(f"the last message is the {messages[-1]['role']}'s and not the assistant's, the answer to learn; {TURNS}")
    return messages


def turns(value, name):
    """A list of chat messages -> the same with text contents and without other keys; the roles are the caller's to check."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"the field {name!r} is no list of messages, or an empty one; {TURNS}")
    messages = []
    for i, message in enumerate(value, 1):
        if not isinstance(message, dict) or not {"role", "content"} <= set(message):
            raise ValueError(f"message {i} of {name!r} has no 'role' or no 'content'; write {{\"role\": \"user\", \"content\": \"..\"}}")
        content = message["content"]
        if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):       # OpenAI's parts
            for part in content:
                if part.get("type") != "text":
                    raise ValueError(f"message {i} of {name!r} has a part of type {str(part.get('type'))[:30]!r}; only text can be learnt")
            content = "".join(words(part.get("text"), f"a part of message {i} of {name!r}") for part in content)
        messages.append({"role": message["role"], "content": words(content, f"message {i} of {name!r}")})
    return messages


def words(value, where):
    """A text that says something, unchanged."""
    if not isinstance(value, str):
        raise ValueError(f"{where} is no text but {json.dumps(value)[:40]}; write a text")
    if not value.strip():
        raise ValueError(f"{where} is empty; fill it in or delete the line")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{where} holds half a character (a lone surrogate); write it anew")
    return value


def judged_number(answer, gold):
    """The number that the judge takes from a gold; None if there is none, or if it is not what stands after #### in the last line."""
    value = judges.final_number(gold).value
    marked = "####" in answer.strip().split("\n")[-1]
    if marked and value != judges.final_number(gold.split("\n")[-1]).value:
        return None
    return value
