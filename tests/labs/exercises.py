"""exercises.py - the six labs and the functions that a student writes in each.

A function is found by its name in the real file, so there is no second copy of any code.
"""
from dataclasses import dataclass

LABS = {
    1: "run it, and follow one example",
    2: "the judge",
    3: "choosing targets, and the loss mask",
    4: "the sampling loop",
    5: "fine-tuning and forgetting",
    6: "a method of your own",
}
WORKSHEET = "tests/labs/worksheet.py"


@dataclass(frozen=True)
class Exercise:
    """One function that a student writes."""
    lab: int
    file: str                    # that it stands in, from the top of the project
    name: str                    # "pick", or "Batch.decode" for a method


EXERCISES = (
    Exercise(1, WORKSHEET, "trained_on"),
    Exercise(1, WORKSHEET, "tokens_in_loss"),
    Exercise(1, WORKSHEET, "surprise"),
    Exercise(2, "judge.py", "final_number"),
    Exercise(2, "judge.py", "number"),
    Exercise(2, WORKSHEET, "fool"),
    Exercise(3, "s3ft.py", "choose_targets"),
    Exercise(3, "s3ft.py", "make_target"),
    Exercise(3, "s3ft.py", "in_one_row"),
    Exercise(4, "model.py", "pick"),
    Exercise(4, "model.py", "generate_plain"),
    Exercise(4, "model.py", "Batch.decode"),
    Exercise(5, "s3ft.py", "cross_entropy"),
    Exercise(5, "s3ft.py", "learning_rate"),
    Exercise(5, WORKSHEET, "kl"),
    Exercise(5, WORKSHEET, "drop"),
    Exercise(6, "data/methods/mine.py", "mine"),
    Exercise(6, "data/methods/mine.py", "mine_random"),
)


def of_labs(labs):
    """The exercises of these labs, in their order."""
    return [exercise for exercise in EXERCISES if exercise.lab in labs]
