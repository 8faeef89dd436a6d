"""Probes of lab 6: a method of your own, and its control.

Any rule is right that depends on what the attempts say. So nothing is compared with the project's
own rule: what the functions do to many random attempts is examined.
"""
from probes import Probe

WORDS = "First Then Finally so because each twice apples boxes left wait check".split()
SEAMS = ("examples", "choice", "weights", "loss", "parameters")


# ---------------------------------------------------------------- random attempts

def accepted_attempts(draw, number):
    """Some accepted attempts of one example, as a run hands them to `choice`."""
    gold = f"{draw.randrange(9)} * 8 = {draw.randrange(81)} boxes left, so it is\n#### 8"
    attempts = []
    for sample in range(draw.randint(3, 6)):
        steps = [f"{draw.randrange(9)} * {draw.randrange(9)} = {draw.randrange(81)}"
                 for _ in range(draw.randint(1, 12))]
        words = draw.choices(WORDS, k=draw.randint(0, 12))
        ids = [draw.randrange(3000) for _ in range(draw.randint(8, 60))]
        attempts.append({"id": f"train-{number}", "source": "own", "sample": sample,
                         "text": f"{' '.join(words)} {'. '.join(steps)}. The answer is 8.",
                         "judge": "number", "gold": gold, "question": "How many boxes are left?",
                         "finish_reason": "end", "logprob": -draw.uniform(1, 30),
                         "prompt_ids": [1, 2, 3], "ids": ids})
    return attempts


def copied(attempts):
    """The same attempts, as dicts and lists of their own."""
    return [attempt | {"ids": list(attempt["ids"])} for attempt in attempts]


def places(taken, attempts):
    """Where the attempts that were taken stand in a list; their ids tell which they are."""
    if not isinstance(taken, (list, tuple)):
        raise TypeError(f"it returns a {type(taken).__name__}; a list of attempts is wanted")
    ids = [one["ids"] for one in attempts]
    return [ids.index(one["ids"]) for one in taken]


def choices(draw, choice):
    """What a rule takes of the attempts of sixty examples.

    -> a list of {"n": attempts, "taken": their places in the list, "again": the same once more,
    "shuffled": those it takes where each attempt has another one's place and number, "changed": did
    it change what it was handed?}
    """
    told = []
    for number in range(60):
        attempts = accepted_attempts(draw, number)
        handed = copied(attempts)
        taken = places(choice(handed), attempts)
        again = places(choice(copied(attempts)), attempts)
        other_order = copied(attempts)
        draw.shuffle(other_order)
        for sample, one in enumerate(other_order):
            one["sample"] = sample
        shuffled = places(choice(other_order), attempts)
        told.append({"n": len(attempts), "taken": taken, "again": again, "shuffled": shuffled,
                     "changed": handed != attempts})
    return told


def rows(page):
    """What the two rows of the page say: which seams they name, and their plain settings."""
    told = {}
    for name in ("mine", "mine_random"):
        row = page.METHODS.get(name)
        if row is None:
            told[name] = None
            continue
        told[name] = {"sources": list(row.sources), "samples": row.samples,
                      "temperature": row.temperature, "rates": list(row.rates),
                      "seams": [seam for seam in SEAMS if getattr(row, seam) is not None]}
    return told


def ask_rows(draw, page):
    if getattr(page.METHODS.get("mine"), "choice", None) is page.mine:
        page.mine(accepted_attempts(draw, 0))       # is it written at all?
    return rows(page)


def ask_mine(draw, page):
    if page.METHODS["mine"].choice is None:
        return None
    return choices(draw, page.METHODS["mine"].choice)


def ask_control_rows(draw, page):
    if getattr(page.METHODS.get("mine_random"), "choice", None) is page.mine_random:
        page.mine_random(accepted_attempts(draw, 0))
    return rows(page)


def ask_both(draw, page):
    if page.METHODS["mine"].choice is None:
        return None
    state = draw.getstate()
    mine = choices(draw, page.METHODS["mine"].choice)
    draw.setstate(state)
    return [mine, choices(draw, page.METHODS["mine_random"].choice)]


# ---------------------------------------------------------------- what is wrong with them

