"""gsm8k.py - grade-school word problems: the bundled tiny-gsm8k and the official GSM8K.

    FOLDER/gsm8k/train.jsonl, test.jsonl (or FOLDER/train.jsonl, ...)
    {"question": .., "answer": "... <<48/2=24>>24 ...\\n#### 72"}

The prompts ask for step-by-step thinking that ends with "The answer is N", as the paper's do
(arXiv 2502.08130); the wording is ours. The gold is cleaned once, here, and every method trains on
that one.
"""
import random

from data import Example, make_examples, read_jsonl
from data.tasks.task import Task, bundled_fields, check_number, number_gold

VALIDATION = 500                 # held back from the official train file, at most a fifth of it


class GSM8K(Task):
    name = "gsm8k"
    judge_name = "number"
    instruction = 'Think step by step. End with "The answer is N.", where N is the final number.'
    rewriting = f"answer the question in your own words. {instruction}"

    def __init__(self, folder):
        self.find_folder(folder)
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

        def example_of(n, row):
            check_number(row["answer"])
            id = str(row.get("id", f"{split}-{n}"))
            return Example(id, row["question"], row["answer"], bundled_fields(row))

        return make_examples(path, read_jsonl(path, ("question", "answer")), example_of)

    def gold(self, example):
        """The clean gold: "12/2 = 6\\n6+7 = 13\\nThe answer is 13." """
        return number_gold(example.answer)
