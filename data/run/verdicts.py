"""verdicts.py - what the judge says, each text judged once.

Reading a number off a text costs nothing, so such verdicts are made anew in every run. Running a
program costs a process: those are rows in OUT/verdicts/rows.jsonl, made from the program, its tests
and the code that judges. Two programs run at a time.
"""
import sys

import judge
from data import UserError, asserts, sandbox, sandbox_child
from data.files import code_of, digest
from data.judging import code_blocks
from data.run.store import Store


def check_sandbox(task, options):
    """Fail before sampling: UserError where generated code cannot be contained (and --unsafe-code was not given)."""
    if getattr(task, "runs_code", False):
        sandbox.UNSAFE = options.unsafe_code
        sandbox.check()


class Verdicts:
    """task.accept and task.score, each text judged once."""

    def __init__(self, task, folder, read_only=False):
        self.task = task
        self.known = {}              # (text, source, truth) -> Verdict
        self.store = None
        if getattr(task, "runs_code", False):
            self.store = Store(folder / "verdicts" / "rows.jsonl", read_only)
            self.pool = sandbox.Workers()

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return self.of(example, text, source)

    def score(self, example, text):
        """Is this answer right? -> Verdict."""
        return self.of(example, text, None)

    def of(self, example, text, source):
        name = self.name(example, text, source)
        if name not in self.known:
            self.judge_all([(example, text, source)])
        return self.known[name]

    def name(self, example, text, source):
        return digest(text, source, self.task.truth(example))

    def prepare(self, examples, texts, source):
        """Judge lines of attempts.jsonl or answers.jsonl together, which is faster where programs run.

        source: that of attempts; None for answers.
        """
        if self.store is not None:
            self.judge_all([(example, row["text"], source) for example, row in zip(examples, texts)
                            if source is None or row["finish_reason"] == "end"])

    def judge_all(self, cases):
        """Verdicts on cases (example, text, source), of which those that are known are left out."""
        by_name = {self.name(*case): case for case in cases}
        new = {name: case for name, case in by_name.items() if name not in self.known}
        if self.store is None:
            self.known |= {name: self.verdict(*case) for name, case in new.items()}
            return
        wanted = [(name, "", case) for name, case in new.items()]
        rows = self.store.rows("programs", wanted, {"the code that judges": self.code()}, self.run_programs, 100)
        for name, row in zip(new, rows, strict=True):
            self.known[name] = judge.Verdict(row["ok"], row["rule"], row["extracted"], row["reason"], row["scores"])

    def run_programs(self, cases, progress):
        futures = [self.pool.submit(self.verdict, *case) for case in cases]
        rows = []
        for future in futures:
            verdict = future.result()
            if verdict.rule == "harness":                # trouble of ours is never a wrong answer
                raise UserError(f"a program could not be run ({verdict.reason}); give the same command again, what is finished is kept")
            rows.append({"ok": verdict.ok, "rule": verdict.rule, "extracted": verdict.extracted,
                         "reason": verdict.reason, "scores": verdict.scores})
            progress(1)
        return rows

    def verdict(self, example, text, source):
        if source is None:
            return self.task.score(example, text)
        return self.task.accept(example, text, source)

    def code(self):
        modules = (judge, code_blocks, asserts, sandbox, sandbox_child, sys.modules[type(self.task).__module__])
        return digest([code_of(module) for module in modules], sys.version_info[:2], sandbox.UNSAFE)
