"""The teaching world: the same bytes from the same seed, no item in two places, and golds that are right."""
import itertools
import json
import random
import re
import sys

import pytest
import torch

import judge
import s3ft
from data import TINY, Example
from data.cli.ending import guard
from data.judging import spans
from data.report import report
from data.tasks import load_task, mbpp
from data.run import statistics

sys.path.insert(0, str(TINY))
import pretrain  # noqa: E402
import world  # noqa: E402
import world_code  # noqa: E402
import world_readings  # noqa: E402
import world_skills  # noqa: E402
import world_truth  # noqa: E402


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_are_made_again_byte_for_byte(tmp_path):
    world.write_all(tmp_path)
    files = sorted(tmp_path.rglob("*.jsonl"))
    assert len(files) == 15
    for made in files:
        there = TINY / made.relative_to(tmp_path)
        assert made.read_bytes() == there.read_bytes(), f"{made.name} is not what world.py writes"


def test_no_question_stands_in_two_splits():
    questions = [row["question"] for split in world.SPLITS for row in rows(TINY / "gsm8k" / f"{split}.jsonl")]
    assert len(questions) == len(set(questions)) == sum(world.SPLITS.values())


def test_pretraining_never_shows_an_item_of_the_files():
    questions = {row["question"] for split in world.SPLITS for row in rows(TINY / "gsm8k" / f"{split}.jsonl")}
    contexts = {row["context"][row["answer"]] for row in rows(TINY / "benchmarks" / "referents.jsonl")}
    held_sentences = [world.problem(random.Random(i), kind).question for kind in world.HELD for i in range(3)]
    openings = {" ".join(q.split()[1:4]) for q in held_sentences}
    steps = random.Random(0).sample(range(pretrain.TOKENS // (pretrain.ROW * pretrain.BATCH)), 20)
    for doc in (doc for step in steps for doc in itertools.islice(world.documents(step, pretrain.stage_of(step)), 200)):
        text = doc if isinstance(doc, str) else doc[0]["content"]
        for line in text.split("\n"):
            question = line.removeprefix("Solve this: ").removeprefix("Question: ").removeprefix("Problem: ")
            assert question not in questions
        for words in (line.split() for line in text.split("\n") if " because " in line):
            assert " ".join(words[:words.index("because") + 3]) not in contexts
        shown = [opening for opening in openings if len(opening) > 14 and opening in text]
        assert not shown, "a held-out kind's sentence in pre-training"


def test_questions_of_half_known_kinds_that_pretraining_shows_are_listed():
    for step in (0, 799, 800, 2386, 2387, 2820):
        found = world.shown_questions(step, pretrain.stage_of(step))
        assert found, "a step asks something"
        assert found <= world.shown(), "data/tiny/shown.txt is not of this world: pretrain.py --shown writes it"
    assert not any(world.is_free(kind, question) for kind, question in world.ASKED if kind in world.HALF)


def test_pretraining_never_shows_a_task_or_reading_of_the_files_nor_a_held_out_part():
    texts = {row["text"] for row in rows(TINY / "mbpp" / "mbpp.jsonl")}
    passages = {row["context"] for split in world_readings.SPLITS for row in rows(TINY / "nq" / f"{split}.jsonl")[1:]}
    parts = [p for parts in world_code.PARTS.values() for p in parts if p.kind == "held"]
    held = {p.say.format(k=k) for p in parts for k in range(2, 20)}
    relations = [r for r in world_readings.OF_LANDS + world_readings.OF_PEOPLE if r.kind == "held"]
    asked = {q.format(e="") for r in relations for q in r.asked}
    r = random.Random("test")
    for _ in range(700):
        text = world_code.known_task(r).text
        assert text not in texts and not any(f" {say} " in f" {text[:-1]} ".replace(",", " ,") for say in held), text
        reading = world_readings.known_reading(r)
        assert reading.passage not in passages
        for question in asked:
            assert not all(word in reading.question for word in question.split()), reading.question


def test_held_out_code_never_stands_in_pretraining_not_even_in_rewriting():
    held = [p.code for parts in world_code.PARTS.values() for p in parts if p.kind == "held" and "{k}" not in p.code]
    held = [code.replace("(l)", "(result)").replace("l[", "result[") for code in held]
    assert len(held) == 4
    r = random.Random("test")
    for make in (world.doc_code, world.doc_code_rewrite):
        for _ in range(250):
            answer = make(r)[1]["content"]
            assert not any(code in answer for code in held), answer


def test_no_code_task_and_no_reading_stands_twice():
    tasks = [row["text"] for row in rows(TINY / "mbpp" / "mbpp.jsonl")]
    passages = [row["context"] for split in world_readings.SPLITS for row in rows(TINY / "nq" / f"{split}.jsonl")[1:]]
    assert len(set(tasks)) == len(tasks) == 974
    assert len(set(passages)) == len(passages) == sum(world_readings.SPLITS.values())


def test_golds_and_voice_of_the_code_pass_their_asserts_and_their_neighbours_do_not():
    for row in rows(TINY / "mbpp" / "mbpp.jsonl")[::4]:
        for code in (row["code"], row["voice"]):
            space = {}
            exec(code, space)                                                # our own code, made by world_code.py
            for test in row["test_list"]:
                exec(test, space)
        first, second = (test.partition(" == ")[2] for test in row["test_list"][:2])
        assert first != second, "one constant would pass both"


def test_golds_and_voice_of_the_readings_are_accepted_and_a_copy_of_the_passage_is_not():
    task = load_task("nq", TINY)
    examples = task.load("test")
    for e in examples[:200]:
        assert task.score(e, task.gold(e)).ok and task.accept(e, task.text(e, "voice"), "paraphrase").ok, e
        assert not task.score(e, e.extra["passage"]).ok
    assert 0.2 < sum(not e.extra["golds"] for e in examples) / 600 < 0.4


def test_rewriting_is_taught_on_kinds_and_names_that_are_not_held_out():
    r = random.Random(5)
    for _ in range(2000):
        text = world.doc_rewrite(r)[0]["content"]
        assert not any(f" {name}" in f" {text}" for name in world.HELD_NAMES)
    for kind in world.HELD:
        question = world.problem(r, kind).question
        assert not any(name in question.replace(".", "").split() for name in world.NAMES)


def test_golds_and_the_models_voice_pass_the_judge_with_steps_checked():
    for row in rows(TINY / "gsm8k" / "train.jsonl")[:200]:
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
    def prompts(task, example):
        return [chat[0]["content"] for chat in (s3ft.ask(task, example), s3ft.rewrite(task, example))]
    task = load_task("gsm8k", TINY)
    e = task.load("test")[0]
    assert prompts(task, e) == [world.ASK.format(question=e.question),
                                world.REWRITE.format(question=e.question, gold=task.gold(e))]
    task = load_task("mbpp", TINY)
    e = task.load("test")[0]
    asked = world.ASK_CODE.format(question=e.question, tests="\n".join(e.extra["tests"][:-1]))
    gold = mbpp.fenced(mbpp.bare(e.answer, names=False))
    assert prompts(task, e) == [asked, world.REWRITE_CODE.format(ask=asked, gold=gold)]
    task = load_task("nq", TINY)
    e = task.load("test")[0]
    parts = {"passage": e.extra["passage"], "question": e.question}
    assert prompts(task, e) == [world.ASK_READING.format(**parts), world.REWRITE_READING.format(**parts, gold=e.answer)]
    assert world_readings.ABSTAIN == spans.DOES_NOT_SAY
    for row in rows(TINY / "mbpp" / "mbpp.jsonl")[:100]:
        assert mbpp.normalise(row["code"]) == world_code.neat(row["code"])
        assert mbpp.bare(world_code.neat(row["code"]), names=False) == world_code.nameless(row["code"])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_task_reads_the_files_and_cleans_as_the_world_does(split):
    task = load_task("gsm8k", TINY)
    examples = task.load(split)
    assert len(examples) == world.SPLITS[split]
    assert all(task.gold(e) == world.clean(e.answer) for e in examples[:200])


PARTS = {"thirds": 3, "quarters": 4, "fifths": 5, "sixths": 6, "sevenths": 7, "eighths": 8}
SOLUTIONS = {           # of each kind, from the numbers of its question in their order: written apart from world.py
    "give_and_find": lambda q, n: n[0] - n[1] + n[2], "boxes": lambda q, n: n[0] * n[1] - n[2],
    "shopping": lambda q, n: n[0] * n[1] + n[2],
    "share": lambda q, n: (n[0] + n[1]) / n[2], "one_row": lambda q, n: n[0] * n[1],
    "half_in_may": lambda q, n: 1.5 * n[0],
    "times_as_many": lambda q, n: n[0] * (1 + n[1]) if q.endswith("together?") else n[1] * (1 + n[0]),
    "rows": lambda q, n: n[0] * n[1] + n[2] * n[3],
    "pages_left": lambda q, n: n[0] - n[1] * n[2] - n[3] if q.startswith("A book") else n[3] - n[0] * n[1] - n[2],
    "percent": lambda q, n: n[0] * (100 - n[1]) / 100, "wages": lambda q, n: n[0] * n[1] * n[2] - n[3],
    "ages": lambda q, n: n[0] * n[1] + n[2],
    "three_quarters": lambda q, n: n[0] * n[1] / n[2] if "/" in q else n[0] * n[1] / PARTS[q.split()[1]],
    "more_and_fewer": lambda q, n: (3 * n[0] + 2 * n[1] - n[2] if "more than" in q.split(". ")[1] else
                                    3 * n[2] + 2 * n[0] - n[1]),
    "recipe": lambda q, n: n[1] / n[0] * n[2] if q.startswith("For") else n[0] / n[1] * n[2],
    "cents": lambda q, n: n[3] - n[0] * n[2] - n[1] if q.startswith("A pen") else n[3] - n[0] * n[1] - n[2],
    "discount": lambda q, n: (n[0] * (100 - n[1]) / 100 * n[2] if q.startswith("A coat") else
                              n[0] * n[1] * (100 - n[2]) / 100),
    "fence": lambda q, n: 2 * (n[0] + n[1]) * n[2], "tank": lambda q, n: n[0] - n[1] * n[2] + n[3],
    "twice_as_far": lambda q, n: 3 * n[0] * n[1],
    "thirds": lambda q, n: n[0] / 3, "average": lambda q, n: (n[0] + n[1]) / 2,
    "change": lambda q, n: n[3] - n[1] * n[2] + n[0] if q.startswith("With") else n[3] - n[0] * n[1] + n[2]}


@pytest.mark.parametrize("kind", world.KINDS)
def test_every_gold_is_the_number_that_the_question_asks_for(kind):
    r = random.Random(kind)
    for _ in range(60):
        p = world.problem(r, kind)
        assert p.answer == SOLUTIONS[kind](p.question, [int(n) for n in re.findall(r"\d+", p.question)]), p.question
        assert world.gold(p, r).endswith(f"\n#### {p.answer}")
        assert 1 <= len(p.steps) <= 4


def test_every_right_option_is_the_only_true_one():
    facts = {question.format(land=land): world.FACTS[land, a]
             for land in world.COUNTRIES for a, (question, _, _) in world.ATTRIBUTES.items()}
    myths = {world.myth(who, habit, falsehood): (truth, falsehood)
             for (who, habit), (truth, falsehood) in world.MYTHS.items()}
    customs = {}
    for script in world.SCRIPTS:
        for o in script[0].split():
            for deed, following in zip(script[1:], script[2:]):
                customs.setdefault(deed.format(n="N", o=o), set()).add(following.format(n="N", o=o))
    causes = {" ".join((sentence.format(a=a, b=b, x=x), why)) for sentence, first, second in world.SCHEMAS for a, b in
              itertools.permutations(world.OBJECTS + world.CURIOS, 2) for x, why in ((a, first), (b, second))}
    for name in world.BENCHMARKS:
        for item in rows(TINY / "benchmarks" / f"{name}.jsonl"):
            options = [e.strip() for e in item["endings"]]
            if name == "referents":
                true = [f"{c} {e}" in causes for c, e in zip(item["context"], options)]
            else:
                question = item["context"].removeprefix("Question: ").removesuffix("\nAnswer:")
                who = question.split()[0]
                right = {
                    "facts": lambda option: facts[question] == option,
                    "myths": lambda option: myths[question][0] == option,
                    "endings": lambda option: option.replace(who, "N") in customs[question.replace(who, "N")],
                }[name]
                true = [right(option) for option in options]
                assert name != "myths" or myths[question][1] in options, "the falsehood is among the options"
            assert [k for k, t in enumerate(true) if t] == [item["answer"]], item


@pytest.mark.parametrize("name", world.BENCHMARKS)
def test_benchmark_items_have_one_right_answer_and_no_position_bias(name):
    items = rows(TINY / "benchmarks" / f"{name}.jsonl")
    answers = [item["answer"] for item in items]
    options = len(items[0]["endings"])
    assert len(items) >= 1000 and options == (2 if name == "referents" else 4)
    for k in range(options):
        assert abs(answers.count(k) / len(items) - 1 / options) < 0.12
    if name != "referents":
        assert all(len(set(item["endings"])) == options for item in items)


def test_prompts_of_the_skills_have_the_one_right_answer_and_stand_once():
    for name in world_skills.SKILLS:
        items = rows(TINY / "skills" / f"{name}.jsonl")
        assert len({item["question"] for item in items}) == len({item["id"] for item in items}) == len(items)
        assert len(items) == world_skills.SKILLS[name]
        for item in items:
            head, _, rest = item["question"].partition(": ")
            numbers = [int(n) for n in item["question"].replace("?", "").split() if n.isdigit()]
            right = {"sorting": lambda: " ".join(map(str, sorted(numbers))),
                     "reversing": lambda: " ".join(rest.split()[::-1]),
                     "counting": lambda: f"There are {rest.count(' ') + 1} words.",
                     "arithmetic": lambda: "{} + {} = {}".format(*numbers, sum(numbers))}[name]()
            assert item["answer"] == right, item
    documents = [world.doc_skill(random.Random(i))[0]["content"] for i in range(40)]
    asked = {text.split(":")[0] for text in documents if ":" in text}
    assert asked == {"Sort these numbers", "Say these words in reverse", "How many words are these"}, "in these words"


VOICE = "First, 12 / 2 = 6 stamps. Then, 6 + 7 = 13 stamps. Finally, 3 * 13 = 39 stamps. The answer is 39."


@pytest.mark.parametrize("text, says", [
    (VOICE, "same"), ("12/2=6; 7+6=13; 13*3=39\nThe answer is 39.", "same"), ("39 = 39", "wrong"),
    # in another order
    (VOICE.replace("6 + 7", "7 + 6").replace("First, 12 / 2 = 6 stamps. ", "") + " For 12 / 2 = 6. The answer is $39.",
     "same"),
    (VOICE.replace("6 + 7", "5 + 8"), "wrong"), (VOICE.replace("= 13", "= 14"), "wrong"),
    (VOICE.replace("12 / 2", "2 / 12"), "wrong"),
    (VOICE.replace("answer is 39", "answer is 38"), "wrong"), (VOICE.replace(" 6 + 7", " 6 +  "), "wrong"),
    ("The answer is 39.", "wrong"), ("", "wrong"),
    ("12 / 2 = 6. 3 * 6 = 18. 3 * 7 = 21. 18 + 21 = 39. The answer is 39.", "other"),
    ("12 / 2 + 7 = 13. 3 * 13 = 39", "other"),
    # 13 from nowhere; 39 too
    ("12 / 2 = 6. 13 * 3 = 39. The answer is 39.", "wrong"), ("12 / 2 = 6. 6 + 7 = 13. The answer is 39.", "wrong"),
    # a step to spare
    (VOICE.replace("First", "First, 12 + 3 = 15. So"), "other"),
    (VOICE.replace("First", "First, 12 + 3 = 16. So"), "wrong"),
    (VOICE.replace("12 / 2", "12 / 0"), "wrong"), ("99 - 60 = 39", "wrong"), ("x - 12 / 2 = 6. " + VOICE, "wrong")])
def test_the_world_knows_its_solution_in_other_words_from_another_and_from_a_wrong_one(text, says):
    assert world_truth.compare(VOICE, text) == says and world_truth.right(VOICE, text) == (says != "wrong")
    assert world_truth.compare(VOICE, "99 - 60 = 39", "Of 99 stamps 60 are lost.") == "other"


def test_every_gold_states_the_worlds_own_steps_and_none_with_another_result_does():
    for row in rows(TINY / "gsm8k" / "train.jsonl")[::20]:
        gold = world.clean(row["answer"])
        assert world_truth.compare(row["voice"], gold) == world_truth.compare(row["voice"], row["voice"]) == "same", row
        number = gold.rsplit(" ", 1)[1].rstrip(".")
        other = int(number) + 1
        wrong = gold.replace(f"= {number}", f"= {other}").replace(f"={number}", f"={other}")
        assert not world_truth.right(row["voice"], wrong)


def test_the_judges_errors_are_counted():
    """Three right answers, one of them refused; two wrong ones, one of them accepted; the number alone accepts all;
    one is cut off."""
    e = Example("e", "How many?", "#### 39", {"voice": VOICE})
    wrong, other = VOICE.replace("= 13", "= 14"), "12 / 2 + 7 = 13. 3 * 13 = 39"
    attempts = [{"id": "e", "source": "own", "text": text, "finish_reason": "end"}
                for text in (VOICE, VOICE + " ", other, wrong, wrong + " ")]
    attempts.append(attempts[0] | {"finish_reason": "length"})
    task = load_task("gsm8k", TINY)

    def accept(e, text, source):
        ok = source == "own_number" or text in (VOICE, VOICE + " ", wrong)
        return judge.Verdict(ok, "", None, "")
    found = statistics.judge_errors(attempts, task, {"e": e}, accept)
    names = ("accepted", "false_accepts", "refused", "false_rejects", "false_accept_share", "false_reject_share")
    assert found == {"own": {"unfinished": 1, "same": 2, "other": 1, "wrong": 2,
                             "steps": dict(zip(names, (3, 1, 2, 1, 1 / 3, 0.5))),
                             "number": dict(zip(names, (5, 2, 0, 0, 0.4, 0.0)))}}
    [said] = report.about_judge({"judge_errors": found})
    assert "the judge accepts 3, 1 of them wrong (33.3 %), and refuses 2, 1 of them right (50.0 %)" in said
    assert "1 unfinished" in said
    task.title = "gsm8k"
    assert statistics.judge_errors(attempts, task, {"e": e}, None) == {}
    assert report.about_judge({"judge_errors": {}}) == []


def test_the_bundled_weights_are_of_this_world():
    world_of_the_weights = json.loads((TINY / "world.json").read_text())["world"]
    assert pretrain.fingerprint() == world_of_the_weights, "what pre-training reads has changed since"


@pytest.mark.parametrize("arguments, expected", [
    ([], "give --work FOLDER"), (["--work", "W", "--export"], "holds no checkpoint"),
    (["--work", "W", "--tokens", "9"], "less than the warm-up"),
    (["--work", "OTHER"], "another world"), (["--check", "--model", "OTHER"], "come from another world")])
def test_bad_input_to_pretraining_is_one_line(tmp_path, monkeypatch, capsys, arguments, expected):
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"):
        (tmp_path / name).write_bytes((TINY / name).read_bytes())
    torch.save({"world": "another"}, tmp_path / "state.pt")
    monkeypatch.setattr(pretrain, "fingerprint", lambda: "this one")
    places = {"W": tmp_path / "w", "OTHER": tmp_path}
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *(str(places.get(a, a)) for a in arguments)])
    assert guard(pretrain.main) == 2
    err = capsys.readouterr().err
    assert expected in err and len(err.splitlines()) == 1
