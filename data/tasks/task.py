"""task.py - what all tasks have in common, and what each of them has besides."""
import re

from data import UserError


class Task:
    """Questions, the pieces of their prompts (s3ft.py joins them), and how answers are judged.

    Each task has besides:
        name                     of its judge: "number", "code", .. (of bundled tasks the task's)
        title                    what the table calls it
        files                    the paths that it was read from
        notes                    lines that the run prints and keeps in results.json
        rewriting                how to answer when the gold is shown
        load(split)              "train", "validation" or "test" -> list of Example
        accept(e, text, source)  may this become a target? -> Verdict
        score(e, text)           is this answer right? -> Verdict
        truth(e)                 what a verdict needs, so that a line of attempts.jsonl can be
                                 judged again by itself: "judge", "gold", "tests", "setup", "golds"
    and where it applies:
        summary(examples, verdicts)   more figures, for readings
        alike(e, verdict)             what makes a program a copy of the gold
    """
    fields = None                # of own data: which fields were read
    instruction = ""             # how to answer the question
    runs_code = False            # do verdicts come from running programs?

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


def number_gold(answer):
    """A gold as GSM8K writes it -> plain text: "6*2=<<6*2=12>>12\\n#### 12" loses its <<..>>,
    and its last line becomes "The answer is 12." """
    text = re.sub(r"<<[^<>\n]*>>", "", answer).strip()
    body, marker, number = text.rpartition("####")
    if not marker or "\n" in number:                     # a heading, not the last line
        return text
    return f"{body.strip()}\nThe answer is {number.strip().rstrip('.')}.".strip()
