"""reading.py - reading comprehension: an answer from a passage, or that the passage does not say.

    python s3ft.py --task nq        Natural Questions from the MRQA shared task (and tiny-nq)
    python s3ft.py --task squad     SQuAD 2.0
    python s3ft.py --task nq --test squad      trained on the one, measured on the other

Files lie in FOLDER/nq or FOLDER/squad, or in FOLDER itself. A name that holds "train", "valid" or
"test" (or else "dev": the official test parts are secret) says which part a file is. Its content
says which of two layouts it has, packed by gzip or not:

    SQuAD's    {"data": [{"paragraphs": [{"context", "qas": [
                   {"id", "question", "answers": [{"text"}, ..], "is_impossible"}]}]}]}
    MRQA's     {"header": ..}, then a passage a line:
               {"context", "qas": [{"qid", "question", "answers": [text, ..]}]}

In MRQA's every question has an answer; here "answers": [] says that the passage does not tell it.

Three choices:
- the official files are sorted by article, so every part is shuffled, the same way each time, and
  --limit 400 sees many articles;
- whole passages are held back for validation, so that none is both trained on and validated on;
- of several golds the target is the wording that most annotators chose; the judge accepts any.
"""
import gzip
import json
import random
import zlib
from collections import Counter
from pathlib import Path

import judge
from data import TINY, Example, UserError, checked_text
from data.files import json_or_empty
from data.judging import spans
from data.tasks.task import Task

VALIDATION = 500                 # questions held back from train, at most a fifth of it
OFFICIAL = {
    "nq": {"train": "NaturalQuestionsShort-train.jsonl.gz",
           "test": "NaturalQuestionsShort-dev.jsonl.gz"},
    "squad": {"train": "train-v2.0.json", "test": "dev-v2.0.json"},
}
ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
# What a question has in either layout; all else goes into its `extra`.
FIELDS = ("id", "qid", "question", "answers", "detected_answers", "question_tokens",
          "plausible_answers", "is_impossible")


class Reading(Task):
    instruction = ("Answer in a few words from the passage. "
                   f"If it does not say, answer: {spans.ABSTAIN[0]}")
    rewriting = "answer the question in your own words, in one short sentence."

    def __init__(self, name, folder, test=None):
        """name: "nq" or "squad". test: the other one, whose test part is to be measured instead."""
        folder = Path(folder)
        train_file, test_file = OFFICIAL[name].values()
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; --data names one with {name}/{train_file} "
                            f"and {test_file}")
        self.name = name
        self.title = f"tiny-{name}" if folder.resolve() == TINY.resolve() else name
        self.folder = folder / name if (folder / name).is_dir() else folder
        self.paths = find_parts(self.folder)
        if not self.paths:
            raise UserError(f"{self.folder}: holds no file of {name}; "
                            f"put {train_file} and {test_file} there")
        self.examples = {}           # {part: its examples}, of those that were read
        self.notes = []
        recorded = json_or_empty(self.folder / "checksums.json")     # of files that were downloaded
        if recorded:
            self.notes.append(f"no published checksums are known for {', '.join(recorded)}: those "
                              "of the first download are kept in checksums.json, and later ones "
                              "are compared with them")
        if test not in (None, name):
            if not (folder / test).is_dir():
                raise UserError(f"{folder}: has no folder {test}, whose test questions "
                                f"--test {test} asks for; put {OFFICIAL[test]['test']} there")
            other = Reading(test, folder)
            self.paths["test"] = other.path_of("test")
            self.title += f"-tested-on-{other.title}"
            self.notes += other.notes
        self.files = sorted(self.paths.values())

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, shuffled.

        Without a validation file some passages of train are held back.
        """
        if split == "test" or "validation" in self.paths:
            return self.read(split)
        examples = self.read("train")
        sizes = Counter(e.extra["passage"] for e in examples)
        passages = list(sizes)
        random.Random(f"{self.name} validation").shuffle(passages)
        room = min(VALIDATION, len(examples) // 5)
        held_back = set()
        for passage in passages:
            if sizes[passage] <= room:
                held_back.add(passage)
                room -= sizes[passage]
        wanted = held_back if split == "validation" else set(passages) - held_back
        return [e for e in examples if e.extra["passage"] in wanted]

    def path_of(self, split):
        if split not in self.paths:
            name = OFFICIAL[self.name].get(split, f"{split}.jsonl")
            raise UserError(f"{self.folder}: lacks the {split} file of {self.name}; "
                            f"put {name} there")
        return self.paths[split]

    def read(self, split):
        """The examples of one file, shuffled. They are kept: 100,000 passages take some seconds."""
        if split not in self.examples:
            examples = read(self.path_of(split))
            random.Random(f"{self.name} order").shuffle(examples)
            self.examples[split] = examples
        return list(self.examples[split])

    def question(self, example):
        return f"Passage: {example.extra['passage']}\n\nQuestion: {example.question}"

    def reference(self, example):
        return f"Reference answer: {self.gold(example)}"

    def accept(self, example, text, source):
        """May this text become a target?"""
        return judge.target_span(text, example.extra["golds"], source)

    def score(self, example, text):
        """Is this answer right? The verdict's scores are the official em and f1, and recall."""
        return judge.span(text, example.extra["golds"])

    def truth(self, example):
        return {"judge": "span", "gold": self.gold(example), "golds": example.extra["golds"]}

    def summary(self, examples, verdicts):
        """Means of em, f1 and recall (0 to 1), and the two ways of failing that SSR tells apart."""
        summary = {}
        for name in ("em", "f1", "recall"):
            total = sum(verdict.scores[name] for verdict in verdicts)
            summary[name] = total / max(len(verdicts), 1)
        answerable = sum(1 for e in examples if e.extra["golds"])
        rules = Counter(verdict.rule for verdict in verdicts)
        return summary | {"unanswerable": len(examples) - answerable,
                          "answered_unanswerable": rules["answered an unanswerable"],
                          "answerable": answerable,
                          "abstained_answerable": rules["abstained though answerable"]}


