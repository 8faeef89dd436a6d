"""world_skills.py - four small skills of the teaching world: sorting, reversing, counting, adding. One prompt has one right answer."""
import random

from world_words import OBJECTS, THINGS

SKILLS = {"sorting": 300, "reversing": 300, "counting": 300, "arithmetic": 300}          # prompts in the files


def skills(r):
    """A prompt of each skill and its answer: {name: (question, answer)}."""
    words = r.sample(THINGS + OBJECTS, r.randint(3, 6))
    numbers = [r.randint(1, 99) for _ in range(r.randint(3, 7))]
    a, b = r.randint(2, 99), r.randint(2, 60)
    return {"sorting": (f"Sort these numbers: {' '.join(map(str, numbers))}", " ".join(map(str, sorted(numbers)))),
            "reversing": (f"Say these words in reverse: {' '.join(words)}", " ".join(reversed(words))),
            "counting": (f"How many words are these: {' '.join(words)}?", f"There are {len(words)} words."),
            "arithmetic": (f"What is {a} + {b}?", f"{a} + {b} = {a + b}")}


def skill_items(name, n, seed):
    """n prompts of one skill: {"id", "question", "answer"}, no prompt twice. They are drawn as pre-training draws its own, so a list
    of words or numbers is hardly ever one that it showed; of the 5,782 sums it showed most."""
    r, items = random.Random(f"{name} {seed}"), {}
    while len(items) < n:
        question, answer = skills(r)[name]
        items.setdefault(question, {"id": f"{name}-{len(items)}", "question": question, "answer": answer})
    return list(items.values())
