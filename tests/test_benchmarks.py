"""Multiple choice: questions, log-likelihoods and scores of lm-eval (golden/), bad files, and how little is read."""
import json
import random
import re
import shutil
from pathlib import Path

import pytest
import torch

import model
from data import UserError
from data.benchmarks import multiple_choice
from data.fast import prefixes
from data.benchmarks.multiple_choice import Item
from test_chat import change, dress
from test_model import VOCABULARY, small

GOLDEN = Path(__file__).parent / "golden"
ITEMS = GOLDEN / "benchmarks"                       # the publishers' layouts, written by us; and the model's weights
NAMES = ("mmlu", "mmlu-0shot", "truthfulqa", "hellaswag", "winogrande")
SIZES = dict(vocab_size=1280, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=4096, rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=0, eos_token_id=2)
# tokenizers: the bundled one, with BOS in front, and with few merges, nearly bytes
CASES = {"plain": {}, "bos": {}, "bytes": {},
         "short": {"max_position_embeddings": 128}, "window": {"model_type": "mistral", "sliding_window": 32}}

pytestmark = pytest.mark.usefixtures("one_thread")


def dressed(folder, case):
    """The model folder of a case: one set of weights for all."""
    for path in (ITEMS / "model.safetensors", ITEMS / "tokenizer.json", ITEMS / "tokenizer_config.json"):
        shutil.copyfile(path, folder / path.name)
    if case == "bytes":
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        change(folder / "tokenizer.json", model=content["model"] | {"merges": content["model"]["merges"][:20]})
    if case == "bos":
        dress(folder, bos=True, bos_token="<|endoftext|>", add_bos_token=None)
    change(folder / "config.json", **{"model_type": "llama", "torch_dtype": "bfloat16"} | SIZES | CASES[case])
    return folder


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "benchmarks.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sets():
    return {name: multiple_choice.load(name, ITEMS) for name in NAMES}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """{case: (lm, tokenizer)}"""
    return {case: model.load(dressed(tmp_path_factory.mktemp(case), case), "cpu", torch.float32) for case in CASES}


# ---------------------------------------------------------------- as lm-eval does it

@pytest.mark.parametrize("name", NAMES)
def test_every_item_is_asked_as_lm_eval_asks_it(name, golden, sets):
    asked, items = golden["requests"][name], sets[name]
    mine = {i.id: [list(pair) for pair in zip(i.contexts, i.endings)] for i in items}
    if name == "truthfulqa":            # ours: mc1's list first, then what mc2's has more
        assert {i.id: mine[i.id][:i.rivals] for i in items} == asked["mc1"]
        asked, mine = ({i: sorted(pairs) for i, pairs in x.items()} for x in (asked["mc2"], mine))
    assert mine == asked and list(mine) == list(asked)


@pytest.mark.parametrize("case", CASES)
def test_log_likelihoods_and_scores_are_those_of_lm_eval(case, golden, sets, opened):
    """Whatever the tokenizer, a context that five examples do not fit, a sliding window."""
    for name in NAMES:
        items, told = sets[name], golden["cases"][case][name]
        scores, cut = multiple_choice.loglikelihoods(*opened[case], items)
        expected = [told["loglikelihoods"][i.id] for i in items]
        if name == "truthfulqa":        # in mc2's order
            asked = golden["requests"][name]["mc2"]
            expected = [[values[asked[i.id].index([c, e])] for c, e in zip(i.contexts, i.endings)]
                        for i, values in zip(items, expected)]
        assert [x for row in scores for x in row] == pytest.approx([x for row in expected for x in row], abs=1e-4)
        assert [i.id for i, was in zip(items, cut) if was] == told["cut"]

        result = multiple_choice.result(name, items, scores)
        assert {result["metric"]: result["accuracy"]} | result["also"] == pytest.approx(told["scores"], abs=1e-6)
        assert multiple_choice.result(name, items, expected)["picks"] == result["picks"]
        for metric, values in told["items"].items():
            right = result["right"]
            if metric != "mc2":
                picks = multiple_choice.picks(items, scores, metric)
                right = [pick == item.answer for pick, item in zip(picks, items)]
            assert list(right) == pytest.approx(values, abs=1e-5), (name, metric)


