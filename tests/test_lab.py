"""The lab: shipped rows of the base model, the file that a student hands in, and the table of a class."""
import json
import re

import pytest

import s3ft
from data import UserError, cli
from data.files import sealed
from data.cli.ending import guard
from data.report import report
from data.results import cells
from data.run import lab, plan, weights
from data.run.folder import open_task
from data.tasks import gsm8k
from test_report import benchmark, cell

SMALL = ["--lab", "--limit", "4", "--test-limit", "3", "--benchmark-limit", "2", "--epochs", "1", "--keep", "none"]


@pytest.fixture(autouse=True, scope="module")
def quick_plan():
    """The plan's speeds are made up: trying them takes longer than these small runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "try_speed", lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3})
        yield


def asked_of_base(monkeypatch):
    """A list that grows when the base model is asked anything."""
    asked = []
    real = weights.Models.of

    def of(models, its_weights):
        if its_weights.label == "base":
            asked.append(its_weights)
        return real(models, its_weights)
    monkeypatch.setattr(weights.Models, "of", of)
    return asked


def planned(capsys, *more, out="nothing"):
    """What --plan prints."""
    assert guard(lambda: s3ft.main([*SMALL, "--plan", "--out", str(out), *more])) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, what it printed) of a run in which nothing is asked of the base model."""
    out = tmp_path_factory.mktemp("lab") / "run"
    with pytest.MonkeyPatch.context() as patch:
        asked = asked_of_base(patch)
        results = s3ft.compare(*ready("--out", str(out), "--methods", "s3ft", "--name", "Zoë_2"))
        assert not asked, "base was asked"
    return out, results


def ready(*more):
    methods = s3ft.with_pages(s3ft.METHODS)
    options = cli.parse([*SMALL, *more], methods, s3ft.SOURCES)
    return options, open_task(options, methods, s3ft.SAMPLED)


# ---------------------------------------------------------------- the preset

@pytest.mark.parametrize("arguments, expected", [
    (["--lab", "--task", "nq"], "leave out --task"),
    (["--lab", "--model", "owner/name"], "--model does not go with --lab"),
    (["--lab", "--data", "folder"], "--data does not go with --lab"),
    (["--lab", "--results", "folder"], "--results does not go with --lab"),
    (["--lab", "--new-items"], "--new-items does not go with --lab"),
    (["--lab", "--paper"], "--paper does not go with --lab"),
    (["--lab", "--report", "folder"], "--report does not go with --lab"),
    (["--name", "ada"], "add --lab"),
    (["--lab", "--name", "ada/../ben"], "no name for a file"),
    (["--lab", "--name", "ada b"], "no name for a file"),
    (["--lab", "--name", ""], "no name for a file"),
    (["--lab", "--name", "a" * 41], "at most 40"),
])
def test_what_does_not_go_with_a_lab_is_one_line(capsys, arguments, expected):
    assert guard(lambda: s3ft.main(arguments)) == 2
    err = capsys.readouterr().err
    assert expected in err and len(err.splitlines()) == 1


def test_given_options_win_and_names_may_be_of_any_script():
    options = cli.parse(["--lab", "--limit", "20", "--name", "हिन्दी-1"])
    assert (options.limit, options.test_limit, options.out) == (20, cli.LAB["test_limit"], "runs/lab")
    assert options.lr == cli.LAB["lr"] and "sorting" not in options.benchmarks
    assert cli.parse(["--lab", "--lr", "0.01", "--out", "here"]).lr == [0.01]
    assert cli.parse(["--task", "gsm8k"]).limit == 600, "without --lab all is as ever"


# ---------------------------------------------------------------- what comes with the project

def test_the_shipped_rows_are_all_that_a_lab_asks_of_the_base_model(tmp_path, monkeypatch):
    """If this fails, a prompt, a size or a bundled file was changed: run data/tiny/lab/ship.py."""
    arguments = ["--lab", "--methods", "sft,ssr,sdft,s3ft,mine,mine_random", "--lr", "1e-3", "2e-3",
                 "--out", str(tmp_path / "run"), "--plan"]
    lacking = []
    monkeypatch.setattr(plan.Plan, "show", lambda self: lacking.extend(self.lacking.values()))
    s3ft.main(arguments)
    assert lacking and not [one for one in lacking if one.label == "base"]


