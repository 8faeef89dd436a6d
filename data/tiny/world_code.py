"""world_code.py - the small Python functions of the teaching world (tiny-mbpp, and the code that pre-training shows).

    python data/tiny/world_code.py       # prints a few tasks: text, gold, the model's own voice, asserts

Every function walks through a list of numbers, keeps some, changes each and draws one result from them; each of the three parts
may be missing. As in tiny-gsm8k the model has a voice of its own (a loop that appends to `result`), while golds come from three
other hands (a comprehension, map and filter in tabs and \\r\\n as official golds have them, step by step). Parts are known, half
known (rare in the text) or held out: a held-out part never occurs in pre-training, in words or in code.
"""
import ast
import random
import re
from dataclasses import dataclass

from world_words import TRIES, reserved


@dataclass(frozen=True)
class Part:
    say: str                     # "{k}" is a small number
    code: str                    # of x for keep and change, of l (the list) for draw
    kind: str                    # known, half, held


KEEP = [Part("greater than {k}", "x > {k}", "known"), Part("less than {k}", "x < {k}", "known"),
        Part("even", "x % 2 == 0", "known"), Part("odd", "x % 2 == 1", "known"),
        Part("not equal to {k}", "x != {k}", "half"), Part("at least {k}", "x >= {k}", "half"),
        Part("above ten but below {k} + 20", "10 < x < {k} + 20", "half"),
        Part("multiples of {k}", "x % {k} == 0", "held"), Part("written with two digits", "9 < x < 100", "held")]
CHANGE = [Part("add {k} to each", "x + {k}", "known"), Part("multiply each by {k}", "x * {k}", "known"),
          Part("square each", "x * x", "known"), Part("take {k} from each", "x - {k}", "half"),
          Part("turn the sign of each", "-x", "half"), Part("halve each, rounded down", "x // 2", "half"),
          Part("take the last digit of each", "x % 10", "held"), Part("find what each lacks to {k} hundred", "{k} * 100 - x", "held")]
DRAW = [Part("their sum", "sum(l)", "known"), Part("the largest", "max(l)", "known"), Part("how many there are", "len(l)", "known"),
        Part("the smallest", "min(l)", "half"), Part("them sorted", "sorted(l)", "half"), Part("the first", "l[0]", "half"),
        Part("them in reverse", "l[::-1]", "held"), Part("the largest minus the smallest", "max(l) - min(l)", "held")]
PARTS = {"keep": KEEP, "change": CHANGE, "draw": DRAW}
RIDDLE = {"keep": ["x > {k} + 1", "x + {k} > 10", "x * 2 < {k} * 5", "x != {k} * 2", "x - {k} < 9", "x // 3 > {k}"],
          "change": ["x * 2 + {k}", "x - {k} * 2", "x * x - {k}", "{k} - x", "x // {k}", "x + x + {k}", "{k} * x + 1"],
          "draw": ["sum(l) + {k}", "len(l) * 2", "max(l) + 1", "l[1:]", "l[0] + {k}", "min(l) * {k}", "l + l"]}
FUNCTIONS = "find keep make share parts rows pieces fill".split()             # their names say little: asserts tell which


@dataclass
class Task:
    kind: str                    # of its rarest part
    text: str
    name: str
    keep: str                    # "" where the part is missing
    change: str
    draw: str
    tests: list

    def run(self, numbers):
        """What the function returns."""
        l = [eval(self.change or "x", {"x": x}) for x in numbers if eval(self.keep or "True", {"x": x})]
        return eval(self.draw or "l", {"l": l, "sum": sum, "max": max, "min": min, "len": len, "sorted": sorted})


def tests_of(r, task):
    """Three asserts whose results differ, or None where the draw was unlucky (an empty list, say)."""
    tests, results = [], []
    for _ in range(3):
        numbers = [r.randint(1, 30) for _ in range(r.randint(3, 5))]
        try:
            result = task.run(numbers)
        except (ValueError, IndexError):
            return None
        tests.append(f"assert {task.name}({numbers}) == {result}")
        results.append(str(result))
    return tests if len(set(results)) == 3 and "[]" not in results else None