# ---------------------------------------------------------------- the files

def find_parts(folder):
    """{"train": path, "validation": path, "test": path} of those that are there, by their names."""
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS))

    def named(word):
        return [path for path in files if word in path.name.lower()]

    parts = {"train": named("train"), "validation": named("valid"), "test": named("test")}
    if not parts["test"]:
        parts["test"] = named("dev")
    elif not parts["validation"]:
        parts["validation"] = named("dev")
    for part, paths in parts.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise UserError(f"{folder}: has several {part} files, {names}; leave one there")
    return {part: paths[0] for part, paths in parts.items() if paths}


def read(path):
    """A file in either layout -> list of Example. UserError names file and line or question."""
    examples = []
    ids = set()
    for place, passage in passages(path):
        try:
            context, questions = parts_of(passage)
        except ValueError as error:
            raise UserError(f"{path}, {place}: {error}") from None
        for qa in questions:
            where = place
            try:
                if not isinstance(qa, dict):
                    raise ValueError("the field 'qas' holds something that is no question "
                                     "with id and answers")
                id = checked_text(qa.get("qid", qa.get("id")), "a question's id")
                where = f"{place}, question {id[:60]!r}"
                if id in ids:
                    raise ValueError("this id stands there twice; make ids unique")
                examples.append(example_of(id, context, qa))
            except ValueError as error:
                raise UserError(f"{path}, {where}: {error}") from None
            ids.add(id)
    if not examples:
        raise UserError(f"{path}: holds no questions")
    return examples


def parts_of(passage):
    """A passage of either layout -> (its text, its questions). ValueError says what is wrong."""
    if not isinstance(passage, dict):
        raise ValueError("is no JSON object with 'context' and 'qas'")
    context = checked_text(passage.get("context"), "the field 'context'")
    if not isinstance(passage.get("qas"), list):
        raise ValueError("the field 'qas' is missing or no list")
    return context, passage["qas"]


def passages(path):
    """Yield (place in the file, passage as the file has it) for every passage of a file."""
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"         # gzip's mark; the name may say otherwise
        unpack = gzip.open if packed else open
        with unpack(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            yield from passages_in(file, path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error.reason}); save it as UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: is a damaged gzip file ({error}); fetch it anew") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see --data") from None


def passages_in(file, path):
    """The same for a file that is open."""
    first_line = file.readline()
    try:
        first = json.loads(first_line)
    except (ValueError, RecursionError):                 # SQuAD's layout, over several lines
        first = parse(path, first_line + file.read(), 1)
    if not isinstance(first, dict) or not first.keys() & {"header", "qas", "data"}:
        raise UserError(f'{path}: is neither SQuAD\'s layout ({{"data": [..]}}) nor MRQA\'s '
                        '({"context": .., "qas": [..]} a line)')
    if "data" not in first:
        if "qas" in first:                               # no header
            yield "line 1", first
        for n, line in enumerate(file, 2):
            if line.strip():
                yield f"line {n}", parse(path, line, n)
        return
    articles = first["data"] if isinstance(first["data"], list) else [first["data"]]
    for number, article in enumerate(articles, 1):
        paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            raise UserError(f"{path}, article {number}: "
                            "the field 'paragraphs' is missing or no list")
        for n, paragraph in enumerate(paragraphs, 1):
            yield f"article {number}, paragraph {n}", paragraph


def parse(path, text, n):
    """The JSON value in a text that begins in line n of the file."""
    try:
        return json.loads(text.rstrip())
    except (ValueError, RecursionError) as error:
        line = n + getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", "nested too deeply")
        raise UserError(f"{path}, line {line}: is no JSON ({reason})") from None


def example_of(id, context, qa):
    """One question of either layout -> Example. ValueError says what is wrong with it."""
    question = qa.get("question")
    answers = qa.get("answers")
    impossible = qa.get("is_impossible", False)
    # One blank question is no reason to refuse a whole official file.
    if not isinstance(question, str) or question.strip():
        checked_text(question, "the field 'question'")
    if not isinstance(answers, list) or not isinstance(impossible, bool):
        raise ValueError("the field 'answers' is missing or no list, "
                         "or 'is_impossible' is not true or false")
    golds = []
    for answer in answers:
        text = answer.get("text") if isinstance(answer, dict) else answer
        golds.append(checked_text(text, "an answer"))
    if golds and impossible:
        raise ValueError("has answers and yet says is_impossible; delete one of them")
    # In MRQA's layout an empty list says it all.
    if not golds and not impossible and "qid" not in qa:
        raise ValueError('has no answers; add one, or say "is_impossible": true')
    if not isinstance(qa.get("voice", ""), str):
        raise ValueError("the field 'voice' must be a text")
    extra = {"passage": context, "golds": golds}
    extra |= {name: value for name, value in qa.items() if name not in FIELDS}
    return Example(id, question, target(golds), extra)


def target(golds):
    """The wording that most annotators chose, the first of equals; without golds the abstention."""
    texts = [gold.strip() for gold in golds]
    if not texts:
        return spans.ABSTAIN[0]
    texts = [text for text in texts if spans.normal(text)] or texts  # "the" alone says nothing
    return max(texts, key=texts.count)
