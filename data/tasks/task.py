"""task.py - what all tasks have in common, and what each of them has besides."""
import re
from pathlib import Path

import judge
from data import TINY, UserError, is_list_of_texts
from data.judging.numbers import prepare


class Task:
    """Questions, the pieces of their prompts (s3ft.py joins them), and how answers are judged.

    Each task has besides:
        name                     of the task; of own data the judge's
        title                    what the table calls it
        files                    the paths that it was read from
        notes                    lines that the run prints and keeps in results.json
        rewriting                how to answer when the gold is shown
        judge_name               "number", "code", "span" or "exact"
        load(split)              "train", "validation" or "test" -> list of Example
    and where it applies:
        summary(examples, verdicts)   more figures, for readings
        alike(e, verdict)             what makes a program a copy of the gold
    """
    fields = None                # of own data: which fields were read
    instruction = ""             # how to answer the question

    def find_folder(self, folder):
        """Set where the files are, FOLDER/NAME or FOLDER itself, and what the table calls them."""
        folder = Path(folder)
        self.folder = folder / self.name if (folder / self.name).is_dir() else folder
        self.title = f"tiny-{self.name}" if folder.resolve() == TINY.resolve() else self.name

    def history(self, example):
        """The messages before the question."""
        return []

    def question(self, example):
        return example.question

    def gold(self, example):
        """The clean gold."""
        return example.answer

    def reference(self, example):
        """How the gold is shown to the model that is to answer in its own words."""
        return f"Reference answer:\n{self.gold(example)}"

    def text(self, example, source):
        """The text of a source that needs no sampling: "gold", "raw" or "voice"."""
        if source == "gold":
            return self.gold(example)
        if source == "raw":
            return example.answer
        if "voice" not in example.extra:
            raise UserError("source 'voice' exists only in the bundled data "
                            "(the gold told in the teaching model's own voice)")
        return example.extra["voice"]

    @property
    def runs_code(self):
        """Do verdicts come from running programs?"""
        return self.judge_name == "code"

    def truth(self, example):
        """What a verdict needs, so that a line of attempts.jsonl can be judged again by itself."""
        truth = {"judge": self.judge_name, "gold": self.gold(example)}
        for name in ("tests", "setup", "golds"):
            if name in example.extra:
                truth[name] = example.extra[name]
        if self.judge_name == "number":
            truth["question"] = self.question(example)          # a copy of it is no target
        return truth

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict. (Steps are checked, paraphrases strictly.)"""
        return accept(self.truth(example), text, source)

    def score(self, example, text):
        """Is this answer right? -> Verdict."""
        truth = self.truth(example)
        if truth["judge"] == "number":
            return judge.number(text, truth["gold"])
        if truth["judge"] == "code":
            return judge.code(text, truth["tests"], truth["setup"])
        if truth["judge"] == "span":
            return judge.span(text, truth["golds"])
        return judge.exact(text, truth["gold"])


def accept(truth, text, source):
    """May a text become a target? -> Verdict. truth: Task.truth, or a line of attempts.jsonl."""
    judge_name = truth.get("judge")
    if judge_name == "exact":
        return judge.exact(text, str(truth["gold"]))
    if judge_name == "span":
        return judge.target_span(text, truth["golds"], source)
    if judge_name == "code":
        setup = str(truth.get("setup") or "")
        return judge.target_code(text, truth["tests"], setup, source)
    question = str(truth.get("question") or "")
    return judge.target_number(text, truth["gold"], source, question)


# ---------------------------------------------------------------- what stands on a line

def bundled_fields(row):
    """What only the bundled data have: the kind of question, the gold in the model's own voice."""
    return {name: row[name] for name in ("kind", "voice") if isinstance(row.get(name), str)}


def tests_of(row):
    """What judges a program: {"tests", "setup"}. ValueError says what is wrong with it."""
    tests = row.get("test_list")
    setup = row.get("test_setup_code", "")
    if not is_list_of_texts(tests) or not isinstance(setup, str):
        raise ValueError("needs test_list, a list of assert lines, "
                         "and may have test_setup_code, a text")
    judge.check_tests(tests)
    return {"tests": tests, "setup": setup}


def number_gold(answer):
    """A gold as GSM8K writes it -> plain text: "6*2=<<6*2=12>>12\\n#### 12" loses its <<..>>,
    and its last line becomes "The answer is 12." """
    text = re.sub(r"<<[^<>\n]*>>", "", answer).strip()
    body, marker, number = text.rpartition("####")
    if not marker or "\n" in number:                     # a heading, not the last line
        return text
    return f"{body.strip()}\nThe answer is {number.strip().rstrip('.')}.".strip()


# The last line of nearly every gold of GSM8K: no judge is needed to see that it has a number.
PLAIN_END = re.compile(r"####[ ]?-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})(?:\.[0-9]{1,9})?")


# What is left of a formula when a number is taken out: 2x + 3, x^2, (x)/(2), n - 1, 3 and 4, 5i.
OF_A_FORMULA = re.compile(r"""
    [\\{}^_*!<>0-9] | (?<= . ) \+ | \)/ | /\( | \b [A-Za-z] [ ]? - | \b i \b""", re.VERBOSE)


def check_number(answer):
    """ValueError where a gold has no clear final number, or another than after its ####.

    A gold of up to two words has to be a number and its unit, or an equation that ends so: of
    another formula the judge would read a piece.
    """
    if answer.count("####") == 1 and PLAIN_END.fullmatch(answer.rpartition("\n")[2]):
        return
    gold = number_gold(answer)
    rule, written, value = judge.final_number(gold)
    words = re.findall(r"[^\W\d_]{2,}", gold)
    if rule == "last number" and written and len(words) <= 2:
        last_side = prepare(gold).split("\n")[-1].rpartition("=")[2]
        if OF_A_FORMULA.search(last_side.replace(written, "", 1)):
            value = None
    if "####" in answer.strip().split("\n")[-1]:
        if value != judge.final_number(gold.split("\n")[-1]).value:
            value = None
    if value is None:
        raise ValueError("the answer has no number, or no clear final one; end it with "
                         '"The answer is 42." (texts: a file of your own, and --judge exact)')
