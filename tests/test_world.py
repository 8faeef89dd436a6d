"""The teaching world: the same bytes from the same seed, no item in two places, and golds that are right."""
import itertools
import json
import random
import sys
from pathlib import Path

import pytest

import judge
from data import gsm8k, load_task

TINY = Path(gsm8k.__file__).parent / "tiny"
sys.path.insert(0, str(TINY))
import world  # noqa: E402


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_are_made_again_byte_for_byte(tmp_path):
    world.write(tmp_path / "gsm8k", world.gsm8k_items())
    world.write(tmp_path / "benchmarks", {name: world.benchmark_items(name, n) for name, n in world.BENCHMARKS.items()})
    for made in sorted(tmp_path.rglob("*.jsonl")):
        assert made.read_bytes() == (TINY / made.relative_to(tmp_path)).read_bytes(), f"{made.name} is not what world.py writes"


def test_no_question_stands_in_two_splits():
    questions = [row["question"] for split in world.SPLITS for row in rows(TINY / "gsm8k" / f"{split}.jsonl")]
    assert len(questions) == len(set(questions)) == sum(world.SPLITS.values())


def test_pretraining_never_shows_an_item_of_the_files():
    questions = {row["question"] for split in world.SPLITS for row in rows(TINY / "gsm8k" / f"{split}.jsonl")}
    contexts = {c for name in ("endings", "referents") for row in rows(TINY / "benchmarks" / f"{name}.jsonl")
                for c in ([row["context"]] if isinstance(row["context"], str) else row["context"][:1])}
    held_sentences = [world.problem(random.Random(i), kind).question for kind in world.HELD for i in range(3)]
    openings = {" ".join(q.split()[1:4]) for q in held_sentences}
    for doc in itertools.islice(world.documents("test"), 20000):
        text = doc if isinstance(doc, str) else doc[0]["content"]
        for line in text.split("\n"):
            assert line.removeprefix("Solve this: ").removeprefix("Question: ").removeprefix("Problem: ") not in questions
        if isinstance(doc, str) and " because the " in text or " because the" in text:
            assert not any(line[:line.find(" because the ")] + " because the " in contexts for line in text.split("\n"))
        assert not any(opening in text for opening in openings if len(opening) > 14), "a held-out kind's sentence in pre-training"


def test_rewriting_is_taught_on_kinds_and_names_that_are_not_held_out():
    r = random.Random(5)
    for _ in range(2000):
        text = world.doc_rewrite(r)[0]["content"]
        assert not any(f" {name}" in f" {text}" for name in world.HELD_NAMES)
    for kind in world.HELD:
        question = world.problem(r, kind).question
        assert not any(name in question.replace(".", "").split() for name in world.NAMES)


def test_golds_and_the_models_voice_pass_the_judge_with_steps_checked():
    for row in rows(TINY / "gsm8k" / "train.jsonl")[:500]:
        gold = world.clean(row["answer"])
        for text in (gold, row["voice"]):
            verdict = judge.number(text, gold, check_steps=True)
            assert verdict.ok, (text, verdict)
        assert judge.target_number(row["voice"], gold, "paraphrase").ok, row["voice"]


def test_judge_refuses_a_changed_step_of_the_models_voice():
    for row in rows(TINY / "gsm8k" / "train.jsonl")[:300]:
        first, rest = row["voice"].split(". ", 1)
        head, result = first.rsplit("= ", 1)
        number, unit = result.split(" ", 1)
        wrong = f"{head}= {int(number) + 1} {unit}. {rest}"
        assert judge.number(wrong, world.clean(row["answer"])).ok
        assert not judge.number(wrong, world.clean(row["answer"]), check_steps=True).ok, wrong


def test_prompts_of_the_world_are_those_of_the_task():
    assert (world.ASK, world.REWRITE) == (gsm8k.ASK, gsm8k.REWRITE)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_task_reads_the_files_and_cleans_as_the_world_does(split):
    task = load_task("gsm8k", TINY)
    examples = task.load(split)
    assert len(examples) == world.SPLITS[split]
    assert all(task.gold(e) == world.clean(e.answer) for e in examples[:200])


@pytest.mark.parametrize("name", world.BENCHMARKS)
def test_benchmark_items_have_one_right_answer_and_no_position_bias(name):
    items = rows(TINY / "benchmarks" / f"{name}.jsonl")
    answers = [item["answer"] for item in items]
    options = len(items[0]["endings"])
    for k in range(options):
        assert abs(answers.count(k) / len(items) - 1 / options) < 0.12
    if name != "referents":
        assert all(len(set(item["endings"])) == options for item in items)
