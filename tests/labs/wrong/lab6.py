"""Wrong solutions of lab 6, as students write them. In quotes: words of the hint that they get.

What is wrong with a row, and not with a function, is in ROWS of labs_checks.py.
"""
import random

from data.methods.mine import mine


def mine__attempt_and_no_list(accepted):
    """it returns a dict; a list of attempts is wanted"""
    return max(accepted, key=lambda attempt: attempt["text"].count("="))


def mine__texts_and_no_attempts(accepted):
    """it returns a list: some of the accepted attempts"""
    return [max((attempt["text"] for attempt in accepted), key=len)]


def mine__sometimes_none(accepted):
    """attempts it took none"""
    return [attempt for attempt in accepted if attempt["text"].count("=") > 8]


def mine__one_twice(accepted):
    """it took one attempt twice"""
    longest = max(accepted, key=lambda attempt: len(attempt["ids"]))
    shortest = min(accepted, key=lambda attempt: attempt["text"].count("="))
    return [longest, shortest]


def mine__by_chance(accepted):
    """no chance is in it"""
    return [random.choice(accepted)]


def mine__sorts_the_list(accepted):
    """work on a copy, as sorted"""
    accepted.sort(key=lambda attempt: len(attempt["text"]))
    return accepted[:1]


def mine__changes_an_attempt(accepted):
    """and the attempts in it, stay as they are"""
    for attempt in accepted:
        attempt["steps"] = attempt["text"].count("=")
    return [max(accepted, key=lambda attempt: attempt["steps"])]


def mine__first(accepted):
    """it takes them by their place or number"""
    return accepted[:1]


def mine__last_number(accepted):
    """it takes them by their place or number"""
    return [max(accepted, key=lambda attempt: attempt["sample"])]


def mine__seeded_chance(accepted):
    """or blindly"""
    return [random.Random(accepted[0]["id"]).choice(accepted)]


def mine__all(accepted):
    """it takes all attempts, so it chooses nothing"""
    return sorted(accepted, key=lambda attempt: len(attempt["text"]))


def mine_random__attempt_and_no_list(accepted):
    """it returns a dict; a list of attempts is wanted"""
    return random.Random(accepted[0]["id"]).choice(accepted)


def mine_random__none(accepted):
    """attempts it took none"""
    return random.Random(accepted[0]["id"]).sample(accepted, len(mine(accepted)) - 1)


def mine_random__two(accepted):
    """then more targets alone may explain a gain"""
    return random.Random(accepted[0]["id"]).sample(accepted, 2)


def mine_random__no_seed(accepted):
    """the same in every run"""
    return random.sample(accepted, len(mine(accepted)))


def mine_random__shuffles_the_list(accepted):
    """the list that it is handed"""
    random.Random(accepted[0]["id"]).shuffle(accepted)
    return accepted[:len(mine(accepted))]


def mine_random__same_rule(accepted):
    """it takes the very attempts that mine takes"""
    return mine(accepted)


def mine_random__first(accepted):
    """it mostly takes the same place of the list"""
    return accepted[:len(mine(accepted))]


def mine_random__shortest(accepted):
    """it reads them"""
    by_length = sorted(accepted, key=lambda attempt: len(attempt["ids"]))
    return by_length[:len(mine(accepted))]
