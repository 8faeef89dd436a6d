"""What else a model can do, before and after: the sets that --benchmarks names, and what was measured on them.

    python s3ft.py --task gsm8k --model MODEL --benchmarks mmlu,hellaswag,mbpp --benchmark-limit 500

A set is multiple choice (data/benchmarks/multiple_choice.py), the test questions of another task, answered and judged, or one of the bundled model's
small skills: prompts with one right answer (data/tiny/skills), 100 at most, reported beside the mean drop. What a cell says to one
is kept in CELL/NAME.jsonl, a line an item under a line with the key of what it depends on: log-likelihoods or answers, never
scores, so a judge or a metric can change. It grows in chunks, which is what a kill loses at most, and it can be added to a
cell that is finished as long as the cell's weights are there.
"""
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data import SKILLS, TASKS, TINY, UserError
from data.benchmarks import multiple_choice
from data.results import scores
from data.tasks import check_sandbox, downloads, load_task
from data.files import digest

NAMES = (*multiple_choice.NAMES, *SKILLS, *TASKS)
PROMPTS, PROMPT_TOKENS = 100, 32  # of a skill: prompts, and tokens of an answer (the longest right one has 20)


@dataclass
class Benchmark:
    name: str
    items: list                  # multiple_choice.Item, or Example
    task: object = None          # of questions: their task; of multiple choice None
    max_new_tokens: int = 0
    of: int = 0                  # how many items the whole set has
    ask: object = None           # of questions: (task, example) -> the chat that poses it (s3ft.ask)

    def weight(self, item):
        """What a progress bar counts for an item: its options, or one answer."""
        return len(item.endings) if self.task is None else 1

    @cached_property
    def content(self):
        """Fingerprint of the items themselves, whatever asks them."""
        return digest([[i.id, list(dict.fromkeys(i.contexts)), i.endings, i.answer] if self.task is None else [i.id, i.question, i.answer] for i in self.items])

    @property
    def chunk(self):
        """Rows in a chunk: minutes, and enough of a subject to share its five shots."""
        return 256 if self.task is None else None

    def for_store(self):
        """Items of multiple choice as a run's store takes them: each with a name, and a digest of what it asks."""
        return [(f"{self.name} {item.id}", digest(item.contexts, item.endings), item) for item in self.items]

    def shown(self):
        """A line an item for OUT/items.jsonl: what it asks, and what is right."""
        if self.task is not None:
            return [{"set": self.name, "id": e.id, "text": self.ask(self.task, e)[-1]["content"],
                     "answer": self.task.gold(e)} for e in self.items]
        return [{"set": self.name, "id": i.id, "text": i.contexts[0] if len(set(i.contexts)) == 1 else "", "answer": i.answer, "true": list(i.true), "options":
                 list(i.shown or [e.strip() if len(set(i.contexts)) == 1 else c + e for c, e in zip(i.contexts, i.endings)])} for i in self.items]

    def result(self, rows, verdicts):
        """What results.json says of a cell's rows: right by item, accuracy, chance, metric (data/benchmarks/multiple_choice.py, `result`)."""
        if self.task is None:
            row = multiple_choice.result(self.name, self.items, [r["loglikelihoods"] for r in rows])
            row["picks"] = " ".join(map(str, row["picks"]))
            return row | {"ids": self.content, "cut": sum(r["cut"] for r in rows)}
        judged = [verdicts.score(e, r["text"]) if r["finish_reason"] != "too long" else None for e, r in zip(self.items, rows)]
        row = scores.split_row([e.id for e in self.items], [bool(v and v.ok) for v in judged])
        return row | {"ids": self.content, "chance": 0.0, "metric": "judge", "kind": "skill" if self.name in SKILLS else "task", "also": {},
                      "cut": 0, "cut_off": sum(r["finish_reason"] != "end" for r in rows) / len(rows)}


def load_benchmarks(options):
    """{name: Benchmark} of the sets that the options name; may fetch them. UserError, one line, for what cannot be measured here."""
    sets = {}
    for name in options.benchmarks:
        if name in SKILLS:
            task = load_task(str(TINY / "skills" / f"{name}.jsonl"), judge="exact")
            items = [e for part in ("test", "validation", "train") for e in task.load(part)]        # nobody trains on them
            sets[name] = Benchmark(name, items, task, PROMPT_TOKENS, len(items))
            continue
        if name not in TASKS:
            items = multiple_choice.load([name], options.given)[name]
            sets[name] = Benchmark(name, items, of=len(items))
            continue
        folder = options.given if options.given and (Path(options.given) / name).is_dir() else None
        if options.bundled and name == "squad" and not folder:
            raise UserError("the bundled model has no squad of its own; leave it out of --benchmarks, or give --data FOLDER with the official files")
        task = load_task(name, folder or (TINY if options.bundled else downloads.fetch(name)))
        check_sandbox(task, options)
        items = task.load("test")
        sets[name] = Benchmark(name, items, task, options.new_tokens[name], len(items))
    return sets


def limit_benchmarks(sets, n, seed, draw, ask):
    """The sets with n items each. The bundled ones are drawn anew for every seed, public ones are the same for all.

    draw: s3ft.draw. ask: s3ft.ask.
    """
    def some(s):
        if s.task is None and s.name not in multiple_choice.BUNDLED:
            return multiple_choice.draw(s.items, n, s.name.partition("-")[0])
        if s.name in SKILLS:
            return draw(s.items, min(n, PROMPTS), seed)
        return draw(s.items, n, seed if s.name in multiple_choice.BUNDLED else 0)
    return {name: Benchmark(name, some(s), s.task, s.max_new_tokens, s.of, ask) for name, s in sets.items()}


def notes(sets):
    """Lines that results.json keeps: how many of how many items, equal options."""
    lines = [f"{s.name}: {len(s.items):,} of {s.of:,} items, the same for every method and seed" for s in sets.values()
             if s.name not in (*multiple_choice.BUNDLED, *SKILLS) and len(s.items) < s.of]
    return lines + [line for s in sets.values() if s.task is None for line in multiple_choice.notes(s.name, s.items)]