def one_seam(told):
    mine = told["mine"]
    if mine is None:
        return "METHODS has no row \"mine\""
    if len(mine["seams"]) != 1:
        names = ", ".join(mine["seams"]) or "none"
        return f"it changes {names}; change exactly one of {', '.join(SEAMS)}"
    return ""


def takes_some(told):
    for one in told or []:
        if not one["taken"]:
            return f"of {one['n']} accepted attempts it took none"
        if len(set(one["taken"])) < len(one["taken"]):
            return f"it took one attempt twice: {one['taken']}"
    return ""


def is_repeatable(told):
    for one in told or []:
        if one["taken"] != one["again"]:
            return f"of the same attempts it took {one['taken']}, and then {one['again']}"
    return ""


def changes_nothing(told):
    if any(one["changed"] for one in told or []):
        return ("the list that it was handed, or an attempt in it, has changed; work on a copy, as "
                "sorted(accepted, ..) does")
    return ""


def depends_on_attempts(told):
    if not told:
        return ""
    if all(len(one["taken"]) == one["n"] for one in told):
        return "it takes all attempts, so it chooses nothing"
    if share_of_same(told) < 0.5:
        return ("it takes them by their place or number, or blindly: the same attempts in another "
                "order, and others are taken")
    return ""


def share_of_same(told):
    """How often are the same texts taken, where they come in another order? Counted where not all
    are taken. Nearly 1 for a rule that reads them; about 1/4 for a blind one."""
    some = [one for one in told if len(one["taken"]) < one["n"]]
    same = [one for one in some if sorted(one["taken"]) == sorted(one["shuffled"])]
    return len(same) / max(1, len(some))


def differs_in_the_rule_alone(told):
    mine = told["mine"]
    control = told["mine_random"]
    if mine is None or control is None:
        return f"METHODS has no row \"{'mine' if mine is None else 'mine_random'}\""
    for part, value in mine.items():
        if control[part] != value:
            return f"they differ in {part}: mine {value}, mine_random {control[part]}"
    return ""


def takes_as_many(told):
    for mine, control in zip(*(told or [[], []])):
        if len(mine["taken"]) != len(control["taken"]):
            return (f"of {mine['n']} attempts mine took {len(mine['taken'])}, mine_random "
                    f"{len(control['taken'])}: then more targets alone may explain a gain")
    return ""


def control_is_repeatable(told):
    return is_repeatable(told and told[1])


def control_takes_some(told):
    return takes_some(told and told[1])


def control_changes_nothing(told):
    return changes_nothing(told and told[1])


def is_blind(told):
    if not told:
        return ""
    mine, control = told
    if all(one["taken"] == other["taken"] for one, other in zip(mine, control)):
        return "it takes the very attempts that mine takes"
    first = sum(one["taken"][0] == 0 for one in control)
    last = sum(one["taken"][0] == one["n"] - 1 for one in control)
    if max(first, last) > 0.8 * len(control):
        return "it mostly takes the same place of the list; draw one"
    if share_of_same(control) > 0.6:
        return "it reads them: the same attempts in another order, and it takes the same texts"
    return ""


PROBES = [
    Probe("mine", "the row \"mine\" changes exactly one seam", ask_rows, one_seam),
    Probe("mine", "it returns a list: some of the accepted attempts, each once", ask_mine,
          takes_some),
    Probe("mine", "the same attempts, the same choice: no chance is in it", ask_mine,
          is_repeatable),
    Probe("mine", "the list that it is handed, and the attempts in it, stay as they are", ask_mine,
          changes_nothing),
    Probe("mine", "the rule depends on what the attempts say", ask_mine, depends_on_attempts),
    Probe("mine_random", "the control differs from \"mine\" in the rule, and in nothing else",
          ask_control_rows, differs_in_the_rule_alone),
    Probe("mine_random", "it returns a list: some of the accepted attempts, each once", ask_both,
          control_takes_some),
    Probe("mine_random", "the control takes as many attempts as mine", ask_both, takes_as_many),
    Probe("mine_random", "the control is drawn, but the same in every run (seed the draw with the "
                         "example's id)", ask_both, control_is_repeatable),
    Probe("mine_random", "the list that it is handed, and the attempts in it, stay as they are",
          ask_both, control_changes_nothing),
    Probe("mine_random", "the control is blind to what the attempts say", ask_both, is_blind),
]
