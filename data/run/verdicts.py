"""verdicts.py - what the judge says, each text judged once.

Reading a number off a text costs nothing, so such verdicts are made again in every run. Running a
program costs a process, so its verdict is kept: a row in OUT/verdicts/rows.jsonl, made from the
program, its tests and the code that judges. Two programs run at a time.
"""
import dataclasses
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path

import judge
from data import UserError
from data.files import code_of, digest
from data.judging import sandbox
from data.run.store import Store
from data.tasks import task as every_task


def judging_code(task):
    """Fingerprint of the code that judges a task's attempts and answers."""
    what_judge_leans_on = sorted(Path(sandbox.__file__).parent.glob("*.py"))
    of_task = sys.modules[type(task).__module__]
    return digest([code_of(part) for part in (judge, *what_judge_leans_on, every_task, of_task)])


class Verdicts:
    """task.accept and task.score, each text judged once."""

    def __init__(self, task, folder, read_only=False):
        self.task = task
        self.code = judging_code(task)              # as it is now: later edits do not run
        self.known = {}              # (text, source, truth) -> Verdict
        self.store = None
        if getattr(task, "runs_code", False):
            self.store = Store(folder / "verdicts" / "rows.jsonl", read_only)

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return self.judge_all([(example, text, source)])[0]

    def score(self, example, text):
        """Is this answer right? -> Verdict."""
        return self.judge_all([(example, text, None)])[0]

    def prepare(self, examples, rows, source):
        """Judge attempts or answers (source None) together: programs then run two at a time.
        examples: that of each row."""
        if self.store is None:
            return
        cases = []
        for example, row in zip(examples, rows):
            if source is None or row["finish_reason"] == "end":     # no other attempt is judged
                cases.append((example, row["text"], source))
        self.judge_all(cases)

    def judge_all(self, cases):
        """The verdicts on cases (example, text, source); source is None for an answer."""
        names = []
        new = {}                     # {name: case}
        for example, text, source in cases:
            name = digest(text, source, self.task.truth(example))
            names.append(name)
            if name not in self.known:
                new[name] = (example, text, source)
        if self.store is None:
            for name, case in new.items():
                self.known[name] = self.verdict(case)
        elif new:
            wanted = [(name, "", case) for name, case in new.items()]
            code = digest(self.code, sys.version_info[:2], sandbox.UNSAFE)
            made_from = {"the code that judges": code}
            rows = self.store.rows("programs", wanted, made_from, self.run_programs, 100)
            for name, row in zip(new, rows, strict=True):
                fields = {field: value for field, value in row.items() if field != "seconds"}
                self.known[name] = judge.Verdict(**fields)
        return [self.known[name] for name in names]

    def run_programs(self, cases, progress):
        """-> one row a case. UserError where the sandbox failed: that is no wrong answer."""
        rows = []
        with ThreadPool(sandbox.AT_ONCE) as pool:
            for verdict in pool.imap(self.verdict, cases):
                if verdict.rule == "harness":
                    raise UserError(f"a program could not be run ({verdict.reason}); "
                                    "give the same command again, what is finished is kept")
                rows.append(dataclasses.asdict(verdict))
                progress(1)
        return rows

    def verdict(self, case):
        example, text, source = case
        if source is None:
            return self.task.score(example, text)
        if source.endswith("_unjudged"):             # a control: everything finished is accepted
            return judge.Verdict(True, "unjudged", None, "nobody looked")
        return self.task.accept(example, text, source)
