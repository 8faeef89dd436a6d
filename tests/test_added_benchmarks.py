"""What else a model can do: benchmarks added to a run, taken up after a kill, shared, refused. All of it very small."""
import json
import shutil

import pytest

import s3ft
from data import SKILLS, TINY, benchmarks, cli
from data.benchmarks import multiple_choice
from data.cli.ending import guard
from data.run import plan
from data.run.selection import draw_items
from data.run.store import Store

SMALL = ["--task", "gsm8k", "--limit", "3", "--test-limit", "3", "--epochs", "1", "--batch", "3",       # 1 step
         "--max-new-tokens", "8",
         "--methods", "sft", "--dtype", "float32", "--benchmark-limit", "3"]
SFT = "sft-lr0.0003-e1-s0"


@pytest.fixture(autouse=True, scope="module")
def quick_plan():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3})
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bundled questions, and public benchmarks in their publishers' layouts, made up."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "gsm8k").mkdir()
    for split in ("train", "validation", "test"):
        shutil.copy(TINY / "gsm8k" / f"{split}.jsonl", folder / "gsm8k")
    for part, n in (("test", 4), ("dev", 5)):
        (folder / "mmlu" / part).mkdir(parents=True)
        for subject in ("small_animals", "sums"):
            lines = [f'"What is {i} of {subject}, please?",one,two,two,four,{"ABCD"[i % 4]}\n' for i in range(n)]
            (folder / "mmlu" / part / f"{subject}_{part}.csv").write_text("".join(lines))
    (folder / "winogrande").mkdir()
    (folder / "winogrande" / "dev.jsonl").write_text("".join(json.dumps(
        {"sentence": f"The cup is smaller than the {x} because _ is big.", "option1": "the cup", "option2": f"the {x}",
         "answer": "2"}) + "\n"
        for x in ("pot", "jar")))
    return folder


def run(out, *more, capsys=None):
    """Run the command in this process -> results.json; with capsys (exit code, what it printed or its error)."""
    code = guard(lambda: s3ft.main([*SMALL, "--out", str(out), *map(str, more)]))
    if capsys:
        said = capsys.readouterr()
        return code, said.err.strip() if code else said.out
    assert code == 0
    return json.loads((out / "results.json").read_text())


def benchmarks_of(results, folder=SFT):
    return next(c["benchmarks"] for c in results["cells"] if c["folder"] == folder)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def never(*_, **__):
    raise AssertionError("this should not have been done again")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that measured everything at once."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, run(out, "--benchmarks", "facts,referents,nq")


@pytest.mark.parametrize("more", [[], ["--lora", "4", "--lr", "0.01"]], ids=["all weights", "LoRA"])
def test_benchmarks_added_later_need_no_training_and_give_the_same(more, whole, tmp_path, monkeypatch):
    cell = "sft-lr0.01-lora4-e1-s0" if more else SFT
    at_once = benchmarks_of(run(tmp_path / "a", "--benchmarks", "facts,referents", *more) if more else whole[1], cell)
    at_once = {name: at_once[name] for name in ("facts", "referents")}
    assert benchmarks_of(run(tmp_path / "b", "--benchmarks", "none", *more), cell) == {}
    monkeypatch.setattr(s3ft, "finetune", never)
    assert benchmarks_of(run(tmp_path / "b", "--benchmarks", "facts,referents", *more), cell) == at_once
    monkeypatch.setattr(Store, "append", never)                  # and now everything is there
    run(tmp_path / "b", "--benchmarks", "referents", *more)


def test_a_benchmark_added_where_weights_were_not_kept_trains_again_as_the_plan_says_before(tmp_path, capsys):
    more = ["--benchmark-limit", "2", "--test-limit", "1", "--keep", "none"]
    first = run(tmp_path / "run", *more, "--benchmarks", "none")
    capsys.readouterr()
    code, said = run(tmp_path / "run", *more, "--benchmarks", "facts,referents", "--plan", capsys=capsys)
    assert code == 0 and "1 model to train" in said
    assert "will be trained again, because its weights were not kept" in said
    results = run(tmp_path / "run", *more, "--benchmarks", "facts,referents")
    assert all(benchmarks_of(results).values()) and results["cells"][1]["test"] == first["cells"][1]["test"]
    at_once = run(tmp_path / "at once", *more, "--benchmarks", "facts,referents")
    assert benchmarks_of(results) == benchmarks_of(at_once), "the weights are the same again"


