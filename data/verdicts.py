"""verdicts.py - judging beside the sampling, and verdicts that are kept.

Reading a number off a text costs nothing, so such verdicts are made anew on every run. Running a program costs a process: those are
made by two threads while the model samples on, and kept in OUT/code-verdicts.jsonl (which only grows) under a key of program, asserts
and the code that judges (judge.py, code_blocks.py, asserts.py, sandbox.py and sandbox_child.py, the task's own file), so that who
edits a judge gets new verdicts and nobody else waits.
"""
import json
import sys
import threading

import judge
from data import UserError, asserts, sandbox, sandbox_child
from data.files import code_of, digest, read_jsonl
from data.judging import code_blocks

KEPT = ("key", "ok", "rule", "extracted", "reason", "scores")


def check_sandbox(task, options):
    """Before anything is sampled: can programs be run safely here? UserError with one line if not (and --unsafe-code was not given)."""
    if getattr(task, "runs_code", False):
        sandbox.UNSAFE = options.unsafe_code
        sandbox.check()


class Verdicts:
    """task.accept and task.score, each text judged once."""

    def __init__(self, task, out, read_only=False):
        self.task, self.known, self.pool, self.lock = task, {}, None, threading.Lock()
        if getattr(task, "runs_code", False):
            judging = (judge, code_blocks, asserts, sandbox, sandbox_child, sys.modules[type(task).__module__])
            self.code = digest([code_of(module) for module in judging], sys.version_info[:2], sandbox.UNSAFE)
            self.path, self.read_only = out / "code-verdicts.jsonl", read_only
            self.kept = {v["key"]: v for v in read_jsonl(self.path, KEPT)}
            self.pool = sandbox.Workers()

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return self.of(example, text, source)

    def score(self, example, text):
        """Is this answer right? -> Verdict."""
        return self.of(example, text, None)

    def ahead(self, examples, texts, source=None):
        """Begin to judge texts (lines of attempts.jsonl or answers.jsonl) while the model goes on.

        source: that of attempts; None for answers.
        """
        if not self.pool:
            return
        for example, text in zip(examples, texts):
            if source is None or text["finish_reason"] == "end":         # a cut attempt is never a target
                self.begin(example, text["text"], source)

    def begin(self, example, text, source):
        key = (example.id, source, text, json.dumps(self.task.truth(example), sort_keys=True))
        if key not in self.known:
            self.known[key] = self.pool.submit(self.judge, example, text, source) if self.pool else self.judge(example, text, source)
        return key

    def of(self, example, text, source):
        key = self.begin(example, text, source)
        if hasattr(self.known[key], "result"):
            self.known[key] = self.known[key].result()
        return self.known[key]

    def judge(self, example, text, source):
        make = (lambda: self.task.score(example, text)) if source is None else (lambda: self.task.accept(example, text, source))
        if not self.pool:
            return make()
        key = digest(self.code, text, source, self.task.truth(example))
        if key in self.kept:
            return judge.Verdict(*(self.kept[key][name] for name in KEPT[1:]))
        verdict = make()
        if verdict.rule == "harness":                    # trouble of ours is never a wrong answer
            raise UserError(f"a program could not be run ({verdict.reason}); give the same command again, what is finished is kept")
        self.kept[key] = {"key": key} | {name: getattr(verdict, name) for name in KEPT[1:]}
        if not self.read_only:
            with self.lock, open(self.path, "a", encoding="utf-8") as f:
                f.write("\n" + json.dumps(self.kept[key]))              # a line of its own even after one that a kill cut off
        return verdict
