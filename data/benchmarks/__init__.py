"""What else a model can do, before and after: the sets that --benchmarks names.

    python s3ft.py --task gsm8k --model MODEL --benchmarks mmlu,hellaswag,mbpp --benchmark-limit 500

Three kinds: multiple choice (multiple_choice.py); the test questions of another task, answered and
judged; small skills of the bundled model, prompts with one right answer (data/tiny/skills). The
mean drop is of multiple choice alone. What a model says is kept, never its scores, so a judge or a
metric can change.
"""
from dataclasses import dataclass, replace
from pathlib import Path

from data import SKILLS, TASKS, TINY, UserError
from data.benchmarks import multiple_choice
from data.files import digest, mean
from data.results import scores
from data.tasks import check_sandbox, downloads, load_task

NAMES = (*multiple_choice.NAMES, *SKILLS, *TASKS)
MOST_PROMPTS = 100               # of a skill
SKILL_TOKENS = 32                # of an answer to a skill's prompt; the longest right one has 20


@dataclass
class MultipleChoice:
    """A set whose options are scored; nothing is sampled."""
    name: str
    items: list                  # of multiple_choice.Item
    of: int                      # how many items the whole set has
    task = None                  # whose answers are judged: of none
    chunk = 256                  # rows: minutes, and enough of a subject to share its five shots

    @property
    def content(self):
        """A fingerprint of the items, whatever asks them."""
        return digest([[item.id, list(dict.fromkeys(item.contexts)), item.endings, item.answer]
                       for item in self.items])

    def for_store(self):
        """The items as a run's store takes them: each with a name, and a digest of what it asks."""
        return [(f"{self.name} {item.id}", digest(item.contexts, item.endings), item)
                for item in self.items]

    def option_scores(self, weights, tokenizer):
        """The log-likelihoods of the options, a row an item. weights: data.run.weights.Weights."""
        def score(lm, items, progress):
            return multiple_choice.score_options(lm, tokenizer, items, progress)

        return weights.rows(self.name, self.for_store(), [], [multiple_choice.score_options],
                            score, self.chunk)

    def item_lines(self, ask):
        """The lines of OUT/items.jsonl: what is asked, and what is right."""
        lines = []
        for item in self.items:
            if len(set(item.contexts)) == 1:
                text = item.contexts[0]
                options = [ending.strip() for ending in item.endings]
            else:
                text = ""
                options = [c + ending for c, ending in zip(item.contexts, item.endings)]
            lines.append({"set": self.name, "id": item.id, "text": text, "answer": item.answer,
                          "true": list(item.true), "options": list(item.options or options)})
        return lines

    def result(self, rows, verdicts):
        """What results.json says of a model's rows (multiple_choice.result)."""
        loglikelihoods = [row["loglikelihoods"] for row in rows]
        result = multiple_choice.result(self.name, self.items, loglikelihoods)
        result["picks"] = " ".join(str(pick) for pick in result["picks"])
        return result | {"ids": self.content, "cut": sum(row["cut"] for row in rows)}


@dataclass
class Answered:
    """A set whose questions are answered, and the answers judged: another task, or a skill."""
    name: str
    items: list                  # of Example
    of: int                      # how many items the whole set has
    task: object
    max_new_tokens: int

    @property
    def content(self):
        """A fingerprint of the items, whatever asks them."""
        return digest([[e.id, e.question, e.answer] for e in self.items])

    def item_lines(self, ask):
        """The lines of OUT/items.jsonl: what is asked, and what is right. ask: s3ft.ask."""
        return [{"set": self.name, "id": e.id, "text": ask(self.task, e)[-1]["content"],
                 "answer": self.task.gold(e)} for e in self.items]

    def result(self, rows, verdicts):
        """What results.json says of a model's rows."""
        right = []
        for example, row in zip(self.items, rows):
            fits = row["finish_reason"] != "too long"
            right.append(fits and verdicts.score(example, row["text"]).ok)
        result = scores.split_row([e.id for e in self.items], right)
        return result | {"ids": self.content, "chance": 0.0, "metric": "judge",
                         "kind": "skill" if self.name in SKILLS else "task", "also": {}, "cut": 0,
                         "cut_off": mean(row["finish_reason"] != "end" for row in rows)}


def load_benchmarks(options):
    """{name: MultipleChoice or Answered} of the sets that the options name; may fetch them.

    UserError, one line, for what cannot be measured here.
    """
    sets = {}
    for name in options.benchmarks:
        if name in multiple_choice.NAMES:
            items = multiple_choice.load(name, options.given)
            sets[name] = MultipleChoice(name, items, len(items))
            continue
        if name in SKILLS:
            task = load_task(str(TINY / "skills" / f"{name}.jsonl"), judge="exact")
            items = task.load("test") + task.load("validation") + task.load("train")
            sets[name] = Answered(name, items, len(items), task, SKILL_TOKENS)
            continue
        if options.given and (Path(options.given) / name).is_dir():
            folder = options.given
        elif options.bundled and name == "squad":
            raise UserError("the bundled model has no squad of its own; leave it out of "
                            "--benchmarks, or give --data FOLDER with the official files")
        else:
            folder = TINY if options.bundled else downloads.fetch(name)
        task = load_task(name, folder)
        check_sandbox(task, options)
        items = task.load("test")
        sets[name] = Answered(name, items, len(items), task, options.new_tokens[name])
    return sets


def limit_benchmarks(sets, n, seed, draw):
    """The sets with n items each. draw(items, n, seed): as data/run/selection.py draws examples.

    Of the bundled ones each seed draws its own; of public ones all seeds have the same.
    """
    limited = {}
    for name, benchmark in sets.items():
        if name in multiple_choice.BUNDLED:
            items = draw(benchmark.items, n, seed)
        elif name in SKILLS:
            items = draw(benchmark.items, min(n, MOST_PROMPTS), seed)
        elif name in TASKS:
            items = draw(benchmark.items, n, 0)
        else:
            family = name.partition("-")[0]
            items = multiple_choice.sample_by_subject(benchmark.items, n, family)
        limited[name] = replace(benchmark, items=items)
    return limited


def notes(sets):
    """Lines that results.json keeps: how many of how many items, equal options."""
    lines = []
    for name, benchmark in sets.items():
        is_bundled = name in multiple_choice.BUNDLED or name in SKILLS
        if not is_bundled and len(benchmark.items) < benchmark.of:
            lines.append(f"{name}: {len(benchmark.items):,} of {benchmark.of:,} items, "
                         "the same for every method and seed")
        if benchmark.task is None:
            lines += multiple_choice.notes(name, benchmark.items)
    return lines
