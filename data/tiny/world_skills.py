"""world_skills.py - four small skills of the teaching world: sorting, reversing, counting, adding.
One prompt has one right answer."""
import random

from world_words import OBJECTS, THINGS, reserved

SKILLS = {"sorting": 300, "reversing": 300, "counting": 300, "arithmetic": 300}      # prompts


def skill(r, name):
    """(prompt, the one right answer)"""
    if name == "sorting":
        numbers = [r.randint(1, 99) for _ in range(r.randint(3, 7))]
        given = " ".join(str(number) for number in numbers)
        return f"Sort these numbers: {given}", " ".join(str(number) for number in sorted(numbers))
    if name == "arithmetic":
        a = r.randint(2, 99)
        b = r.randint(2, 60)
        return f"What is {a} + {b}?", f"{a} + {b} = {a + b}"
    words = r.sample(THINGS + OBJECTS, r.randint(3, 6))
    if name == "reversing":
        return f"Say these words in reverse: {' '.join(words)}", " ".join(reversed(words))
    return f"How many words are these: {' '.join(words)}?", f"There are {len(words)} words."


def skill_items(name, n, seed):
    """n prompts of one skill: {"id", "question", "answer"}, no prompt twice, none that pre-training
    shows."""
    r = random.Random(f"{name} {seed}")
    items = {}                       # {prompt: item}
    while len(items) < n:
        prompt, answer = skill(r, name)
        if reserved(prompt) and prompt not in items:
            items[prompt] = {"id": f"{name}-{len(items)}", "question": prompt, "answer": answer}
    return list(items.values())