def test_killed_measurement_goes_on_where_it_was(whole, tmp_path, monkeypatch, capsys):
    shutil.copytree(whole[0], tmp_path / "run")
    [path] = (tmp_path / "run" / "models").glob(f"{SFT}-*/rows.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    cut = next(i for i, line in enumerate(lines) if "referents" in line)
    path.write_text("".join(lines[:cut]) + lines[cut][:200])      # a chunk that was cut in its middle, and all after it
    asked, append = [], Store.append
    def noted(self, chunk):
        asked.extend(name for name, *_ in chunk["rows"])
        append(self, chunk)
    monkeypatch.setattr(Store, "append", noted)
    monkeypatch.setattr(s3ft, "finetune", never)
    assert benchmarks_of(run(tmp_path / "run", "--benchmarks", "facts,referents,nq")) == benchmarks_of(whole[1])
    assert sum("referents" in name for name in asked) == 3 and not any("facts" in name for name in asked)
    assert "1 damaged" in capsys.readouterr().out


def test_other_task_is_answered_and_judged(whole):
    out, results = whole
    base, tuned = (benchmarks_of(results, folder)["nq"] for folder in ("base-s0", SFT))
    assert base["kind"] == tuned["kind"] == "task" and base["chance"] == 0
    assert len(base["right"]) == 3 and set(base["right"]) <= set("01")
    answers = [json.loads(line) for line in (out / SFT / "nq.jsonl").read_text().splitlines()]
    assert [a["id"] for a in answers] == results["items"][tuned["ids"]] and all(a["ids"] for a in answers)
    shown = {(i["set"], i["id"]) for i in map(json.loads, (out / "items.jsonl").read_text().splitlines())}
    assert {("nq", a["id"]) for a in answers} <= shown and sum(s == "test" for s, _ in shown) == 3


def test_skills_are_answered_and_judged_for_the_bundled_model_unless_told_otherwise(tmp_path):
    results = run(tmp_path / "run", "--methods", "base", "--benchmark-limit", "2")
    of = benchmarks_of(results, "base-s0")
    assert list(of) == [*multiple_choice.BUNDLED, *SKILLS]
    for name in SKILLS:
        said = [row["text"].split() for row in rows(tmp_path / "run" / "base-s0" / f"{name}.jsonl")]
        gold = [i["answer"].split() for i in rows(tmp_path / "run" / "items.jsonl") if i["set"] == name]
        right = "".join("01"[text == answer] for text, answer in zip(said, gold, strict=True))
        assert of[name]["right"] == right and len(gold) == 2
        assert of[name]["kind"] == "skill"
    whole = benchmarks.load_benchmarks(cli.parse(SMALL, s3ft.METHODS, s3ft.SOURCES))
    assert len(benchmarks.limit_benchmarks(whole, 250, 1, draw_items)["sorting"].items) == 100


def test_public_benchmarks_are_the_same_for_every_seed_and_the_base_model_is_measured_once(data, tmp_path, monkeypatch):
    scored = []
    score = multiple_choice.loglikelihoods
    monkeypatch.setattr(multiple_choice, "loglikelihoods", lambda lm, tokenizer, items, progress:
                        scored.append(len(items)) or score(lm, tokenizer, items, progress))
    results = run(tmp_path / "run", "--data", data, "--benchmarks", "mmlu,mmlu-0shot,winogrande", "--seeds", "2",
                  "--benchmark-limit", "4", "--test-limit", "1")
    assert len({c["benchmarks"]["mmlu"]["ids"] for c in results["cells"]}) == 1
    assert sorted(scored) == sorted([4, 4, 2] * 3)                # the base model once, SFT for each seed
    row = benchmarks_of(results)
    assert {i.partition("-")[0] for i in results["items"][row["mmlu"]["ids"]]} == {"small_animals", "sums"}
    assert row["mmlu"]["chance"] == 0.25 and row["winogrande"]["chance"] == 0.5
    assert row["mmlu-0shot"]["kind"] == "variant"
    notes = " ".join(results["benchmark_notes"])
    assert "mmlu: 4 of 8 items" in notes and "equal options, scored as they stand: 4" in notes
    assert "winogrande" not in notes


@pytest.mark.parametrize("names, says", [
    ("mmul", "did you mean 'mmlu'"), ("facts,gsm8k", "the task itself"), ("squad", "no squad of its own")])
def test_what_cannot_be_measured_is_refused_in_one_line(names, says, tmp_path, capsys):
    code, said = run(tmp_path / "run", "--benchmarks", names, capsys=capsys)
    assert code == 2 and says in said and "\n" not in said and not (tmp_path / "run").exists()


def test_benchmarks_of_the_bundled_world_are_not_for_public_models(tmp_path, capsys):
    code, said = run(tmp_path / "run", "--model", tmp_path, "--benchmarks", "facts", capsys=capsys)
    assert code == 2 and "'facts' is not known" in said


def test_damaged_benchmark_file_stops_before_anything_is_made(data, tmp_path, capsys):
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "mmlu" / "test" / "sums_test.csv"
    path.write_text(path.read_text().replace(",A\n", ",E\n", 1))
    code, said = run(tmp_path / "run", "--data", tmp_path / "data", "--benchmarks", "mmlu", capsys=capsys)
    assert code == 2 and "sums_test.csv, line 1" in said and "\n" not in said and not (tmp_path / "run").exists()


def test_plan_counts_the_benchmarks_that_are_to_be_added(whole, tmp_path, capsys):
    shutil.copytree(whole[0], tmp_path / "run")
    code, said = run(tmp_path / "run", "--benchmarks", "facts,myths,endings", "--plan", capsys=capsys)
    assert code == 0
    for part in ("0 own answers and 0 paraphrases", "0 models to train", "of measuring"):
        assert part in said
