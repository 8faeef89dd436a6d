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
import itertools
import random
import zlib
from collections import Counter
from pathlib import Path

from data import Example, UserError, checked_text, make_examples, parse_json, text_field
from data.files import json_or_empty
from data.judging import spans
from data.tasks import downloads
from data.tasks.task import Task, bundled_fields

VALIDATION = 500                 # questions held back from train, at most a fifth of it
ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


class Reading(Task):
    judge_name = "span"
    instruction = ("Answer in a few words from the passage. "
                   f"If it does not say, answer: {spans.DOES_NOT_SAY}")
    rewriting = "answer the question in your own words, in one short sentence."

    def __init__(self, name, folder, test=None):
        """name: "nq" or "squad". test: the other one, whose test part is to be measured instead."""
        folder = Path(folder)
        self.name = name
        self.find_folder(folder)
        self.paths = find_parts(self.folder)
        self.examples = {}           # {part: its examples}, of those that were read
        self.notes = []
        recorded = json_or_empty(self.folder / "checksums.json")     # of files that were downloaded
        if recorded:
            self.notes.append(f"no published checksums are known for {', '.join(recorded)}: later "
                              "downloads are compared with the first download (checksums.json)")
        tested = self
        if test not in (None, name):
            if not (folder / test).is_dir():
                raise UserError(f"{folder}: has no folder {test}, whose test questions "
                                f"--test {test} asks for")
            tested = Reading(test, folder)
            self.title += f"-tested-on-{tested.title}"
            self.notes += tested.notes
        self.paths["test"] = tested.path_of("test")
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
            names = " and ".join(downloads.DATA_SETS[self.name].urls)
            raise UserError(f"{self.folder}: lacks the {split} file of {self.name}; "
                            f"put {names} there")
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
    files = sorted(path for path in folder.glob("*") if path.name.lower().endswith(ENDINGS))

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
    """A file in either layout -> list of Example. UserError names file and question."""
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"         # gzip's mark; the name may say otherwise
        unpack = gzip.open if packed else open
        with unpack(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            examples = make_examples(path, questions(path, file), example_of, unit="")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); "
                        "it must be UTF-8 text, packed by gzip or not") from None
    if not examples:
        raise UserError(f"{path}: holds no questions")
    return examples


def questions(path, file):
    """Yield (place in the file, (id, its passage's text, the question as the file has it))."""
    for place, passage in passages(path, file):
        if not isinstance(passage, dict) or not isinstance(passage.get("qas"), list):
            raise UserError(f"{path}, {place}: is no JSON object with 'context' and the list 'qas'")
        for qa in passage["qas"]:
            id = qa.get("qid", qa.get("id")) if isinstance(qa, dict) else None
            yield f"{place}, question {str(id)[:60]!r}", (id, passage.get("context"), qa)


def passages(path, file):
    """Yield (place in the file, passage as the file has it) for every passage of an open file."""
    first_line = file.readline()
    try:
        first = parse_json(first_line, path)
    except UserError:                                    # SQuAD's layout, over several lines
        first = parse_json(first_line + file.read(), path)
    if not isinstance(first, dict) or not first.keys() & {"header", "qas", "data"}:
        raise UserError(f'{path}: is neither SQuAD\'s layout ({{"data": [..]}}) nor MRQA\'s '
                        '({"context": .., "qas": [..]} a line)')
    if "data" not in first:
        if "qas" in first:                               # no header
            yield "line 1", first
        for n, line in enumerate(file, 2):
            if line.strip():
                yield f"line {n}", parse_json(line, path, n)
        return
    try:
        paragraphs = [article["paragraphs"] for article in first["data"]]
        for number, paragraph in enumerate(itertools.chain(*paragraphs), 1):
            yield f"paragraph {number}", paragraph
    except (KeyError, TypeError):
        raise UserError(f"{path}: lacks the list 'paragraphs' in an article of 'data'") from None


def example_of(place, id_context_qa):
    """One question of either layout -> Example. ValueError says what is wrong with it."""
    id, context, qa = id_context_qa
    checked_text(id, "a question's id")
    checked_text(context, "the field 'context'")
    if not isinstance(qa.get("answers"), list):
        raise ValueError("the field 'answers' is missing or no list")
    question = qa.get("question")
    # One blank question is no reason to refuse a whole official file.
    if not isinstance(question, str):
        text_field(qa, "question")
    golds = []
    for answer in qa["answers"]:
        text = answer.get("text") if isinstance(answer, dict) else answer
        golds.append(checked_text(text, "an answer"))
    # In MRQA's layout an empty list says it all.
    impossible = qa.get("is_impossible", "qid" in qa and not golds)
    if impossible != (not golds):
        raise ValueError('needs either answers or "is_impossible": true')
    extra = {"passage": context, "golds": golds} | bundled_fields(qa)
    return Example(id, question, target(golds), extra)


def target(golds):
    """The wording that most annotators chose, the first of equals; without golds the abstention."""
    texts = [gold.strip() for gold in golds]
    if not texts:
        return spans.DOES_NOT_SAY
    texts = [text for text in texts if spans.normal(text)] or texts  # "the" alone says nothing
    return max(texts, key=texts.count)
