"""world_code.py - the small Python functions of the teaching world: tiny-mbpp, and the code that
pre-training shows.

    python data/tiny/world_code.py       # prints a few tasks: text, gold, voice, asserts

Every function walks through a list of numbers, keeps some, changes each and draws one result from
them; each of the three parts may be missing. As in tiny-gsm8k the model has a voice of its own (a
loop that appends to `result`), while golds come from three other annotators (a comprehension; map
and filter in tabs and \\r\\n as official golds have them; step by step). Parts are known, half
known (rare in the text) or held out: a held-out part never occurs in pre-training, in words or in
code.
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


KEEP = [
    Part("greater than {k}", "x > {k}", "known"),
    Part("less than {k}", "x < {k}", "known"),
    Part("even", "x % 2 == 0", "known"),
    Part("odd", "x % 2 == 1", "known"),
    Part("not equal to {k}", "x != {k}", "half"),
    Part("at least {k}", "x >= {k}", "half"),
    Part("above ten but below {k} + 20", "10 < x < {k} + 20", "half"),
    Part("multiples of {k}", "x % {k} == 0", "held"),
    Part("written with two digits", "9 < x < 100", "held"),
]
CHANGE = [
    Part("add {k} to each", "x + {k}", "known"),
    Part("multiply each by {k}", "x * {k}", "known"),
    Part("square each", "x * x", "known"),
    Part("take {k} from each", "x - {k}", "half"),
    Part("turn the sign of each", "-x", "half"),
    Part("halve each, rounded down", "x // 2", "half"),
    Part("take the last digit of each", "x % 10", "held"),
    Part("find what each lacks to {k} hundred", "{k} * 100 - x", "held"),
]
DRAW = [
    Part("their sum", "sum(l)", "known"),
    Part("the largest", "max(l)", "known"),
    Part("how many there are", "len(l)", "known"),
    Part("the smallest", "min(l)", "half"),
    Part("them sorted", "sorted(l)", "half"),
    Part("the first", "l[0]", "half"),
    Part("them in reverse", "l[::-1]", "held"),
    Part("the largest minus the smallest", "max(l) - min(l)", "held"),
]
PARTS = {"keep": KEEP, "change": CHANGE, "draw": DRAW}
RIDDLE = {
    "keep": ["x > {k} + 1", "x + {k} > 10", "x * 2 < {k} * 5", "x != {k} * 2", "x - {k} < 9",
             "x // 3 > {k}"],
    "change": ["x * 2 + {k}", "x - {k} * 2", "x * x - {k}", "{k} - x", "x // {k}", "x + x + {k}",
               "{k} * x + 1"],
    "draw": ["sum(l) + {k}", "len(l) * 2", "max(l) + 1", "l[1:]", "l[0] + {k}", "min(l) * {k}",
             "l + l"],
}
FUNCTIONS = "find keep make share parts rows pieces fill".split()    # they say little: asserts tell


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
        kept = [x for x in numbers if eval(self.keep or "True", {"x": x})]
        l = [eval(self.change or "x", {"x": x}) for x in kept]
        names = {"l": l, "sum": sum, "max": max, "min": min, "len": len, "sorted": sorted}
        return eval(self.draw or "l", names)


def tests_of(r, task):
    """Three asserts whose results differ, or None where the draw was unlucky (an empty list)."""
    tests = []
    results = []
    for _ in range(3):
        numbers = [r.randint(1, 30) for _ in range(r.randint(3, 5))]
        try:
            result = task.run(numbers)
        except (ValueError, IndexError):
            return None
        tests.append(f"assert {task.name}({numbers}) == {result}")
        results.append(str(result))
    return tests if len(set(results)) == 3 and "[]" not in results else None


def is_wanted_always(text):
    return True


def task(r, kind, is_wanted=is_wanted_always):
    """One task with a text that is wanted: its rarest part is of this kind, and one or two parts
    stand beside it. ValueError where TRIES have found none."""
    unwanted = 0
    while True:
        parts = parts_of_task(r, kind)
        say = {}
        code = {}
        numbers = {}
        for stage in parts:
            numbers[stage] = r.randint(5, 20) if stage == "keep" else r.randint(2, 9)
        for stage, part in parts.items():
            say[stage] = part.say.format(k=numbers[stage])
            code[stage] = part.code.format(k=numbers[stage])
        text = text_of(say)
        if not is_wanted(text):
            unwanted += 1
            if unwanted == TRIES:
                raise ValueError(f"the world has no more new {kind} tasks of tiny-mbpp")
            continue
        made = Task(kind, text, r.choice(FUNCTIONS), code.get("keep", ""), code.get("change", ""),
                    code.get("draw", ""), [])
        made.tests = tests_of(r, made)
        if made.tests:
            return made


def parts_of_task(r, kind):
    """{stage: Part}: one of this kind, the others known or half known and not rarer than it."""
    order = ["known", "half", "held"]
    stages = r.choice([("keep", "draw"), ("change", "draw"), ("keep", "change"),
                       ("keep", "change", "draw"), ("keep", "change", "draw")])
    rare = r.choice(stages)
    parts = {}
    for stage in stages:
        if stage == rare:
            fits = [part for part in PARTS[stage] if part.kind == kind]
        else:
            most = min(1, order.index(kind))
            fits = [part for part in PARTS[stage] if order.index(part.kind) <= most]
        parts[stage] = r.choice(fits)
    return parts


def text_of(say):
    """{stage: its words} -> what the function is to do."""
    if "keep" in say:
        steps = [f"keep the numbers that are {say['keep']}"]
    else:
        steps = ["take all numbers of a list"]
    if "change" in say:
        steps.append(say["change"])
    return f"Write a function to {', '.join(steps)} and return {say.get('draw', 'the list')}."


def riddle(r):
    """A task whose text says nothing, so that the code can only come from the reference."""
    while True:
        code = {}
        for stage in PARTS:
            form = r.choice(RIDDLE[stage]) if r.random() < 0.75 else ""
            code[stage] = form.format(k=r.randint(2, 9)) if form else ""
        made = task_without_words(r, code)
        made.tests = tests_of(r, made)
        if made.tests and any(code.values()):
            return made


def task_without_words(r, code):
    name = r.choice(FUNCTIONS)
    text = f"Write a function to {name} the numbers of a list."
    return Task("riddle", text, name, code["keep"], code["change"], code["draw"], [])


def strange(r):
    """A riddle of parts that hardly ever come twice: whoever retells it has to copy. Never a
    held-out part."""
    while True:
        keep = strange_keep(r)
        change = strange_change(r)
        code = {"keep": keep, "change": change, "draw": strange_draw(r)}
        made = task_without_words(r, code)
        is_held = any(re.search(pattern, " ".join(code.values())) for pattern in HELD_CODE)
        if not is_held and any(code.values()):
            made.tests = tests_of(r, made)
            if made.tests:
                return made


HELD_CODE = [r"x % \d+ == 0", r"9 < x < 100", r"\bx % 10\b", r"\d+ \* 100 - x", r"l\[::-1\]",
             r"max\(l\) - min\(l\)"]


def strange_keep(r):
    if r.random() >= 0.6:
        return ""
    comparison = f"{term(r)} {r.choice(['<', '>', '<=', '>=', '!='])} {r.randint(2, 40)}"
    between = f"{r.randint(1, 9)} < {term(r)} < {r.randint(12, 150)}"
    two_terms = f"{term(r)} {r.choice('<>')} {term(r)}"
    return r.choice([comparison, between, two_terms])


def strange_change(r):
    if r.random() >= 0.6:
        return ""
    return r.choice([term(r), f"{term(r)} {r.choice('+-')} {r.randint(2, 99)}"])


def strange_draw(r):
    if r.random() >= 0.85:
        return ""
    return r.choice([
        single(r),
        f"{single(r)} {r.choice('+-*')} {r.randint(2, 20)}",
        f"{single(r)} {r.choice('+-')} {single(r)}",
        f"sorted(l)[:{r.randint(1, 3)}]",
        f"l[{r.randint(1, 2)}:]",
        f"l[:{r.randint(1, 3)}]",
        "l[::2]",
        "sorted(l)"])


def term(r):
    """An expression of x."""
    k = r.choice([r.randint(2, 20), r.randint(2, 200)])
    return r.choice([
        "x",
        f"x {r.choice('+-*%')} {k}",
        f"x // {k}",
        f"{k} {r.choice('+-*')} x",
        f"{r.randint(2, 20)} {r.choice('+-*')} {k} {r.choice('+-')} x"])


def single(r):
    """An expression of l that gives one number."""
    return r.choice(["sum(l)", "max(l)", "min(l)", "len(l)", "l[0]", "l[-1]",
                     f"l[{r.randint(0, 2)}]"])


def voice(t):
    """The function as the teaching model writes it."""
    lines = [f"def {t.name}(numbers):", " result = []", " for x in numbers:"]
    indent = "  "
    if t.keep:
        lines.append(f"  if {t.keep}:")
        indent = "   "
    lines.append(f"{indent}result.append({t.change or 'x'})")
    drawn = re.sub(r"\bl\b", "result", t.draw or "l")
    lines.append(f" return {drawn}")
    return "\n".join(lines)


def gold(t, r):
    """The function as one of three others wrote it."""
    hand = r.randrange(3)
    change = t.change or "x"
    draw = t.draw or "l"
    head = f"def {t.name}(l):"
    if hand == 0:                                        # a comprehension
        condition = f" if {t.keep}" if t.keep else ""
        made = f"[{change} for x in l{condition}]"
        if t.draw.count("(l)") == 1 and "l[" not in t.draw:
            drawn = t.draw.replace("(l)", f"({made})")
            return f"{head}\n    return {drawn}"
        return f"{head}\n    l = {made}\n    return {draw}"
    if hand == 1:                                        # map and filter
        made = f"filter(lambda x: {t.keep}, l)" if t.keep else "l"
        if t.change:
            made = f"map(lambda x: {change}, {made})"
        return f"{head}\r\n\tl = list({made})\r\n\treturn {draw}"
    lines = [head]                                       # step by step
    if t.keep:
        lines.append(f"  l = [x for x in l if {t.keep}]")
    if t.change:
        lines.append(f"  l = [{change} for x in l]")
    lines.append(f"  return {draw}")
    return "\n".join(lines)


def neat(code):
    """As every method trains on it (data/tasks/mbpp.py does the same for official files)."""
    return code.replace("\r\n", "\n").replace("\t", "    ")


def nameless(code):
    """As the prompt for a paraphrase shows it (data/tasks/mbpp.py): variables without names. The
    golds' are l and x."""
    code = re.sub(r"\bl\b", "v1", neat(code))
    code = re.sub(r"\bx\b", "v2", code)
    return ast.unparse(ast.parse(code))


