"""Reading comprehension: both official layouts, what is held back, prompts, SQuAD's scores, first-use checksums.

No network, no model.
"""
import dataclasses
import gzip
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import check_squad_scores
import judge
import s3ft
from data import TINY, Example, UserError
from data.run import rejudge
from data.tasks import downloads, reading
from data.judging import spans
from data.tasks.reading import Reading

HERON = "The grey heron nests in tall trees. It eats fish, frogs and, now and then, a vole."


def passage(n, questions=2):
    """MRQA's line number n: one passage, with an unanswerable question last."""
    qas = [{"qid": f"q{n}-{i}", "question": f"What is {i} in {n}?", "answers": [f"word{i}"], "detected_answers": []}
           for i in range(questions - 1)]
    return {"context": f"Passage {n}: " + " ".join(f"word{i}" for i in range(30)), "qas": qas + [
        {"qid": f"q{n}-no", "question": "Who wrote it?", "answers": [], "kind": "who"}]}


def mrqa(*passages, header=True):
    first = [{"header": {"dataset": "self-written"}}] if header else []
    return "".join(json.dumps(row) + "\n" for row in [*first, *passages])


def squad_json(*questions, context=HERON, indent=None):
    article = {"title": "Heron", "paragraphs": [{"context": context, "qas": list(questions)}]}
    return json.dumps({"version": "v2.0", "data": [article]}, indent=indent)


FISH = {"id": "a1", "question": "What does it eat?", "is_impossible": False,
        "answers": [{"text": text, "answer_start": HERON.index(text)}
                    for text in ("fish", "fish, frogs", "fish, frogs")]}
WHO = {"id": "a2", "question": "Who feeds it?", "is_impossible": True, "answers": [],
       "plausible_answers": [{"text": "fish", "answer_start": 44}]}


def task(folder, name="nq", **files):
    """A task on files written into FOLDER/name: train="..." becomes train.jsonl for nq, train-v2.0.json for squad."""
    (folder / name).mkdir(exist_ok=True)
    for part, text in files.items():
        (folder / name / (f"{part}.jsonl" if name == "nq" else f"{part}-v2.0.json")).write_text(text, encoding="utf-8")
    return Reading(name, folder)