def test_the_golden_items_hold_what_is_difficult(golden, sets, opened):
    cut = {name: len(golden["cases"]["short"][name]["cut"]) for name in NAMES}
    assert cut["mmlu"] == len(sets["mmlu"])
    assert 0 < cut["mmlu-0shot"] < len(sets["mmlu"])
    assert cut["truthfulqa"]
    assert not cut["winogrande"]
    assert golden["cases"]["bos"] != golden["cases"]["plain"] != golden["cases"]["window"]
    assert any(context != context.rstrip() for i in sets["hellaswag"] + sets["winogrande"] for context in i.contexts)
    # an ending that begins with a space
    assert any(e.startswith("  ") for i in sets["hellaswag"] for e in i.endings)
    letters = multiple_choice.splits(opened["bytes"][1], sets["mmlu"])
    assert all(len(ending) == 2 for _, ending in letters)                                       # " A" in two tokens
    assert {len(e) for _, e in multiple_choice.splits(opened["plain"][1], sets["mmlu"])} == {1, 2}
    bos = multiple_choice.splits(opened["bos"][1], sets["mmlu"])
    assert all(context[0] == 0 and 0 not in context[1:] + ending for context, ending in bos)


def test_white_space_at_a_contexts_end_belongs_to_the_ending(opened):
    tokenizer = opened["plain"][1]
    [one] = multiple_choice.splits(tokenizer, [Item("a", ("He said  ",), (" so",), 0)])
    [other] = multiple_choice.splits(tokenizer, [Item("a", ("He said",), ("   so",), 0)])
    assert one == other == (tokenizer.encode("He said"), tokenizer.encode("He said   so")[len(one[0]):])


def test_an_ending_that_melts_into_its_context_keeps_a_token(opened):
    """Context "st" + ending "amps" may be fewer tokens than "st" has; lm-eval stops there."""
    tokenizer = opened["plain"][1]
    for context, ending in (("He has ten st", "amps"), ("The answ", "er"), ("a", "\u0301")):
        for prompt, rest in multiple_choice.splits(tokenizer, [Item("a", (context,), (ending,), 0)]):
            assert prompt + rest == tokenizer.encode(context + ending) and rest


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("lm_eval_*.json")), ids=lambda path: path.stem)
def test_what_is_kept_of_public_data_are_ids_and_numbers(path):
    """Written by check_benchmarks.py, which also holds a model and the files against it (--against)."""
    kept = json.loads(path.read_text())
    assert set(kept["benchmarks"]) == set(NAMES) and kept["lm_eval"] == "0.4.13"
    for name, rows in kept["benchmarks"].items():
        assert all(re.fullmatch(r"[a-z_]+-\d+", i) for i in rows["ids"])
        assert len(rows["ids"]) == len(rows["loglikelihoods"])
        assert all(isinstance(x, float) and x < 0 for row in rows["loglikelihoods"] for x in row)
        for metric, values in rows["items"].items():
            assert sum(values) / len(values) == pytest.approx(rows["scores"][metric], abs=1e-6)
            assert len(values) == len(rows["ids"])


# ---------------------------------------------------------------- scores

def test_scores_do_not_depend_on_what_else_is_scored(sets, opened, monkeypatch):
    lm, tokenizer = opened["plain"]
    items = [i for name in NAMES for i in sets[name]]
    together = dict(zip([(i.id, i.contexts) for i in items], multiple_choice.loglikelihoods(lm, tokenizer, items)[0]))

    def check(some):
        for item, scores in zip(some, multiple_choice.loglikelihoods(lm, tokenizer, some)[0]):
            assert scores == pytest.approx(together[item.id, item.contexts], abs=2e-5)
    for item in items[::3]:
        check([item])
    shuffled = random.Random(0).sample(items, len(items))
    check(shuffled)
    settings = [("TOKENS_AT_ONCE", 300), ("TOKENS_AT_ONCE", 20), ("CACHE_BYTES", 2**16), ("SHARE", 1), ("SHARE", 10**6)]
    for name, value in settings:
        with monkeypatch.context() as patch:
            patch.setattr(prefixes if name == "SHARE" else model, name, value)
            check(shuffled[:20])


