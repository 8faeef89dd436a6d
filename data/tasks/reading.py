"""squad.py - reading comprehension: an answer from a passage, or the word that the passage does not say.

    python s3ft.py --task nq        Natural Questions as the MRQA shared task gives them (and the bundled tiny-nq)
    python s3ft.py --task squad     SQuAD 2.0
    python s3ft.py --task nq --test squad                 trained on the one, measured on the other, which has unanswerable questions

Files are FOLDER/nq/* or FOLDER/squad/*, or lie in FOLDER itself. A name that holds "train", "valid" or "test" (or else "dev": the
official test parts are secret) says which part a file is, its content which of two layouts it has, packed by gzip or not:
    SQuAD's    {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text"}, ..], "is_impossible"}]}]}]}
    MRQA's     {"header": ..}, then a passage a line: {"context", "qas": [{"qid", "question", "answers": [text, ..]}]}
In MRQA's every question has an answer; here "answers": [] says that the passage does not answer it.

Three choices:
- the official files are sorted by article, so every part is shuffled, the same way each time: --limit 400 sees many articles;
- the part that is held back for validation holds whole passages, so that none is both trained on and validated on;
- of several golds the target is the wording that most annotators chose; the judge accepts any.
"""
import gzip
import json
import random
import zlib
from collections import Counter
from pathlib import Path

import judge
from data import TINY, Example, UserError
from data.files import read_json
from data.tasks.own import words

INSTRUCTION = ("Answer in a few words from the passage. "
               f"If it does not say, answer: {judge.ABSTAIN[0]}")
VALIDATION = 500                 # questions held back from train where there is no validation file, at most a fifth
OFFICIAL = {"nq": {"train": "NaturalQuestionsShort-train.jsonl.gz", "test": "NaturalQuestionsShort-dev.jsonl.gz"},
            "squad": {"train": "train-v2.0.json", "test": "dev-v2.0.json"}}


class Reading:
    """A Task (data/__init__.py, load_task) for `name` "nq" or "squad". `test`: the other one's name, when its test part is to be
    measured instead; FOLDER then holds both, nq/ and squad/."""
    instruction = INSTRUCTION
    rewriting = "answer the question in your own words, in one short sentence."

    def __init__(self, name, folder, test=None):
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; --data names one with {name}/{OFFICIAL[name]['train']} and {OFFICIAL[name]['test']}")
        self.name, self.title = name, f"tiny-{name}" if folder.resolve() == TINY.resolve() else name
        self.folder = folder / name if (folder / name).is_dir() else folder
        self.parts, self.read_parts = find_parts(self.folder), {}
        if not self.parts:
            raise UserError(f"{self.folder}: holds no file of {name}; put {OFFICIAL[name]['train']} and {OFFICIAL[name]['test']} there")
        self.fields, self.notes = None, []
        if kept := read_json(self.folder / "checksums.json"):                # written by data/tasks/downloads.py
            self.notes.append(f"no published checksums are known for {', '.join(kept)}: those of the first download are kept in "
                              "checksums.json, and later ones are compared with them")
        if test not in (None, name):
            if not (folder / test).is_dir():
                raise UserError(f"{folder}: has no folder {test}, whose test questions --test {test} asks for; put {OFFICIAL[test]['test']} there")
            other = Reading(test, folder)
            self.parts["test"] = other.part("test")
            self.title, self.notes = f"{self.title}-tested-on-{other.title}", self.notes + other.notes
        self.files = sorted(self.parts.values())

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, shuffled. Without a validation file some passages of train serve."""
        if split == "test" or "validation" in self.parts:
            return self.read(split)
        examples = self.read("train")
        sizes = Counter(e.extra["passage"] for e in examples)
        passages, held, room = list(sizes), set(), min(VALIDATION, len(examples) // 5)
        random.Random(f"{self.name} validation").shuffle(passages)
        for passage in passages:
            if sizes[passage] <= room:
                held.add(passage)
                room -= sizes[passage]
        return [e for e in examples if (e.extra["passage"] in held) == (split == "validation")]

    def part(self, split):
        """The file of a split."""
        if split not in self.parts:
            raise UserError(f"{self.folder}: lacks the {split} file of {self.name}; put {OFFICIAL[self.name].get(split, split + '.jsonl')} there")
        return self.parts[split]

    def read(self, split):
        if split not in self.read_parts:                                     # 100,000 passages take some seconds
            self.read_parts[split] = read(self.part(split))
            random.Random(f"{self.name} order").shuffle(self.read_parts[split])
        return list(self.read_parts[split])

    def history(self, example):
        return []

    def question(self, example):
        return f"Passage: {example.extra['passage']}\n\nQuestion: {example.question}"

    def reference(self, example):
        return f"Reference answer: {self.gold(example)}"

    def gold(self, example):
        """The wording that most annotators chose, or that the passage does not say."""
        return example.answer

    def text(self, example, source):
        """The text of a source that needs no sampling."""
        if source == "voice" and "voice" not in example.extra:
            raise UserError("source 'voice' exists only in the bundled data (the gold told in the teaching model's own voice)")
        return {"gold": example.answer, "raw": example.answer, "voice": example.extra.get("voice")}[source]

    def truth(self, example):
        """The fields with which an attempt can be judged again by itself: python judge.py attempts.jsonl"""
        return {"judge": "span", "gold": self.gold(example), "golds": example.extra["golds"]}

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return judge.target_span(text, example.extra["golds"], source)

    def score(self, example, text):
        """Is this answer right? -> Verdict, whose scores are the official em and f1, and recall."""
        return judge.span(text, example.extra["golds"])

    def summary(self, examples, verdicts):
        """Means of em, f1 and recall (0 to 1), and the two ways of failing that SSR tells apart, as counts."""
        answerable = sum(bool(e.extra["golds"]) for e in examples)
        rules = Counter(v.rule for v in verdicts)
        means = {name: sum(v.scores[name] for v in verdicts) / max(len(verdicts), 1) for name in ("em", "f1", "recall")}
        return means | {"unanswerable": len(examples) - answerable, "answered_unanswerable": rules["answered an unanswerable"],
                        "answerable": answerable, "abstained_answerable": rules["abstained though answerable"]}


# ---------------------------------------------------------------- the files

def find_parts(folder):
    """{"train": path, "validation": .., "test": ..} by the files' names; what is not there is left out."""
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith((".json", ".jsonl", ".json.gz", ".jsonl.gz")))
    named = {word: [path for path in files if word in path.name.lower()] for word in ("train", "valid", "test", "dev")}
    found = {"train": named["train"], "validation": named["valid"], "test": named["test"] or named["dev"]}
    if named["test"] and not named["valid"]:
        found["validation"] = named["dev"]
    for part, paths in found.items():
        if len(paths) > 1:
            raise UserError(f"{folder}: has several {part} files, {', '.join(path.name for path in paths)}; leave one there")
    return {part: paths[0] for part, paths in found.items() if paths}