def refusal(call, *arguments):
    """The message with which the call is refused: one line."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


# ---------------------------------------------------------------- the files

def test_squads_own_layout(tmp_path):
    t = task(tmp_path, "squad", train=squad_json(FISH, WHO), dev=squad_json(FISH, WHO, indent=2))
    assert (t.name, t.title, t.fields, t.notes) == ("squad", "squad", None, [])
    assert [f.name for f in t.files] == ["dev-v2.0.json", "train-v2.0.json"]
    for split in ("train", "test"):                                    # on one line, as the official file, and on many
        fish, who = sorted(t.load(split), key=lambda e: e.id)
        golds = ["fish", "fish, frogs", "fish, frogs"]
        assert fish == Example("a1", "What does it eat?", "fish, frogs", {"passage": HERON, "golds": golds})
        assert who == Example("a2", "Who feeds it?", "The passage does not say.", {"passage": HERON, "golds": []})


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_mrqas_layout(tmp_path, header, packed):
    text = mrqa(passage(1), passage(2), header=header).encode()
    # the content decides
    (tmp_path / "NaturalQuestionsShort-train.jsonl.gz").write_bytes(gzip.compress(text) if packed else text)
    (tmp_path / "NaturalQuestionsShort-dev.jsonl.gz").write_bytes(gzip.compress(text))
    t = Reading("nq", tmp_path)                                        # the folder itself, without nq/
    examples = {e.id: e for e in t.load("test")}
    assert set(examples) == {"q1-0", "q1-no", "q2-0", "q2-no"} and examples == {e.id: e for e in t.read("train")}
    assert examples["q1-0"].answer == "word0"
    assert examples["q1-0"].extra == {"passage": passage(1)["context"], "golds": ["word0"]}
    assert examples["q1-no"].answer == spans.DOES_NOT_SAY
    assert examples["q1-no"].extra["golds"] == []
    assert examples["q1-no"].extra["kind"] == "who"


def test_either_task_reads_either_layout(tmp_path):
    assert len(task(tmp_path, "nq", test=squad_json(FISH, WHO)).load("test")) == 2
    assert len(task(tmp_path, "squad", test=mrqa(passage(1))).load("test")) == 2


def test_which_file_is_which_part(tmp_path):
    names = lambda: {part: path.name for part, path in reading.find_parts(tmp_path).items()}
    for name in ("dev-v2.0.rebuilt.json", "scored_predictions.jsonl", "checksums.json", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert names() == {"test": "dev-v2.0.rebuilt.json"}
    for name in ("train.jsonl", "test.jsonl"):
        (tmp_path / name).write_text("")
    assert names() == {"train": "train.jsonl", "test": "test.jsonl", "validation": "dev-v2.0.rebuilt.json"}
    (tmp_path / "validation.jsonl").write_text("")
    assert names()["validation"] == "validation.jsonl"
    (tmp_path / "train-v1.1.json").write_text("")
    assert "several train files, train-v1.1.json, train.jsonl" in refusal(reading.find_parts, tmp_path)


def test_a_missing_train_file_is_one_line_and_the_test_file_loads(tmp_path):
    t = task(tmp_path, "squad", dev=squad_json(FISH, WHO))
    assert len(t.load("test")) == 2
    for split in ("train", "validation"):
        assert "lacks the train file of squad; put train-v2.0.json and dev-v2.0.json there" in refusal(t.load, split)
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty"):
        message = refusal(Reading, "nq", tmp_path / name)
        assert "lacks the test file of nq; put NaturalQuestionsShort-train.jsonl.gz" in message


def test_trained_on_one_and_measured_on_the_other(tmp_path):
    task(tmp_path, "nq", train=mrqa(passage(1)), dev=mrqa(passage(2)))
    assert "has no folder squad" in refusal(Reading, "nq", tmp_path, "squad")
    (tmp_path / "squad").mkdir()
    (tmp_path / "squad" / "train-v2.0.json").write_text(squad_json(FISH))
    assert "lacks the test file of squad" in refusal(Reading, "nq", tmp_path, "squad")
    task(tmp_path, "squad", dev=squad_json(WHO))
    t = Reading("nq", tmp_path, "squad")
    assert [{e.id for e in t.load(split)} for split in ("train", "test")] == [{"q1-0", "q1-no"}, {"a2"}]
    assert t.title == "nq-tested-on-squad" and [f.name for f in t.files] == ["train.jsonl", "dev-v2.0.json"]
    assert Reading("nq", tmp_path, "nq").title == "nq"


def test_order_is_shuffled_and_always_the_same(tmp_path):
    t = task(tmp_path, train=mrqa(*map(passage, range(100))), validation=mrqa(passage(200)),
             test=mrqa(*map(passage, range(100, 140))))
    ids = [e.id for e in t.load("train")]
    assert ids == [e.id for e in Reading("nq", tmp_path).load("train")] and len(set(ids)) == 200
    passages = {e.extra["passage"] for e in t.load("train")[:50]}
    assert len(passages) > 35, "the first examples should come from many passages"
    t.load("train").clear()
    assert len(t.load("train")) == 200, "a caller's changes to its list are its own"


@pytest.mark.parametrize("passages, questions, held", [(100, 4, 80), (700, 4, 500), (3, 2, 0), (40, 3, 24)])
def test_validation_is_held_back_by_passage(tmp_path, passages, questions, held):
    t = task(tmp_path, train=mrqa(*(passage(n, questions) for n in range(passages))), test=mrqa(passage(0)))
    parts = {split: t.load(split) for split in ("train", "validation")}
    assert (len(parts["train"]), len(parts["validation"])) == (passages * questions - held, held)
    assert not {e.extra["passage"] for e in parts["train"]} & {e.extra["passage"] for e in parts["validation"]}
    assert {e.id for e in parts["validation"]} == {e.id for e in Reading("nq", tmp_path).load("validation")}


def test_an_own_validation_file_leaves_train_whole(tmp_path):
    t = task(tmp_path, train=mrqa(*map(passage, range(50))), validation=mrqa(passage(90)), test=mrqa(passage(91)))
    assert [len(t.load(split)) for split in ("train", "validation", "test")] == [100, 2, 2]


def line(**changes):
    return {"qid": "x", "question": "q?", "answers": ["a"]} | changes


@pytest.mark.parametrize("text, says", [
    ("", "line 1: is no JSON"),
    ("{", "line 1: is no JSON"),
    ("[" * 100_000, "line 1: is no JSON"),
    ("[1]", "neither SQuAD's layout"),
    ('{"question": "2 + 2?", "answer": "#### 4"}\n', "neither SQuAD's layout"), (mrqa() + "\n", "holds no questions"),
    (mrqa(passage(1)) + "{\n", "line 3: is no JSON"), (mrqa(passage(1), 7), "line 3: is no JSON object with 'context'"),
    (mrqa({"qas": [line()]}), "line 2, question 'x': the field 'context' is no text"),
    (mrqa({"context": " ", "qas": [line()]}), "'context' is empty"),
    (mrqa({"context": "c", "qas": {}}), "line 2: is no JSON object with 'context' and the list 'qas'"),
    (mrqa({"context": "c", "qas": [1]}), "a question's id is no text"),
    (mrqa({"context": "c", "qas": [line(qid=5)]}), "a question's id is no text but 5"),
    (mrqa({"context": "c", "qas": [line(question=None)]}), "line 2, question 'x': the field 'question' is no text"),
    (mrqa({"context": "c", "qas": [line(answers="a")]}),
     "line 2, question 'x': the field 'answers' is missing or no list"),
    (mrqa({"context": "c", "qas": [line(answers=[""])]}), "an answer is empty"),
    (mrqa({"context": "c", "qas": [line(answers=[None])]}), "an answer is no text"),
    (mrqa(passage(1), passage(1)), "line 3, question 'q1-0': id 'q1-0' stands in line 2, question 'q1-0' too"),
    (mrqa({"context": "c\ud800", "qas": [line()]}), "half a character"),
    (mrqa({"context": "c", "qas": [line(answers=["\udfff"])]}), "half a character"),
    (mrqa({"context": "c", "qas": [line(qid="\ud800")]}), "half a character"),
    (mrqa({"context": "c", "qas": [line(question="\ud800")]}), "half a character"),
    (squad_json(FISH | {"answers": []}), "paragraph 1, question 'a1': needs either answers or"),
    (squad_json(FISH | {"is_impossible": True}), "needs either answers or"),
    (squad_json(FISH | {"is_impossible": "no"}), "needs either answers or"),
    (squad_json(FISH | {"answers": [{}]}), "an answer is no text"),
    (squad_json(FISH, FISH), "question 'a1': id 'a1' stands in paragraph 1, question 'a1' too"),
    ('{"data": [{}]}', "lacks the list 'paragraphs'"),
    ('{"data": 5}', "lacks the list 'paragraphs'"),
    ('{"data": [{"paragraphs": [5]}]}', "paragraph 1: is no JSON object"),
    ('{\n"data": [\n}', "line 3: is no JSON"), ("\0\0", "line 1: is no JSON")])
def test_bad_files_get_one_line(tmp_path, text, says):
    t = task(tmp_path, test=text)
    message = refusal(t.load, "test")
    assert says in message and "test.jsonl" in message


def test_bytes_that_are_no_text(tmp_path):
    t = task(tmp_path, test="")
    whole = gzip.compress(mrqa(*map(passage, range(50))).encode())
    middle = len(whole) // 2
    a_wrong_checksum_at_the_end = whole[:-8] + bytes(4) + whole[-4:]
    for content in (b"\xff\xfe{", mrqa(passage(1)).encode() + b"\xff",
                    whole[:-20], whole[:middle], whole[:5], a_wrong_checksum_at_the_end):
        t.files[0].write_bytes(content)
        assert "cannot be read" in refusal(t.load, "test")
    t.files[0].unlink()
    assert "cannot be read" in refusal(t.load, "test")


def test_odd_but_good_texts(tmp_path):
    odd = "Zero \0 and {question} and \u2028 and 😀 and <<1>>"
    text = "\ufeff" + mrqa({"context": odd, "qas": [line(answers=["😀"], question="{gold}\0?"),
                                                    line(qid="y", question=" ")]}).replace("\n", "\r\n")
    e, blank = sorted(task(tmp_path, test=text).load("test"), key=lambda e: e.id)
    assert e.extra["passage"] == odd and e.question == "{gold}\0?" and blank.question == " "
    assert odd in Reading("nq", tmp_path).question(e)


# ---------------------------------------------------------------- prompts, golds, verdicts

def examples(tmp_path):
    t = task(tmp_path, "squad", dev=squad_json(FISH, WHO))
    return (t, *sorted(t.load("test"), key=lambda e: e.id))


def test_prompts(tmp_path):
    t, fish, who = examples(tmp_path)
    [ask], [rewrite], [again] = s3ft.ask(t, fish), s3ft.rewrite(t, fish), s3ft.rewrite(t, who)
    for message in (ask, rewrite):
        assert message["role"] == "user" and HERON in message["content"] and fish.question in message["content"]
    assert spans.DOES_NOT_SAY in ask["content"], "the prompt should say which words abstain"
    assert "Reference answer: fish, frogs\n" in rewrite["content"]
    assert f"Reference answer: {spans.DOES_NOT_SAY}" in again["content"]
    assert len(ask["content"]) - len(HERON) - len(fish.question) < 150, "the bundled model has 1,024 positions"


def test_the_task_interface(tmp_path):
    t, fish, who = examples(tmp_path)
    assert [t.text(fish, source) for source in ("gold", "raw")] == ["fish, frogs"] * 2
    assert t.gold(who) == spans.DOES_NOT_SAY
    assert "bundled data" in refusal(t.text, fish, "voice")
    assert t.score(fish, "It eats fish.").rule == "contained"
    assert t.score(fish, HERON).ok
    assert t.score(fish, HERON * 3).rule == "too long"
    assert t.accept(fish, "It eats fish.", "own").ok and t.accept(who, "The passage doesn't say.", "paraphrase").ok
    assert t.accept(fish, "As the reference says, fish.", "paraphrase").rule == "leak"
    assert t.accept(fish, "anything", "gold").ok
    for e in (fish, who):
        assert t.accept(e, t.gold(e), "own").ok and t.score(e, t.gold(e)).ok


def test_the_target_is_the_wording_most_annotators_chose():
    assert reading.target(["fish", "vole", "vole", " fish"]) == "fish"
    assert reading.target(["fish", "vole", "vole"]) == "vole"
    assert reading.target(["the", "the", "Hague"]) == "Hague"
    assert reading.target(["%"]) == "%"
    assert reading.target([]) == "The passage does not say."


def test_summary_counts_both_errors_apart(tmp_path):
    t, fish, who = examples(tmp_path)
    answers = [(fish, "fish"), (fish, "fish and frogs, and voles"), (fish, "The passage does not say."),
               (who, ""), (who, "fish"), (who, "It is not stated in the text.")]
    items, verdicts = [e for e, _ in answers], [t.score(e, text) for e, text in answers]
    assert t.summary(items, verdicts) == {
        "em": 0.5, "f1": pytest.approx((1 + 4 / 7 + 0 + 1 + 0 + 1) / 6), "recall": pytest.approx(4 / 6),
        "unanswerable": 3, "answered_unanswerable": 1, "answerable": 3, "abstained_answerable": 1}
    assert t.summary([], [])["em"] == 0


def test_a_thought_that_does_not_end_scores_nothing_and_the_table_goes_on(tmp_path):
    """It once had no em at all, so a run of a thinking model ended in a KeyError."""
    t, fish, who = examples(tmp_path)
    verdicts = [t.score(fish, "fish"), t.score(fish, "<think>fish"), t.score(who, "<think>who knows")]
    assert [verdict.rule for verdict in verdicts] == ["exact", "unfinished", "unfinished"]
    assert t.summary([fish, fish, who], verdicts)["em"] == pytest.approx(1 / 3)


def test_attempts_can_be_judged_again_by_themselves(tmp_path):
    t, fish, who = examples(tmp_path)
    attempts = [
        (fish, "own", "It eats fish.", "end"),
        (fish, "paraphrase", "My response: fish", "end"),
        (who, "own", "Some fish", "end"),
        (who, "own", "", "end"),
        (who, "paraphrase", spans.DOES_NOT_SAY, "end"),
        (fish, "own", "fish", "length"),
        (fish, "own", "I don't know", "end")]
    rows = []
    for e, source, text, reason in attempts:
        rows.append({"id": e.id, "source": source, "sample": 0, "text": text, "finish_reason": reason, **t.truth(e)})
    path = tmp_path / "attempts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    report = "\n".join(rejudge.judge_file(path))
    assert "own: 1 of 5 accepted" in report and "paraphrase: 1 of 2 accepted" in report
    rules = ("contained", "leak", "answered an unanswerable", "empty", "abstained", "unfinished",
             "abstained though answerable")
    for rule in rules:
        assert re.search(rf"(accepted|refused) +{rule} +1 ", report), rule
    for golds in ("fish", [1], None):
        path.write_text(json.dumps(rows[0] | {"golds": golds}))
        with pytest.raises(ValueError, match="attempts.jsonl, line 1: the field 'golds'"):
            rejudge.judge_file(path)


def test_target_span():
    for source in ("own", "paraphrase", "own_number", "paraphrase_number"):
        assert judge.target_span("in the reference room", ["reference room"], source).ok
        leaking = "by the given answer it was the harbour"
        assert judge.target_span(leaking, ["harbour"], source).ok == (source != "paraphrase")
        assert not judge.target_span("a vole", ["fish"], source).ok
        assert judge.target_span("", [], source).rule == "empty"
    for source in judge.GOLDS:
        assert judge.target_span("", ["fish"], source).ok
    with pytest.raises(ValueError, match="unknown source 'mine'"):
        judge.target_span("fish", ["fish"], "mine")


# ---------------------------------------------------------------- SQuAD's scores

# (prediction, golds, EM, F1, recall), worked out by hand after the official script
SCORES = [
    ("The  Grey HERON!", ["grey heron"], 1, 1, 1), ("grey heron", ["a grey heron", "heron"], 1, 1, 1),
    ("heron", ["grey heron"], 0, 2 / 3, 1 / 2),
    ("a big grey heron", ["grey heron"], 0, 4 / 5, 1),
    ("heron heron", ["heron"], 0, 2 / 3, 1),
    ("heron heron", ["heron heron grey"], 0, 4 / 5, 2 / 3),
    ("fish", ["frogs"], 0, 0, 0),
    ("fish", ["frogs", "fish and frogs"], 0, 1 / 2, 1 / 3),
    ("", [], 1, 1, 1),
    ("fish", [], 0, 0, 0),
    ("fish", [""], 0, 0, 0),
    ("the", [], 1, 1, 1),
    ("?!", [""], 1, 1, 1),
    ("", ["fish"], 0, 0, 0),
    # empty golds drop out
    ("", ["the"], 1, 1, 1), ("the", ["the"], 1, 1, 1), ("fish", ["%"], 0, 0, 0), ("", ["the", "fish"], 0, 0, 0),
    ("twenty-one", ["twentyone"], 1, 1, 1),
    ("twenty one", ["twenty-one"], 0, 0, 0),
    ("U.S.A.", ["USA"], 1, 1, 1),
    ("1,000", ["1000"], 1, 1, 1),
    ("5–6", ["56"], 0, 0, 0),
    ("theatre", ["atre"], 0, 0, 0),
    ("an-other", ["another"], 1, 1, 1),
    ("the, a", ["an"], 1, 1, 1),
    ("Fish\u00a0frogs", ["fish frogs"], 1, 1, 1),
    ("É", ["é"], 1, 1, 1),
    ("It's a vole", ["its vole"], 1, 1, 1),
    ("“vole”", ["vole"], 0, 0, 0)]


@pytest.mark.parametrize("prediction, golds, em, f1, recall", SCORES)
def test_scores_by_hand(prediction, golds, em, f1, recall):
    scores = {"em": em, "f1": pytest.approx(f1), "recall": pytest.approx(recall)}
    assert spans.squad_scores(prediction, golds) == scores


def test_span_scores_an_abstention_as_the_empty_prediction():
    for text in ("", "The passage does not say.", "I don't know"):
        assert judge.span(text, []).scores == {"em": 1, "f1": 1, "recall": 1}
        assert judge.span(text, ["say"]).scores == {"em": 0, "f1": 0, "recall": 0}
    assert judge.span("does say", ["say"]).scores == {"em": 0, "f1": pytest.approx(2 / 3), "recall": 1}


PHRASES = [spans.DOES_NOT_SAY]
PHRASES += [f"the passage does not {verb}" for verb in "mention state specify provide contain give tell answer".split()]
PHRASES += [f"not {verb} in the passage" for verb in "mentioned stated specified provided given found".split()]
PHRASES += ["not in the passage", "there is no answer", "there is no mention", "there is no information",
            "not enough information", "can not be answered", "can not be determined", "can not answer", "i do not know",
            "is unanswerable", "no answer", "unanswerable", "unknown", "it does not say", "not mentioned", "not stated",
            "not specified", "not given"]


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_abstaining_phrase_is_understood(phrase):
    for text in (phrase, phrase.upper() + "!",
                 phrase.replace("does not", "doesn't"), phrase.replace("does not", "doesn’t"),
                 phrase.replace("can not", "cannot"), phrase.replace("can not", "can’t"),
                 phrase.replace("passage", "text"), phrase.replace("the passage", "this article")):
        assert judge.span(text, []).rule == "abstained", text
        assert judge.span(text, ["heron"]).rule == "abstained though answerable"


def test_a_copy_of_the_passage_is_never_right():
    text = ("The grey heron nests in tall trees near the water and eats fish, frogs and, now and then, a vole, "
            "which it swallows whole with its head first.")
    assert len(text.split()) == 28
    for gold in text.split():
        assert judge.span(text, [gold]).rule == "too long" and judge.span(gold, [gold]).ok


@pytest.mark.parametrize("text", ["a " * 10_000, "can't " * 4000, "the passage does not " * 2000, "." * 20_000,
                                  "\0" * 20_000, "\ud800", "the given " * 4000])
def test_hostile_texts(text):
    assert not judge.span(text, ["heron"]).ok
    assert judge.span("x", [text, "heron"]).rule in ("no gold", "abstained though answerable")


# ---------------------------------------------------------------- the official figures of a file of predictions

@pytest.fixture
def dev(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dev.json").write_text(squad_json(FISH, WHO, FISH | {"id": "a3"}))
    return tmp_path


def test_official_figures_of_a_file(dev, capsys):
    predictions = {"a1": "the fish", "a2": "fish", "a3": "frogs"}
    Path("predictions.json").write_text(json.dumps(predictions))
    lines = [json.dumps({"id": id, "prediction": text}) + "\n" for id, text in predictions.items()]
    Path("predictions.jsonl").write_text("".join(lines))
    for file in ("predictions.json", "predictions.jsonl"):
        assert check_squad_scores.main(["dev.json", file]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert list(figures) == [f"{kind}{name}" for kind in ("", "HasAns_", "NoAns_")
                                 for name in ("exact", "f1", "total")]
        assert figures == pytest.approx({"exact": 100 / 3, "f1": (100 + 200 / 3) / 3, "total": 3,
                                         "HasAns_exact": 50, "HasAns_f1": (100 + 200 / 3) / 2, "HasAns_total": 2,
                                         "NoAns_exact": 0, "NoAns_f1": 0, "NoAns_total": 1})
    Path("dev.json").write_text(squad_json(WHO))
    Path("predictions.json").write_text('{"a2": ""}')
    assert check_squad_scores.main(["dev.json", "predictions.json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"exact": 100, "f1": 100, "total": 1,
                                                   "NoAns_exact": 100, "NoAns_f1": 100, "NoAns_total": 1}


@pytest.mark.parametrize("name, content, says", [
    ("p.json", "{", "p.json, line 1: is no JSON"),
    ("p.json", "[]", "is no JSON object"),
    ("p.json", '{"a1": 5}', "for 'a1' is no text"),
    ("p.json", "\udcff", "UTF-8"),
    ("p.json", '{"a1": "x"}', "no prediction for 2 of the 3 questions; the first is 'a2'"),
    ("p.json", '{"a1": "", "a2": "", "a3": "", "b": ""}', "1 of its ids are not in dev.json; the first is 'b'"),
    ("p.json", None, "cannot be read"),
    ("p.jsonl", None, "cannot be read"),
    ("p.jsonl", '{"id": "a1"}', "for 'a1' is no text"),
    ("p.jsonl", "{", "line 1: is no JSON"), ("p.jsonl", '{"id": 5}', "text field 'id'"),
    ("p.jsonl", '{"id": "a1", "prediction": ""}\n' * 2, "an id stands there twice")])
def test_bad_predictions_get_one_line(dev, capsys, name, content, says):
    if content is not None:
        Path(name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert check_squad_scores.main(["dev.json", name]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and says in err


def test_wrong_arguments_print_the_usage(capsys):
    assert check_squad_scores.main([]) == check_squad_scores.main(["--dev", "x"]) == 2
    assert "python tests/check_squad_scores.py DATA.json PREDICTIONS.json" in capsys.readouterr().err
    assert check_squad_scores.main(["nothing.json", "nothing.json"]) == 2
    assert "nothing.json: cannot be read" in capsys.readouterr().err


# ---------------------------------------------------------------- the official files

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_):
        pass


TRAIN, DEV = squad_json(FISH, FISH | {"id": "a3"}).encode(), squad_json(FISH, WHO).encode()
NQ = {f"/NaturalQuestionsShort-{part}.jsonl.gz": gzip.compress(mrqa(*map(passage, numbers)).encode())
      for part, numbers in (("train", range(40)), ("dev", [50]))}


@pytest.fixture
def server(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests = {"/train-v2.0.json": TRAIN, "/dev-v2.0.json": DEV, "/mbpp.jsonl": b"{}\n", **NQ}, []
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("squad", "nq", "mbpp"):
        official = downloads.DATA_SETS[name]
        urls = {file: f"http://127.0.0.1:{server.server_port}/{file}" for file in official.urls}
        monkeypatch.setitem(downloads.DATA_SETS, name, dataclasses.replace(official, urls=urls))
    monkeypatch.setattr(downloads, "PAUSE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_squad_is_recorded_at_first_use(server, tmp_path, capsys):
    folder = downloads.fetch("squad")
    assert folder == tmp_path / "s3ft" / "squad" and (folder / "dev-v2.0.json").read_bytes() == DEV
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and all("publisher gives no checksum" in text for text in said[1::2])
    records = json.loads((folder / "checksums.json").read_text())
    assert set(records) == {"train-v2.0.json", "dev-v2.0.json"}
    assert records["train-v2.0.json"]["sha256"] == hashlib.sha256(TRAIN).hexdigest()
    assert records["train-v2.0.json"]["recorded"] == "at first use"
    assert records["train-v2.0.json"]["url"].endswith("/train-v2.0.json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", records["train-v2.0.json"]["date"])
    assert downloads.fetch("squad") == folder and len(server.requests) == 2 and capsys.readouterr().err == ""
    t = Reading("squad", folder)
    assert len(t.load("train")) == 2
    assert len(t.notes) == 1
    assert "train-v2.0.json" in t.notes[0]
    assert "first download" in t.notes[0]


def test_what_was_recorded_is_compared(server):
    folder = downloads.fetch("squad")
    (folder / "dev-v2.0.json").write_bytes(DEV[:-5])                   # damaged: fetched again
    assert (downloads.fetch("squad") / "dev-v2.0.json").read_bytes() == DEV
    (folder / "dev-v2.0.json").unlink()
    server.files["/dev-v2.0.json"] = squad_json(FISH).encode()         # another file than at first use
    message = refusal(downloads.fetch, "squad")
    assert "not the official file" in message
    assert "checksums.json" in message
    assert not (folder / "dev-v2.0.json").exists()
    (folder / "checksums.json").unlink()
    assert len(Reading("squad", downloads.fetch("squad")).load("test")) == 1


def test_files_put_there_by_hand_are_recorded_too(server, tmp_path):
    folder = tmp_path / "s3ft" / "squad"
    folder.mkdir(parents=True)
    (folder / "train-v2.0.json").write_bytes(TRAIN)
    downloads.fetch("squad")
    assert server.requests == ["/dev-v2.0.json"] and len(json.loads((folder / "checksums.json").read_text())) == 2
    (folder / "checksums.json").write_text('{"train-v2.0.json": 5, "dev-v2.0.json": {"sha256": 5}}')
    downloads.fetch("squad")
    assert len(server.requests) == 1
    assert json.loads((folder / "checksums.json").read_text())["dev-v2.0.json"]["recorded"] == "at first use"


@pytest.mark.parametrize("content, says", [(b"<html>log in", "a web page came"),
                                           (TRAIN[:-3], "no whole JSON file or archive"),
                                           (None, "HTTP Error 404"),
                                           (b"", "no whole JSON"),
                                           (gzip.compress(TRAIN)[:-9], "no whole JSON file or archive")])
def test_nothing_bad_is_recorded(server, tmp_path, content, says):
    server.files["/train-v2.0.json"] = content
    message = refusal(downloads.fetch, "squad")
    assert says in message and "--data FOLDER" in message and list((tmp_path / "s3ft" / "squad").iterdir()) == []


def test_natural_questions_of_mrqa(server, tmp_path):
    t = Reading("nq", downloads.fetch("nq"))
    assert [len(t.load(split)) for split in ("train", "validation", "test")] == [64, 16, 2]
    assert t.title == "nq"
    assert len(t.notes) == 1
    names = {path.name for path in (tmp_path / "s3ft" / "nq").iterdir()}
    assert names == {"checksums.json", *downloads.DATA_SETS["nq"].urls}


def test_mbpp_has_a_known_checksum(server, monkeypatch):
    assert "not the official file" in refusal(downloads.fetch, "mbpp")
    checksums = {"mbpp.jsonl": hashlib.sha256(b"{}\n").hexdigest()}
    changed = dataclasses.replace(downloads.DATA_SETS["mbpp"], checksums=checksums)
    monkeypatch.setitem(downloads.DATA_SETS, "mbpp", changed)
    assert [path.name for path in downloads.fetch("mbpp").iterdir()] == ["mbpp.jsonl"]


def test_tiny_nq():
    if not (TINY / "nq").is_dir():
        pytest.skip("data/tiny/nq is not made yet")
    t = Reading("nq", TINY)
    parts = {split: t.load(split) for split in ("train", "validation", "test")}
    assert t.title == "tiny-nq" and all(parts.values())
    for examples in parts.values():
        assert all(t.score(e, t.gold(e)).ok for e in examples)