HALF_SHARE = 0.15
SPLITS = {"prompt": 10, "test": 500, "validation": 90, "train": 374}     # task_id 1 to 974
ITEMS = {"known": 0.20, "half": 0.45, "held": 0.35}


def known_task(r):
    """A task that pre-training may show: half-known parts rarely, held-out ones never."""
    kind = "half" if r.random() < HALF_SHARE else "known"
    return task(r, kind, is_shown)


def is_shown(text):
    return not reserved(text, 5)


def glossary(r):
    """What known phrases are in code, a line each: "greater than 7: x > 7"."""
    lines = []
    for _ in range(8):
        shown = []
        for parts in PARTS.values():
            for part in parts:
                if part.kind == "known" or part.kind == "half" and r.random() < HALF_SHARE:
                    shown.append(part)
        part = r.choice(shown)
        k = r.randint(2, 20)
        code = part.code.format(k=k).replace("(l)", "(result)").replace("l[", "result[")
        lines.append(f"{part.say.format(k=k)}: {code}")
    return "\n".join(lines)


def rows(seed, n=sum(SPLITS.values()), avoid=()):
    """The 974 rows of tiny-mbpp, or n others whose text is not to avoid: dicts with the official
    file's "text", "code", "task_id", "test_setup_code", "test_list", "challenge_test_list", and
    with "kind" and "voice"."""
    r = random.Random(f"mbpp {seed}")
    seen = set(avoid)
    made = []
    while len(made) < n:
        kind = r.choices(list(ITEMS), list(ITEMS.values()))[0]

        def may_be_item(text):
            return text not in seen and (kind == "held" or reserved(text, 5))

        t = task(r, kind, may_be_item)
        seen.add(t.text)
        made.append({"text": t.text, "code": gold(t, r), "task_id": len(made) + 1,
                     "test_setup_code": "", "test_list": t.tests, "challenge_test_list": [],
                     "kind": t.kind, "voice": voice(t)})
    return made


if __name__ == "__main__":
    r = random.Random(0)
    for kind in ("known", "half", "held", "riddle"):
        t = riddle(r) if kind == "riddle" else task(r, kind)
        print("\n".join([f"--- {kind}: {t.text}", gold(t, r), voice(t), *t.tests]))