def read(path):
    """A file in either layout -> list of Example in its order; UserError names the file and the line or question."""
    examples, seen = [], set()
    for where, passage in passages(path):
        here = where
        try:
            if not isinstance(passage, dict):
                raise ValueError("is no JSON object with 'context' and 'qas'")
            context = words(passage.get("context"), "the field 'context'")
            if not isinstance(passage.get("qas"), list):
                raise ValueError("the field 'qas' is missing or no list")
            for qa in passage["qas"]:
                if not isinstance(qa, dict):
                    raise ValueError("the field 'qas' holds something that is no question with id and answers")
                id = words(qa.get("qid", qa.get("id")), "a question's id")
                here = f"{where}, question {id[:60]!r}"
                if id in seen:
                    raise ValueError("this id stands there twice; make ids unique")
                seen.add(id)
                examples.append(question(id, context, qa))
        except ValueError as error:
            raise UserError(f"{path}, {here}: {error}") from None
    if not examples:
        raise UserError(f"{path}: holds no questions")
    return examples


def passages(path):
    """Yield (where in the file, {"context": .., "qas": [..]}) for every passage of a file in either layout."""
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"            # gzip's mark; the name may say otherwise
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig", newline="\n") as file:
            first = file.readline()
            try:
                head = json.loads(first)
            except (ValueError, RecursionError):             # SQuAD's layout, over several lines
                head = parse(path, first + file.read(), 1)
            kind = set(head) & {"header", "qas", "data"} if isinstance(head, dict) else ()
            if "data" in kind:
                for a, article in enumerate(head["data"] if isinstance(head["data"], list) else [head["data"]], 1):
                    paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
                    if not isinstance(paragraphs, list):
                        raise UserError(f"{path}, article {a}: the field 'paragraphs' is missing or no list")
                    yield from ((f"article {a}, paragraph {n}", paragraph) for n, paragraph in enumerate(paragraphs, 1))
            elif kind:
                if "qas" in kind:                            # no header
                    yield "line 1", head
                yield from ((f"line {n}", parse(path, line, n)) for n, line in enumerate(file, 2) if line.strip())
            else:
                raise UserError(f"{path}: is neither SQuAD's layout ({{\"data\": [..]}}) nor MRQA's ({{\"context\": .., \"qas\": [..]}} a line)")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error.reason}); save it as UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: is a damaged gzip file ({error}); fetch it anew") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see --data") from None


def parse(path, text, n):
    """The JSON value in a text that begins in line n of the file."""
    try:
        return json.loads(text.rstrip())
    except (ValueError, RecursionError) as error:
        line = n + getattr(error, "lineno", 1) - 1
        raise UserError(f"{path}, line {line}: is no JSON ({getattr(error, 'msg', 'nested too deeply')})") from None


def question(id, context, qa):
    """One question of either layout -> Example; ValueError says what is wrong with it."""
    asked, answers, impossible = qa.get("question"), qa.get("answers"), qa.get("is_impossible", False)
    if not isinstance(asked, str) or asked.strip():          # a blank question is no reason to refuse a whole official file
        words(asked, "the field 'question'")
    if not isinstance(answers, list) or not isinstance(impossible, bool):
        raise ValueError("the field 'answers' is missing or no list, or 'is_impossible' is not true or false")
    golds = [words(answer.get("text") if isinstance(answer, dict) else answer, "an answer") for answer in answers]
    if golds and impossible:
        raise ValueError("has answers and yet says is_impossible; delete one of them")
    if not golds and not impossible and "qid" not in qa:     # in SQuAD's layout; in MRQA's an empty list says it all
        raise ValueError("has no answers; add one, or say \"is_impossible\": true")
    if not isinstance(qa.get("voice", ""), str):
        raise ValueError("the field 'voice' must be a text")
    known = ("id", "qid", "question", "answers", "detected_answers", "question_tokens", "plausible_answers", "is_impossible")
    return Example(id, asked, target(golds), {"passage": context, "golds": golds} | {k: v for k, v in qa.items() if k not in known})


def target(golds):
    """The wording that most annotators chose, ties by order, of those that say something; without golds the abstention."""
    said = [gold.strip() for gold in golds if judge.normal(gold)] or [gold.strip() for gold in golds]
    return max(said, key=said.count) if said else judge.ABSTAIN[0]
