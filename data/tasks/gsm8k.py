"""gsm8k.py - grade-school word problems: the bundled tiny-gsm8k and the official GSM8K.

    FOLDER/gsm8k/train.jsonl, test.jsonl (or FOLDER/train.jsonl, ...)
    {"question": .., "answer": "... <<48/2=24>>24 ...\\n#### 72"}

The prompts ask for step-by-step thinking that ends with "The answer is N", as the paper's do
(arXiv 2502.08130); the wording is ours. The gold is cleaned once, here, and every method trains on
that one.
"""
import random
import re
from pathlib import Path

import judge
from data import TINY, Example, UserError, has_half_character, read_jsonl
from data.tasks.task import Task, number_gold

VALIDATION = 500                 # held back from the official train file, at most a fifth of it


class GSM8K(Task):
    name = "gsm8k"
    instruction = 'Think step by step. End with "The answer is N.", where N is the final number.'
    rewriting = f"answer the question in your own words. {instruction}"

    def __init__(self, folder):
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; --data names one with gsm8k/train.jsonl "
                            "and gsm8k/test.jsonl")
        self.folder = folder / "gsm8k" if (folder / "gsm8k").is_dir() else folder
        self.title = "tiny-gsm8k" if folder.resolve() == TINY.resolve() else "gsm8k"
        self.files = sorted(self.folder.glob("*.jsonl"))
        self.notes = []

    def load(self, split):
        """"train", "validation" or "test" -> list of Example.

        Without a validation file a part of train is held back, always the same.
        """
        if split == "test" or (self.folder / "validation.jsonl").is_file():
            return self.read(split)
        examples = self.read("train")
        size = min(VALIDATION, len(examples) // 5)
        held_back = random.Random("gsm8k validation").sample(range(len(examples)), size)
        wanted = set(held_back)
        if split == "train":
            wanted = set(range(len(examples))) - wanted
        return [example for i, example in enumerate(examples) if i in wanted]

    def read(self, split):
        """The examples of one file. UserError names file and line of a bad one."""
        path = self.folder / f"{split}.jsonl"
        examples = []
        line_of = {}                 # {id: its line}
        for n, row in read_jsonl(path, ("question", "answer")):
            id = str(row.pop("id", f"{split}-{n}"))
            question = row.pop("question")
            answer = row.pop("answer")
            if has_half_character(id):
                raise UserError(f"{path}, line {n}: the id holds half a character "
                                "(a lone surrogate); write it anew")
            if id in line_of:
                raise UserError(f"{path}, line {n}: id {id!r} stands in line {line_of[id]} too; "
                                "make ids unique")
            if not has_number(answer):
                raise UserError(f"{path}, line {n}: the answer has no number; "
                                "end it with a line \"#### 42\"")
            if not isinstance(row.get("voice", ""), str):
                raise UserError(f"{path}, line {n}: the field 'voice' must be a text")
            line_of[id] = n
            examples.append(Example(id, question, answer, row))
        return examples

    def gold(self, example):
        """The clean gold: "12/2 = 6\\n6+7 = 13\\nThe answer is 13." """
        return number_gold(example.answer)

    def accept(self, example, text, source):
        """May this text become a target? (Steps are checked; a paraphrase must state some.)"""
        return judge.target_number(text, self.gold(example), source)

    def score(self, example, text):
        """Is this answer right? The final number alone decides."""
        return judge.number(text, self.gold(example))

    def truth(self, example):
        return {"judge": "number", "gold": self.gold(example)}


def has_number(answer):
    """Does the gold state a number, after its last #### if it has one?"""
    _, marker, end = answer.rpartition("####")
    if marker and re.fullmatch(" -?[0-9]+", end):        # nearly all; the judge takes longer
        return True
    rule, _, value = judge.final_number(f"{marker} {end}")
    return value is not None and (not marker or rule == "hash")
