"""Right solutions of lab 2 that are written otherwise than the project's own.

Of `fool` three other ways to fool the judge.
"""
from data.judging.answer_text import without_thought
from data.judging.numbers import UNCLEAR, fraction, last_number
from judge import (
    ANNOUNCED_BY, LONGEST_ANSWER, UNFINISHED, FinalNumber, Verdict, announced_number, final_number,
    readable, steps)


def final_number__all_matches_first(text):
    plain = readable(text)
    announced = []
    for rule in ("hash", "boxed", "answer is"):
        for match in ANNOUNCED_BY[rule].finditer(plain):
            announced.append((rule, match))
    for rule in ("hash", "boxed", "answer is"):
        numbers = [announced_number(plain, rule, match) for its_rule, match in announced
                   if its_rule == rule]
        numbers = [number for number in numbers if number is not None]
        if numbers:
            return numbers[-1]
    if announced:
        plain = plain[max(match.end() for _, match in announced):]
    written = last_number(plain)
    if written is None:
        return FinalNumber(rule="none", written=None, value=None)
    if written is UNCLEAR:
        return FinalNumber(rule="last number", written=None, value=None)
    return FinalNumber("last number", written, fraction(written))


def final_number__with_while(text):
    plain = readable(text)
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        matches = list(pattern.finditer(plain))
        while matches:
            match = matches.pop()
            found = announced_number(plain, rule, match)
            if found is not None:
                return found
            begin = max(begin, match.end())
    written = last_number(plain[begin:])
    rule = "none" if written is None else "last number"
    if written in (None, UNCLEAR):
        return FinalNumber(rule, None, None)
    return FinalNumber(rule, written, fraction(written))


def number__one_exit_a_rule(text, gold, check_steps=False):
    wanted = final_number(str(gold))
    if wanted.value is None:
        raise ValueError("no number in this gold")
    if without_thought(text) is None:
        return UNFINISHED
    if len(readable(text)) > LONGEST_ANSWER:
        return Verdict(False, "too long", None, "")
    found = final_number(text)
    scores = {}
    right = found.value == wanted.value
    rule = found.rule
    if right and check_steps:
        stated = steps(text)
        scores["steps"] = len(stated)
        scores["wrong_steps"] = sum(not step.right for step in stated)
        if scores["wrong_steps"]:
            right = False
            rule = "wrong step"
    return Verdict(right, rule, found.written, "because", scores)


def number__steps_by_all(text, gold, check_steps=False):
    wanted = final_number(gold).value
    if wanted is None:
        raise ValueError(gold)
    if without_thought(text) is None:
        return Verdict(False, "unfinished", None, "thinks without end")
    if len(readable(text)) > LONGEST_ANSWER:
        return Verdict(ok=False, rule="too long", extracted=None, reason="too long")
    number = final_number(text)
    if number.value is None or number.value - wanted != 0:
        return Verdict(False, number.rule, number.written, "another number")
    if check_steps:
        good = [step.right for step in steps(text)]
        scores = {"wrong_steps": good.count(False), "steps": len(good)}
        if not all(good):
            return Verdict(False, "wrong step", number.written, "a wrong step", scores)
        return Verdict(True, number.rule, number.written, "right", scores)
    return Verdict(True, number.rule, number.written, "right")


def fool__number_alone(question, gold):
    return "#### " + gold.split("#### ")[1]


def fool__steps_that_lead_nowhere(question, gold):
    answer = gold.split("####")[1].strip()
    return f"First, 2 * 3 = 6. Then, 6 + 5 = 11. So the answer is {answer}."


def fool__there_and_back(question, gold):
    answer = int(gold.split("####")[1])
    return f"{answer} + 1000 = {answer + 1000}. {answer + 1000} - 1000 = {answer}. #### {answer}"


def fool__in_words_that_are_wrong(question, gold):
    answer = gold.split("####")[1].strip()
    return f"Nobody has anything here, so nothing is left. The answer is {answer}."