def test_equal_options_score_alike_and_the_first_is_taken(opened):
    items = [Item("a", ("Who won?",) * 4, (" Anna", " Tom", " Anna", " Tom"), 2),
             Item("b", ("He won", "He won"), (" it.", " it."), 1)]
    scores, _ = multiple_choice.loglikelihoods(*opened["plain"], items)
    assert scores[0][:2] == scores[0][2:] and scores[1][0] == scores[1][1]
    assert multiple_choice.picks(items, scores)[0] in (0, 1) and multiple_choice.picks(items, scores)[1] == 0
    assert multiple_choice.notes("x", items) == ["x: items with equal options, scored as they stand: 2"]
    assert multiple_choice.notes("x", items[:0]) == []


def test_equal_options_of_mmlu_are_seen_behind_the_letters(sets):
    assert [i.id for i in sets["mmlu"] if multiple_choice.notes("mmlu", [i])] == ["astronomy-3"]
    assert multiple_choice.notes("mmlu", sets["mmlu"]) == ["mmlu: items with equal options, scored as they stand: 1"]


def test_each_metric_takes_the_option_it_should():
    item = Item("a", ("c",) * 3, (" four", " elevenlonger", " x"), 1, rivals=2, true=(1, 2))
    scores = [[-8.0, -10.0, -1.0]]
    assert multiple_choice.picks([item], scores, "mc1") == [0]               # x is no rival
    whole = Item("a", item.contexts, item.endings, 1)
    assert multiple_choice.picks([whole], scores) == [2]
    # -10 / 12 characters; the space before does not count
    assert multiple_choice.picks([whole], scores, "acc_norm") == [1]
    # far below what exp() can hold
    row = multiple_choice.result("truthfulqa", [item], [[-1000.0, -1000.0, -1001.0]])
    share = (1 + 2.718281828 ** -1) / (2 + 2.718281828 ** -1)
    assert row["right"] == [pytest.approx(share, abs=1e-6)] and row["accuracy"] == pytest.approx(share, abs=1e-6)
    assert row["chance"] == pytest.approx(2 / 3) and row["metric"] == "mc2" and row["also"] == {"mc1": 0.0}
    row = multiple_choice.result("hellaswag", [whole, whole], scores + [[-1.0, -90.0, -90.0]])
    assert (row["right"], row["accuracy"], row["also"], row["picks"]) == ("10", 0.5, {"acc": 0.0}, [1, 0])


# ---------------------------------------------------------------- a limit

def test_draw_is_fixed_in_order_and_nothing_is_lost():
    items = [Item(f"x-{n}", (), (), 0) for n in range(20)]
    sample = multiple_choice.sample_by_subject
    five = sample(items, 5, "hellaswag")
    assert [i.id for i in five] == ["x-1", "x-9", "x-14", "x-15", "x-19"]
    assert sample(items, 5, "winogrande") != five
    assert sample(items, 20, "x") == sample(items, 99, "x") == items
    few, more = ({i.id for i in multiple_choice.sample_by_subject(items, n, "x")} for n in (6, 11))
    assert few < more