def test_the_table_says_what_came_with_the_project(finished, capsys):
    out, results = finished
    assert "comes with the project (torch" in results["lab"]
    base = results["cells"][0]
    assert base["method"] == "base" and base["times"]["minutes"] == 0
    assert not list((out / "models").glob("base-*/rows.jsonl")), "nothing new was made by base"


@pytest.mark.parametrize("edited", ["model.py", "the machine"])
def test_shipped_rows_are_used_whatever_code_or_machine(tmp_path, monkeypatch, capsys, edited):
    if edited == "model.py":
        monkeypatch.setattr(weights, "model_code", lambda: "another")
    else:
        monkeypatch.setattr("data.run.machine.Machine.versions", lambda self: ["9.9", "cuda"])
    assert "0 own answers and 0 paraphrases" in planned(capsys, out=tmp_path / "run")


@pytest.mark.parametrize("changed, why", [("the prompt", "because the prompts changed"),
                                          ("a setting", "because the settings changed")])
def test_what_is_asked_otherwise_is_asked_anew(tmp_path, monkeypatch, capsys, changed, why):
    more = []
    if changed == "the prompt":                          # in gsm8k.py; `ask` in s3ft.py has the same effect
        monkeypatch.setattr(gsm8k.GSM8K, "instruction", "Say the number only.")
    else:
        more = ["--max-new-tokens", "50"]
    out = planned(capsys, *more, out=tmp_path / "run")
    assert "4 own answers" in out and f"base: own answers: 4 of 4 are made again, {why}" in out


@pytest.mark.parametrize("content", [None, b"", b"no gzip", b"\x1f\x8b\x08\x00cut"])
def test_damaged_shipped_rows_are_told_and_asked_anew(tmp_path, monkeypatch, capsys, content):
    file = tmp_path / "rows.jsonl.gz"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(lab, "ROWS", file)
    out = planned(capsys, out=tmp_path / "run")
    assert f"{file} is damaged or not there" in out and "4 own answers" in out


# ---------------------------------------------------------------- the file to hand in