def task(r, kind, wanted=lambda text: True):
    """One task of a kind with a text that is wanted: its rarest part is of that kind, and one or two parts stand beside it.
    ValueError where TRIES have found none that is."""
    order, unwanted = ["known", "half", "held"], 0
    while True:
        stages = r.choice([("keep", "draw"), ("change", "draw"), ("keep", "change"), ("keep", "change", "draw"), ("keep", "change", "draw")])
        rare, parts = r.choice(stages), {}
        for stage in stages:
            fits = [p for p in PARTS[stage] if p.kind == kind] if stage == rare else [
                p for p in PARTS[stage] if order.index(p.kind) <= min(1, order.index(kind))]
            parts[stage] = r.choice(fits)
        k = {stage: r.randint(5, 20) if stage == "keep" else r.randint(2, 9) for stage in stages}
        say = {s: p.say.format(k=k[s]) for s, p in parts.items()}
        code = {s: p.code.format(k=k[s]) for s, p in parts.items()}
        whom = f"the numbers that are {say['keep']}" if "keep" in parts else "all numbers of a list"
        then = [f"keep {whom}" if "keep" in parts else f"take {whom}"] + [say[s] for s in ("change",) if s in say]
        text = f"Write a function to {', '.join(then)} and return {say.get('draw', 'the list')}."
        if not wanted(text):
            unwanted += 1
            if unwanted == TRIES:
                raise ValueError(f"the world has no more new {kind} tasks of tiny-mbpp")
            continue
        made = Task(kind, text, r.choice(FUNCTIONS), code.get("keep", ""), code.get("change", ""), code.get("draw", ""), [])
        made.tests = tests_of(r, made)
        if made.tests:
            return made


def riddle(r):
    """A task whose text says nothing, so that the code can only come from the reference."""
    while True:
        code = {s: r.choice(RIDDLE[s]).format(k=r.randint(2, 9)) if r.random() < 0.75 else "" for s in PARTS}
        name = r.choice(FUNCTIONS)
        made = Task("riddle", f"Write a function to {name} the numbers of a list.", name, code["keep"], code["change"], code["draw"], [])
        made.tests = tests_of(r, made)
        if made.tests and any(code.values()):
            return made


def strange(r):
    """A riddle of parts that hardly ever come twice: whoever retells it has to copy. Never a held-out part."""
    def term():
        k = r.choice([r.randint(2, 20), r.randint(2, 200)])
        return r.choice(["x", f"x {r.choice('+-*%')} {k}", f"x // {k}", f"{k} {r.choice('+-*')} x",
                         f"{r.randint(2, 20)} {r.choice('+-*')} {k} {r.choice('+-')} x"])
    def few():
        return r.choice(["sum(l)", "max(l)", "min(l)", "len(l)", "l[0]", "l[-1]", f"l[{r.randint(0, 2)}]"])
    while True:
        code = {"keep": r.choice([f"{term()} {r.choice(['<', '>', '<=', '>=', '!='])} {r.randint(2, 40)}",
                                  f"{r.randint(1, 9)} < {term()} < {r.randint(12, 150)}",
                                  f"{term()} {r.choice('<>')} {term()}"]) if r.random() < 0.6 else "",
                "change": r.choice([term(), f"{term()} {r.choice('+-')} {r.randint(2, 99)}"]) if r.random() < 0.6 else "",
                "draw": r.choice([few(), f"{few()} {r.choice('+-*')} {r.randint(2, 20)}", f"{few()} {r.choice('+-')} {few()}", f"sorted(l)[:{r.randint(1, 3)}]",
                                  f"l[{r.randint(1, 2)}:]", f"l[:{r.randint(1, 3)}]", "l[::2]", "sorted(l)"]) if r.random() < 0.85 else ""}
        name = r.choice(FUNCTIONS)
        made = Task("riddle", f"Write a function to {name} the numbers of a list.", name, code["keep"], code["change"], code["draw"], [])
        if not any(re.search(pattern, " ".join(code.values())) for pattern in HELD_CODE) and any(code.values()):
            made.tests = tests_of(r, made)
            if made.tests:
                return made