@pytest.mark.parametrize("n", [1, 7, 59, 60, 61, 150])
def test_draw_takes_from_each_subject_its_share(n):
    sizes = {"a": 50, "b": 30, "c": 71, "d": 3, "e": 1, "f": 45}
    items = [Item(f"{s}-{k}", (), (), 0, s) for s, size in sizes.items() for k in range(size)]
    drawn = multiple_choice.sample_by_subject(items, n, "mmlu")
    assert len(drawn) == n == len({i.id for i in drawn})
    assert drawn == [i for i in items if i in drawn]                    # in the files' order
    for s, size in sizes.items():
        assert abs(sum(i.subject == s for i in drawn) - n * size / 200) < 1
    missing = n - sum(n * size // 200 for size in sizes.values())
    rest = sorted(sizes, key=lambda s: int(n * sizes[s] / 200) - n * sizes[s] / 200)[:missing]
    # the largest remainders
    assert {s for s in sizes if sum(i.subject == s for i in drawn) > n * sizes[s] // 200} == set(rest)


# ---------------------------------------------------------------- bad files

def with_csv(*row):
    return ",".join(row) + "\n"


def with_json(base, **changes):
    """A line of JSON with these fields changed; None removes one."""
    return json.dumps({k: v for k, v in (base | changes).items() if v is not None}) + "\n"


def with_task(**changes):
    return json.dumps([json.loads(with_json(QUESTION, **changes))])


GOOD = with_csv("Which?", "1", "2", "3", "4", "A")
QUESTION = {"question": "Is it?", "mc1_targets": {"Yes": 1, "No": 0}, "mc2_targets": {"Yes": 1, "No": 0, "So": 1}}
VIDEO = {"activity_label": "Tea", "ctx_a": "He boils water.", "ctx_b": "he",
         "endings": ["drinks.", "runs.", "sings.", "is."], "label": 0}
BLANK = {"sentence": "The cup broke because _ was thin.", "option1": "the cup", "option2": "the mug", "answer": "1"}
CHOICE = {"id": "facts-0", "context": "Snow is", "endings": [" white", " red"], "answer": 0}
TEST, DEV = "mmlu/test/astronomy_test.csv", "mmlu/dev/astronomy_dev.csv"
TASK, VIDEOS, BLANKS = "truthfulqa/mc_task.json", "hellaswag/hellaswag_val.jsonl", "winogrande/dev.jsonl"
GONE, LATIN = object(), "Möbius".encode("latin-1")
BAD = {
    "mmlu-few-fields": (TEST, GOOD + with_csv("Which?", "1", "2", "3", "A"), "line 2: needs six fields"),
    "mmlu-many-fields": (TEST, with_csv("Which?", "1", "2", "3", "4", "5", "A"), "line 1: needs six fields"),
    "mmlu-header": (TEST, with_csv("question", "A", "B", "C", "D", "answer") + GOOD, "line 1: needs six fields"),
    "mmlu-letter": (TEST, with_csv("Which?", "1", "2", "3", "4", "E"), "the letter A to D"),
    "mmlu-index": (TEST, with_csv("Which?", "1", "2", "3", "4", "0"), "the letter A to D"),
    "mmlu-no-question": (TEST, with_csv(" ", "1", "2", "3", "4", "A"), "needs six fields"),
    "mmlu-open-quote": (TEST, '"Which?,1,2,3,4,A\n', "needs six fields"),
    "mmlu-latin-1": (TEST, LATIN, "is no UTF-8"),
    "mmlu-no-dev": (DEV, GONE, "cannot be read"),
    "mmlu-few-dev": (DEV, GOOD * 4, "has 4 questions, 5 are shown"),
    "mmlu-dev-letter": (DEV, GOOD * 4 + with_csv("Which?", "1", "2", "3", "4", "a"), "line 5"),
    "truthfulqa-none": (TASK, GONE, "cannot be read"),
    "truthfulqa-no-json": (TASK, '[{"question": ', "is no JSON"),
    "truthfulqa-latin-1": (TASK, LATIN, "is no UTF-8"),
    "truthfulqa-no-list": (TASK, json.dumps({"a": 1}), "item 1: needs question"),
    "truthfulqa-nothing": (TASK, "[]", "item 1: needs question"),
    "truthfulqa-no-items": (TASK, "[1]", "item 1: needs question"),
    "truthfulqa-no-question": (TASK, with_task(question=None), "item 1: needs question"),
    "truthfulqa-no-targets": (TASK, with_task(mc2_targets=None), "each {answer: 0 or 1}"),
    "truthfulqa-two-right": (TASK, with_task(mc1_targets={"Yes": 1, "No": 1}), "one true answer"),
    "truthfulqa-none-right": (TASK, with_task(mc1_targets={"Yes": 0, "No": 0}), "one true answer"),
    "truthfulqa-none-true": (TASK, with_task(mc2_targets={"Yes": 0, "No": 0}), "needs question"),
    "truthfulqa-not-in-mc2": (TASK, with_task(mc2_targets={"Yes": 1, "So": 0}), "with these and more"),
    "truthfulqa-label": (TASK, with_task(mc2_targets={"Yes": 1, "No": 2}), "0 or 1"),
    "truthfulqa-empty": (TASK, with_task(mc2_targets={"Yes": 1, "No": 0, " ": 0}), "none empty"),
    "hellaswag-none": (VIDEOS, GONE, "cannot be read"),
    "hellaswag-nothing": (VIDEOS, "\n", "is empty"),
    "hellaswag-no-json": (VIDEOS, with_json(VIDEO) + "{", "line 2: is no JSON"),
    "hellaswag-latin-1": (VIDEOS, LATIN, "is no UTF-8"),
    "hellaswag-no-context": (VIDEOS, with_json(VIDEO, ctx_a=None), "item 1: needs activity_label, ctx_a"),
    "hellaswag-no-ctx-b": (VIDEOS, with_json(VIDEO, ctx_b=None), "needs activity_label, ctx_a, ctx_b"),
    "hellaswag-no-label": (VIDEOS, with_json(VIDEO, label=None), "index of the right one as label"),
    "hellaswag-label-4": (VIDEOS, with_json(VIDEO) + with_json(VIDEO, label=4), "item 2: needs"),
    "hellaswag-label-x": (VIDEOS, with_json(VIDEO, label="x"), "index of the right one"),
    "hellaswag-label-negative": (VIDEOS, with_json(VIDEO, label=-1), "index of the right one"),
    "hellaswag-no-endings": (VIDEOS, with_json(VIDEO, endings=None), "endings"),
    "hellaswag-empty": (VIDEOS, with_json(VIDEO, endings=["a", "b", " ", "c"]), "none empty"),
    "hellaswag-only-marks": (VIDEOS, with_json(VIDEO, endings=["a", "b", "[step]", "c"]), "none empty"),
    "hellaswag-number": (VIDEOS, with_json(VIDEO, endings=["a", "b", 3, "c"]), "none empty"),
    "hellaswag-text": (VIDEOS, with_json(VIDEO, endings="abcd"), "endings"),
    "hellaswag-context": (VIDEOS, with_json(VIDEO, ctx_a=5), "activity_label, ctx_a"),
    "facts-text": ("facts", with_json(CHOICE, endings="ab", context="Snow is"), "needs id, context, endings"),
    "winogrande-none": (BLANKS, GONE, "cannot be read"),
    "winogrande-latin-1": (BLANKS, LATIN, "is no UTF-8"),
    "winogrande-no-blank": (BLANKS, with_json(BLANK, sentence="The cup broke."), "a blank _ and words after it"),
    "winogrande-nothing-after": (BLANKS, with_json(BLANK, sentence="It broke: _ "), "a blank _ and words after it"),
    "winogrande-no-option": (BLANKS, with_json(BLANK, option2=None), "option1, option2"),
    "winogrande-answer-3": (BLANKS, with_json(BLANK, answer="3"), "1 or 2 as answer"),
    # the official test split
    "winogrande-no-answer": (BLANKS, with_json(BLANK) + with_json(BLANK, answer=""), "item 2"),
    "facts-latin-1": ("facts", LATIN, "is no UTF-8"),
    "facts-no-id": ("facts", with_json(CHOICE, id=None), "item 1: needs id, context"),
    "facts-no-context": ("facts", with_json(CHOICE, context=None), "needs id, context, endings"),
    "facts-contexts": ("facts", with_json(CHOICE, context=["Snow is"]), "needs id, context, endings"),
    "facts-empty": ("facts", with_json(CHOICE, endings=[" white", " "]), "none empty"),
    "facts-answer-2": ("facts", with_json(CHOICE, answer=2), "index of the right one"),
    "facts-answer-text": ("facts", with_json(CHOICE, answer="0"), "index of the right one"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named_in_one_line(what, tmp_path):
    file, content, says = BAD[what]
    name = what.split("-")[0]
    folder = shutil.copytree(ITEMS, tmp_path / "data")
    path = folder / file
    if content is GONE:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        multiple_choice.bundled(path) if name == "facts" else multiple_choice.load(name, folder)
    text = str(error.value)
    assert text.startswith(str(path)) and says in text and "\n" not in text, text


def test_mmlu_without_its_test_files_says_what_to_give(tmp_path):
    (tmp_path / "mmlu").mkdir()
    with pytest.raises(UserError, match="has no test/SUBJECT_test.csv; give the folder"):
        multiple_choice.load("mmlu", tmp_path)


def test_mmlu_without_examples_needs_no_dev_files(tmp_path, sets):
    shutil.copytree(ITEMS / "mmlu" / "test", tmp_path / "mmlu" / "test")
    assert multiple_choice.load("mmlu-0shot", tmp_path) == sets["mmlu-0shot"]


def test_best_answer_need_not_stand_first(tmp_path):
    (tmp_path / "truthfulqa").mkdir()
    (tmp_path / TASK).write_text(with_task(mc1_targets={"No": 0, "Yes": 1}))
    (item,) = multiple_choice.load("truthfulqa", tmp_path)
    assert (item.endings, item.answer, item.rivals, item.true) == ((" No", " Yes", " So"), 1, 2, (1, 2))
    assert item.chance == pytest.approx(2 / 3)


def test_bundled_sets_are_read_and_scored(opened):
    sets = {name: multiple_choice.load(name) for name in multiple_choice.BUNDLED}
    for name, items in sets.items():
        scores, cut = multiple_choice.loglikelihoods(*opened["plain"], items[:4])
        row = multiple_choice.result(name, items[:4], scores)
        assert row["metric"] == "acc" and len(row["right"]) == 4 and not any(cut)
        assert all(len(i.contexts) == len(i.endings) for i in items)
    assert len(set(sets["referents"][0].contexts)) == 2 and len(set(sets["facts"][0].contexts)) == 1


# ---------------------------------------------------------------- how little is read

def reading(lm, monkeypatch):
    """The shapes that lm.hidden is given from now on, without what padding adds to be of few widths."""
    monkeypatch.setattr(prefixes, "WIDTHS", 1)
    shapes, hidden = [], lm.hidden
    monkeypatch.setattr(lm, "hidden", lambda ids, *rest: shapes.append(tuple(ids.shape)) or hidden(ids, *rest))
    return shapes


def reference(lm, prompt, continuation, context=64):
    """The sum from full logits, one row at a time."""
    ids = (prompt + continuation)[-context - 1:]
    with torch.no_grad():
        logprobs = lm(torch.tensor([ids[:-1]])).log_softmax(-1)[0]
    return sum(logprobs[len(ids) - 1 - len(continuation) + k, token].item() for k, token in enumerate(continuation))


def some_ids(n, seed):
    rng = random.Random(seed)
    return [rng.randrange(VOCABULARY) for _ in range(n)]


def test_five_shared_examples_are_read_once_and_letters_cost_nothing(monkeypatch):
    lm, examples = small(max_position_embeddings=400), some_ids(200, 0)
    questions = [examples + some_ids(20, 1 + n) for n in range(10)]
    prompts, letters = [q for q in questions for _ in range(4)], [[5], [6], [7], [8]] * 10
    shapes = reading(lm, monkeypatch)
    scores = model.loglikelihood(lm, prompts, letters)
    # the examples, then ten questions; nothing for forty letters
    assert shapes == [(1, 200), (10, 20)]
    assert scores == pytest.approx([reference(lm, p, c, 400) for p, c in zip(prompts, letters)], abs=1e-9)


def test_answers_of_two_tokens_read_only_the_first_of_them(monkeypatch):
    lm, prompt = small(), some_ids(30, 0)
    shapes = reading(lm, monkeypatch)
    answers = [[9, 1], [9, 2], [9, 3], [4, 5]]
    scores = model.loglikelihood(lm, [prompt] * 4, answers)
    assert shapes == [(1, 30), (2, 1)]
    assert scores == pytest.approx([reference(lm, prompt, c) for c in answers], abs=1e-9)


def test_two_subjects_do_not_share_and_are_read_side_by_side(monkeypatch):
    lm, one, two = small(max_position_embeddings=400), some_ids(100, 1), some_ids(100, 2)
    prompts = [subject + some_ids(20, 3 + n) for n in range(4) for subject in (one, two)]
    shapes = reading(lm, monkeypatch)
    scores = model.loglikelihood(lm, prompts, [[3]] * 8)
    assert shapes == [(2, 100), (8, 20)]
    assert scores == pytest.approx([reference(lm, p, [3], 400) for p in prompts], abs=1e-9)


def test_a_row_may_be_the_beginning_of_another(monkeypatch):
    lm, ids = small(), some_ids(60, 4)
    prompts = [ids[:20], ids[:40], ids[:59], ids[:20], ids[:5]]
    answers = [ids[20:40], ids[40:59], [ids[59]], [7], ids[5:50]]
    monkeypatch.setattr(prefixes, "SHARE", 1)
    shapes = reading(lm, monkeypatch)
    scores = model.loglikelihood(lm, prompts, answers)
    assert sum(b * t for b, t in shapes) == 59                          # no token twice
    assert scores == pytest.approx([reference(lm, p, c) for p, c in zip(prompts, answers)], abs=1e-9)


def test_shared_prompts_cut_on_the_left_are_scored_as_cut():
    """Rows of different lengths lose different tokens, so what they share no longer stands at the same positions."""
    lm, examples = small(), some_ids(70, 0)
    prompts = [examples + some_ids(n, n) for n in (1, 5, 5, 9, 30) for _ in range(2)]
    answers = [[1], [2, 3], [4], [5], [6, 7, 8], [1], [2], [3] * 20, [9], some_ids(64, 9)]
    scores = model.loglikelihood(lm, prompts, answers)
    assert scores == pytest.approx([reference(lm, p, c) for p, c in zip(prompts, answers)], abs=1e-9)


@pytest.mark.parametrize("window", [None, 8])
def test_memory_for_one_row_at_a_time_gives_the_same(window, monkeypatch):
    lm, examples = small(max_position_embeddings=400, windows=(window, window)), some_ids(50, 0)
    prompts = [examples + some_ids(20 + n % 3, n) for n in range(8)] + [some_ids(30, 99)]
    answers = [some_ids(1 + n % 4, n) for n in range(9)]
    expected = [reference(lm, p, c, 400) for p, c in zip(prompts, answers)]
    assert model.loglikelihood(lm, prompts, answers) == pytest.approx(expected, abs=1e-9)
    monkeypatch.setattr(model, "CACHE_BYTES", 1)
    shapes = reading(lm, monkeypatch)
    assert model.loglikelihood(lm, prompts, answers) == pytest.approx(expected, abs=1e-9)
    assert len(shapes) > 8 and all(rows == 1 for rows, _ in shapes[1:])     # the beginnings take no memory of others


def test_progress_counts_every_option_once():
    lm, seen = small(), []
    prompts = [some_ids(20, 0) + [n] for n in range(5) for _ in range(3)]
    model.loglikelihood(lm, prompts, [[1], [2, 3], []] * 5, progress=seen.append)
    assert sum(seen) == 15


def test_the_progress_of_a_benchmark_counts_items_though_options_are_read(opened):
    """A set of four options a question once seemed done when a quarter of it was."""
    items = multiple_choice.load("facts")[:40]
    seen = []
    multiple_choice.loglikelihoods(*opened["plain"], items, seen.append)
    assert sum(seen) == len(items)
