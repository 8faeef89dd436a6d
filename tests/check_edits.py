"""Are results of edited code ever those of the old code, or the other way round?

An edit in every function of s3ft.py and model.py.

    python tests/check_edits.py [--functions 5] [--most 3]       minutes; prints a line a function, and a summary
    python tests/check_edits.py --two                            seconds; the two cases of tests/test_edits.py

On a random two-layer model in fp32: the project is copied, a run is made in a folder, and then for each function one
number in it is changed, the same command is given again in the same folder, and its results are compared with those of
a fresh folder. Then the change is taken back and the command given once more: the results have to be the old ones, and
nothing may be trained for it. A change that moves no result proves nothing, so up to `--most` numbers of a function are
tried, and it is counted for how many functions one of them moved a result.
"""
import argparse
import ast
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = ["--task", "gsm8k", "--limit", "4", "--test-limit", "3", "--epochs", "1", "--batch", "2",
       "--lr", "0.01", "--dtype", "float32",
       "--max-new-tokens", "5", "--methods", "sft,s3ft", "--benchmarks", "none", "--keep", "none", "--lora", "0",
       "--temperature", "1", "--test-temperature", "1"]


def make_model(folder):
    """A random model of two layers with the bundled tokenizer."""
    import torch

    import model
    _, tokenizer = model.load(ROOT / "data" / "tiny", "cpu")
    torch.manual_seed(0)
    size = len(json.loads((ROOT / "data" / "tiny" / "tokenizer.json").read_text())["model"]["vocab"]) + 64
    config = model.Config(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                          num_attention_heads=4, num_key_value_heads=2,
                          vocab_size=max(size, tokenizer.size), max_position_embeddings=512)
    lm = model.Transformer(config)
    model.save(lm, tokenizer, folder)
    lm(torch.zeros(1, 2, dtype=torch.long)).sum().backward()
    torch.optim.AdamW(lm.parameters()).step()            # imports what training needs, once for all forked processes


def constants(path):
    """{function: [(line, column, end column, value), ..]} of the numbers in the functions of a file."""
    found = {}

    def visit(node, name):
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = f"{name}.{child.name}" if name else child.name
                found.setdefault(inner, [])
            is_number = isinstance(child, ast.Constant) and type(child.value) in (int, float)
            if is_number and child.lineno == child.end_lineno and name:
                found[name].append((child.lineno, child.col_offset, child.end_col_offset, child.value))
            visit(child, inner)
    visit(ast.parse(path.read_text()), "")
    return found


def edited(source, place):
    """The source with another number in this place."""
    line, start, end, value = place
    lines = source.splitlines(keepends=True)
    row = lines[line - 1].encode()
    other = str(value + 1) if type(value) is int else repr(value * 1.5 + 0.125)
    lines[line - 1] = (row[:start] + other.encode() + row[end:]).decode()
    return "".join(lines)


def run(project, model_folder, out):
    """The command in a process of its own (forked: torch is there).

    -> (results without times, how often it trained), or None.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        code = 1
        try:
            os.chdir(project)
            for name in list(sys.modules):               # the copy is imported, not what the parent has
                if name.split(".")[0] in ("data", "model", "s3ft", "judge"):
                    del sys.modules[name]
            sys.path.insert(0, str(project))
            import s3ft
            from data.run import plan
            plan.try_speed = lambda *_: {"sample": 1e3, "read": 1e3, "train": 1e3}
            trained = []
            real = s3ft.finetune
            s3ft.finetune = lambda lm, targets, *more, **named: trained.append(1) or real(lm, targets, *more, **named)
            s3ft.main([*RUN, "--model", str(model_folder), "--data", str(project / "data" / "few"), "--out", str(out)])
            results = without_times(json.loads((out / "results.json").read_text()))
            os.write(writer, json.dumps([results, sum(trained)]).encode())
            code = 0
        except BaseException:
            pass
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if status == 0 and text else None


def copy_project(place):
    """A copy of the project without its tests, and a random model -> (their folders)."""
    project = place / "project"
    ignore = shutil.ignore_patterns(".git", "__pycache__", "runs", "tests", ".venv")
    shutil.copytree(ROOT, project, ignore=ignore)
    make_model(place / "model")
    data = project / "data" / "few" / "gsm8k"            # a few questions, so that a run takes a second
    data.mkdir(parents=True)
    for split in ("train", "test"):
        lines = (project / "data" / "tiny" / "gsm8k" / f"{split}.jsonl").read_text().splitlines(keepends=True)
        (data / f"{split}.jsonl").write_text("".join(lines[:6]))
    return project, place / "model"


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in ("times", "made")}
    return [without_times(v) for v in value] if isinstance(value, list) else value


# A line of a function that trains; and what a student did in the main flow: all but the norms frozen.
RATE = "    left = (steps - step) / max(1, steps - warmup)"
TUNE = "        lm = copy.deepcopy(base).float()\n"
FREEZE = """        for name, p in lm.named_parameters():
            p.requires_grad_("norm" in name)