def test_hand_in_holds_the_cells_of_the_table_and_the_name(finished, capsys):
    out, results = finished
    file = out / "hand-in" / "Zoë_2.jsonl"
    records, damaged = cells.read(file)
    assert [record["cell"] for record in records] == results["cells"] and not damaged
    assert {record["about"]["student"] for record in records} == {"Zoë_2"}
    assert len(file.read_bytes()) < 20_000
    file.write_text("anything")                          # never read as finished work
    s3ft.compare(*ready("--out", str(out), "--methods", "s3ft", "--name", "Zoë_2"))
    assert len(cells.read(file)[0]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == f"hand in: {file}"


# ---------------------------------------------------------------- the table of a class

def write_hand_in(file, student, right, kl=0.1, targets="as given", n=200, base=100):
    """A file with base, and a method for each entry of right: {method: right answers}."""
    lines = []
    for method, its_right in ({"base": base} | right).items():
        row = cell(method, 0, its_right, {"facts": benchmark(70)}, lr=1e-3, n=n, kl=kl)
        own = method not in ("base", "sft", "s3ft")
        about = {"task": "tiny-gsm8k", "task_name": "gsm8k", "model": "bundled", "commit": None, "notes": [],
                 "benchmark_notes": [], "identity": {"task": "t", "model": "m", "data": "d"}, "do_not_fit": 0,
                 "settings": {"limit": 200, "new_items": False}, "student": student,
                 "targets": student if own else targets}
        record = {"format": cells.FORMAT, "name": row["folder"], "about": about, "made": {"torch": "2"}, "cell": row,
                  "key": {"world": "w", "settings": {}, "sources": None if method == "base" else [method]}}
        lines.append(sealed(record))
    file.write_text("".join(lines))


@pytest.fixture
def class_folder(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    write_hand_in(folder / "ada.jsonl", "ada", {"sft": 110, "s3ft": 130, "mine": 170})
    write_hand_in(folder / "ben.jsonl", "ben", {"sft": 110, "s3ft": 130, "mine": 90, "mine_random": 60})
    write_hand_in(folder / "cho.jsonl", "cho", {"sft": 110, "s3ft": 135}, targets="others")
    return folder


def class_report(folder, capsys):
    """-> (the report, the rows of its class table as lists of texts)."""
    report.report([str(folder)])
    said = capsys.readouterr().out
    table = said.partition("### The class")[2].partition("###")[0]
    rows = [[text.strip() for text in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return said, rows[2:]


def test_a_class_is_one_table_sorted_by_the_difference_to_s3ft(class_folder, capsys):
    said, rows = class_report(class_folder, capsys)
    assert [row[:2] for row in rows] == [
        ["ada", "mine"], ["cho", "S3FT"], ["ada, ben", "S3FT"], ["ada, ben, cho", "SFT"], ["ben", "mine"],
        ["ben", "mine_random"]]
    ada, _, s3ft_row, _, ben, _ = rows
    assert ada[2].startswith("85.0 [") and ada[3].startswith("+35.0 [") and ada[4].startswith("+30.0 [")
    assert ada[5].startswith("+20.0 [") and s3ft_row[5] == "-"
    assert ada[6] == "-" and ben[6].startswith("+15.0 ["), "the control of the same student"
    assert "mine (ada)" in said and "mine (ben)" in said and "SFT (" not in said.replace("S3FT (", "")
    assert "that are compared with S3FT: 4." in said and "about 0.2 would look different by chance" in said
    assert "98.75 %" in said and re.search(r"still shown: mine \(ada\), mine \(ben\), mine_random \(ben\)", said)


def test_what_cannot_be_read_in_a_class_is_named_and_the_others_reported(class_folder, capsys):
    (class_folder / "dan.jsonl").write_bytes((class_folder / "ada.jsonl").read_bytes()[:400])
    (class_folder / "notes.txt").write_text("Dear Mr Smith, I could not finish.")
    write_hand_in(class_folder / "ada (1).jsonl", "ada", {"mine": 180})
    write_hand_in(class_folder / "eve.jsonl", "eve", {"sft": 50}, n=100)
    said, rows = class_report(class_folder, capsys)
    assert len(rows) == 6
    for line in ("dan.jsonl is left out: it is no file that --lab --name wrote",
                 "notes.txt is left out: it is no file that --lab --name wrote",
                 "ada (1).jsonl is left out: it is by ada, as ada.jsonl is",
                 "eve.jsonl is left out: it was measured on other items"):
        assert len([one for one in said.splitlines() if one.startswith(f"- {line}")]) == 1, line


def test_some_other_answers_from_the_same_targets_are_counted_not_listed(class_folder, capsys):
    write_hand_in(class_folder / "fay.jsonl", "fay", {"sft": 112, "s3ft": 90})
    said, rows = class_report(class_folder, capsys)
    assert ["4 of 4", "SFT"] in [row[:2] for row in rows]
    assert ["fay", "S3FT"] in [row[:2] for row in rows], "a difference is shown"
    assert "SFT: from the same targets 1 of 4 files have some other answers" in said
    assert "(55.0 to 56.0 % right; ada's stand here)" in said


def test_who_changed_the_judge_is_not_compared(class_folder, capsys):
    write_hand_in(class_folder / "aya.jsonl", "aya", {"s3ft": 180}, base=150)
    said, rows = class_report(class_folder, capsys)
    assert "Not to be compared with the others: aya." in said
    assert ["ada, ben", "S3FT"] in [row[:2] for row in rows], "what most did has no name, though aya comes first"
    assert next(row for row in rows if row[0] == "aya")[3].startswith("+40.0"), "over the base of most"


def test_a_class_of_none_that_can_be_read_is_one_line(class_folder):
    lines = (class_folder / "ada.jsonl").read_text().splitlines(keepends=True)
    for file in class_folder.iterdir():
        file.unlink()
    (class_folder / "ada.jsonl").write_text("".join(lines[1:]))         # without base
    with pytest.raises(UserError, match="no file can be read"):
        report.report([str(class_folder)])


def test_a_hand_in_of_a_run_can_be_reported(finished, capsys):
    out, results = finished
    said, rows = class_report(out / "hand-in", capsys)
    assert [row[:2] for row in rows] == [["Zoë_2", "S3FT"]] and json.dumps(results["task"])[1:-1] in said
