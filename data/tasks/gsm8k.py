"""gsm8k.py - grade-school word problems: the bundled tiny-gsm8k and the official GSM8K, in the same fields.

    FOLDER/gsm8k/train.jsonl, test.jsonl (or FOLDER/train.jsonl, ...)     {"question": .., "answer": "... <<48/2=24>>24 ...\\n#### 72"}

Prompts: like the paper's (arXiv 2502.08130) they ask for step-by-step thinking that ends with "The answer is N"; the wording is ours.
The gold is cleaned once, here, and every method trains on that one: <<..>> markers dropped, "#### N" told as "The answer is N."
"""
import random
import re
from pathlib import Path

import judge
from data import TINY, Example, UserError, read_jsonl

INSTRUCTION = 'Think step by step. End with "The answer is N.", where N is the final number.'
VALIDATION = 500                 # held back from the official train file, which has no validation part


class GSM8K:
    """A Task (data/__init__.py, load_task)."""
    name = "gsm8k"
    instruction = INSTRUCTION
    rewriting = f"answer the question in your own words. {INSTRUCTION}"

    def __init__(self, folder):
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; --data names one with gsm8k/train.jsonl and gsm8k/test.jsonl")
        self.folder = folder / "gsm8k" if (folder / "gsm8k").is_dir() else folder
        self.title = "tiny-gsm8k" if folder.resolve() == TINY.resolve() else "gsm8k"     # the bundled set is no GSM8K
        self.files = sorted(self.folder.glob("*.jsonl"))
        self.fields, self.notes = None, []                                  # nothing about them that needs saying

    def load(self, split):
        """"train", "validation" or "test" -> list of Example. Without a validation file a seeded part of train serves."""
        if split == "test" or (self.folder / "validation.jsonl").is_file():
            return self.read(split)
        examples = self.read("train")
        held = set(random.Random("gsm8k validation").sample(range(len(examples)), min(VALIDATION, len(examples) // 5)))
        return [e for i, e in enumerate(examples) if (i in held) == (split == "validation")]

    def read(self, split):
        path, examples, seen = self.folder / f"{split}.jsonl", [], {}
        for n, row in read_jsonl(path, ("question", "answer")):
            example = Example(str(row.get("id", f"{split}-{n}")), row["question"], row["answer"],
                              {k: v for k, v in row.items() if k not in ("id", "question", "answer")})
            if any("\ud800" <= c <= "\udfff" for c in example.id):
                raise UserError(f"{path}, line {n}: the id holds half a character (a lone surrogate); write it anew")
            if example.id in seen:
                raise UserError(f"{path}, line {n}: id {example.id!r} stands in line {seen[example.id]} too; make ids unique")
            _, marker, tail = row["answer"].rpartition("####")
            rule, _, value = judge.final_number(f"{marker} {tail}")
            if value is None or marker and rule != "hash":
                raise UserError(f"{path}, line {n}: the answer has no number; end it with a line \"#### 42\"")
            if not isinstance(row.get("voice", ""), str):
                raise UserError(f"{path}, line {n}: the field 'voice' must be a text")
            seen[example.id] = n
            examples.append(example)
        return examples

    def history(self, example):
        return []

    def question(self, example):
        return example.question

    def reference(self, example):
        return f"Reference answer:\n{self.gold(example)}"

    def gold(self, example):
        """The clean gold: "12/2 = 6\\n6+7 = 13\\nThe answer is 13." """
        text = re.sub(r"<<[^<>\n]*>>", "", example.answer)
        body, marker, number = text.rpartition("####")
        return f"{body.strip()}\nThe answer is {number.strip()}.".strip() if marker else text.strip()

    def text(self, example, source):
        """The text of a source that needs no sampling."""
        if source == "voice" and "voice" not in example.extra:
            raise UserError("source 'voice' exists only in the bundled data (the gold told in the teaching model's own voice)")
        return {"gold": self.gold(example), "raw": example.answer, "voice": example.extra.get("voice")}[source]

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict (steps are checked; a paraphrase must state some)."""
        return judge.target_number(text, self.gold(example), source)

    def score(self, example, text):
        """Is this answer right? -> Verdict (the final number alone)."""
        return judge.number(text, self.gold(example))

    def truth(self, example):
        """What a verdict needs, so that attempts.jsonl can be judged again by itself."""
        return {"judge": "number", "gold": self.gold(example)}