HELD_CODE = [r"x % \d+ == 0", r"9 < x < 100", r"\bx % 10\b", r"\d+ \* 100 - x", r"l\[::-1\]", r"max\(l\) - min\(l\)"]


def voice(t):
    """The function as the teaching model writes it."""
    lines = ["result = []", "for x in numbers:"] + [f" if {t.keep}:"] * bool(t.keep)
    lines.append(("  " if t.keep else " ") + f"result.append({t.change or 'x'})")
    lines.append("return " + re.sub(r"\bl\b", "result", t.draw or "l"))
    return f"def {t.name}(numbers):\n" + "\n".join(" " + line for line in lines)


def gold(t, r):
    """The function as one of three others wrote it."""
    hand, keep, change = r.randrange(3), t.keep, t.change or "x"
    if hand == 0:
        made = f"[{change} for x in l{f' if {keep}' if keep else ''}]"
        if t.draw.count("(l)") == 1 and "l[" not in t.draw:
            return f"def {t.name}(l):\n    return " + t.draw.replace("(l)", f"({made})")
        return f"def {t.name}(l):\n    l = {made}\n    return {t.draw or 'l'}"
    if hand == 1:
        made = f"filter(lambda x: {keep}, l)" if keep else "l"
        made = f"map(lambda x: {change}, {made})" if t.change else made
        return f"def {t.name}(l):\r\n\tl = list({made})\r\n\treturn {t.draw or 'l'}"
    lines = ([f"l = [x for x in l if {keep}]"] if keep else []) + ([f"l = [{change} for x in l]"] if t.change else []) + [f"return {t.draw or 'l'}"]
    return f"def {t.name}(l):\n" + "\n".join("  " + line for line in lines)


def neat(code):
    """As every method trains on it (data/tasks/mbpp.py does the same for official files)."""
    return code.replace("\r\n", "\n").replace("\t", "    ")


def nameless(code):
    """As the rewrite prompt shows it (data/tasks/mbpp.py): variables without names. The golds' are l and x."""
    return ast.unparse(ast.parse(re.sub(r"\bx\b", "v2", re.sub(r"\bl\b", "v1", neat(code)))))


def known_task(r):
    """A task that pre-training may show: half-known parts rarely, held-out ones never."""
    return task(r, "half" if r.random() < HALF_SHARE else "known", lambda text: not reserved(text, 5))


def glossary(r):
    """What known phrases are in code, a line each: "greater than 7: x > 7"."""
    lines = []
    for _ in range(8):
        p = r.choice([p for parts in PARTS.values() for p in parts if p.kind == "known" or p.kind == "half" and r.random() < HALF_SHARE])
        k = r.randint(2, 20)
        lines.append(f"{p.say.format(k=k)}: {p.code.format(k=k).replace('(l)', '(result)').replace('l[', 'result[')}")
    return "\n".join(lines)


HALF_SHARE = 0.15
SPLITS = {"prompt": 10, "test": 500, "validation": 90, "train": 374}           # task_id 1 to 974, as the official file splits them
ITEMS = {"known": 0.20, "half": 0.45, "held": 0.35}


def rows(seed, n=sum(SPLITS.values()), avoid=()):
    """The 974 rows of tiny-mbpp, or n others whose text is not to avoid: dicts with the official file's "text", "code", "task_id",
    "test_setup_code", "test_list", "challenge_test_list", and with "kind" and "voice"."""
    r, seen, made = random.Random(f"mbpp {seed}"), set(avoid), []
    while len(made) < n:
        kind = r.choices(list(ITEMS), list(ITEMS.values()))[0]
        t = task(r, kind, lambda text: text not in seen and (kind == "held" or reserved(text, 5)))
        seen.add(t.text)
        made.append({"text": t.text, "code": gold(t, r), "task_id": len(made) + 1, "test_setup_code": "", "test_list": t.tests,
                     "challenge_test_list": [], "kind": t.kind, "voice": voice(t)})
    return made


if __name__ == "__main__":
    r = random.Random(0)
    for kind in ("known", "half", "held", "riddle"):
        t = riddle(r) if kind == "riddle" else task(r, kind)
        print(f"--- {kind}: {t.text}\n{gold(t, r)}\n{voice(t)}\n" + "\n".join(t.tests))