"""
TWO = {
    "a line of learning_rate": (RATE, RATE.replace("(steps - step)", "0.5 * (steps - step)")),
    "all but the norms frozen in the main flow": (TUNE, TUNE + FREEZE),
}


def two_cases(place):
    """Make two edits in s3ft.py, one after the other, run, take each back and run -> what went wrong, as lines."""
    project, model_folder = copy_project(place)
    old, _ = run(project, model_folder, place / "run")
    source = (project / "s3ft.py").read_text()
    wrong = []
    for name, (before, after) in TWO.items():
        if source.count(before) != 1:
            wrong.append(f"{name}: the line to edit is not there any more")
            continue
        (project / "s3ft.py").write_text(source.replace(before, after))
        edited, trained = run(project, model_folder, place / "run")
        fresh, _ = run(project, model_folder, place / name)
        (project / "s3ft.py").write_text(source)
        back = run(project, model_folder, place / "run")
        if fresh == old:
            wrong.append(f"{name}: moves no result")
        if edited != fresh or not trained:
            wrong.append(f"{name}: results of the old code were shown")
        if back != [old, 0]:
            wrong.append(f"{name}: taken back, the old results were not found")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=10**6, help="of each file, at most")
    parser.add_argument("--most", type=int, default=3, help="numbers to try in a function")
    parser.add_argument("--two", action="store_true", help="only the two cases of tests/test_edits.py")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"                  # one thread: this process is forked
    sys.path.insert(0, str(ROOT))
    import torch
    torch.set_num_threads(1)
    if options.two:
        with tempfile.TemporaryDirectory() as place:
            wrong = two_cases(Path(place))
        print("\n".join(wrong or ["both edits are seen, and taken back they find the old results"]))
        sys.exit(bool(wrong))
    wrong = moved = tried = failed = 0
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        project, model_folder = copy_project(place)
        out = place / "run"
        old = run(project, model_folder, out)
        if old is None:
            sys.exit("the run without any edit failed")
        for file in ("s3ft.py", "model.py"):
            source = (project / file).read_text()
            for function, places in list(constants(project / file).items())[:options.functions]:
                said = "no number in it" if not places else ""
                tried += bool(places)
                for number in places[:options.most]:
                    (project / file).write_text(edited(source, number))
                    fresh = run(project, model_folder, place / "fresh")
                    again = run(project, model_folder, out)
                    shutil.rmtree(place / "fresh", ignore_errors=True)
                    (project / file).write_text(source)
                    what = f"line {number[0]}: {number[3]}"
                    if fresh is None:
                        failed += again is not None
                        said = f"{what}: the run fails" + ("" if again is None else ", BUT NOT IN THE OLD FOLDER")
                        continue
                    back = run(project, model_folder, out)
                    if again is None or again[0] != fresh[0]:
                        said = f"{what}: RESULTS OF OLD CODE WERE SHOWN"
                    elif back is None or back[0] != old[0]:
                        said = f"{what}: RESULTS OF THE EDITED CODE WERE SHOWN AFTERWARDS"
                    elif back[1]:
                        said = f"{what}: taken back, and yet trained again"
                    else:
                        moves = "results moved" if fresh[0] != old[0] else "no result moved"
                        said = f"{what}: {moves}, trained again {again[1]} times"
                        if fresh[0] == old[0]:
                            continue
                        moved += 1
                        break
                    wrong += 1
                    break
                print(f"{file} {function}: {said}", flush=True)
    print(f"{tried} functions with a number in them; an edit moved a result in {moved}; "
          f"wrong results: {wrong}; failures hidden: {failed}")
    sys.exit(bool(wrong or failed))


if __name__ == "__main__":
    main()
