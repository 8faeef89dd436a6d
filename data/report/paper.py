"""paper.py - the paper's Tables 2, 3 and 4 in our figures, with the paper's beside them."""
from data import plural
from data.report.intervals import accuracy, table_benchmarks, group_of, mean_drop
from data.report.rates import chosen_rates
from data.report.table import count_sources
from data.report.text import method_title, percent, plain_table

# arXiv 2502.08130, Mistral-7B-Instruct-v0.2 on the official sets: Table 2, accuracy in %, and
# Table 3, the shares of own answers, paraphrases and golds among S3FT's targets in %.
PAPER_FIGURES = {
    "gsm8k": {
        "accuracy": {"base": 40.3, "sft": 53.4, "sdft": 54.8, "s3ft": 56.9},
        "shares": (49.5, 42.1, 8.4),
    },
    "mbpp": {
        "accuracy": {"base": 22.2, "sft": 32.8, "sdft": 35.8, "s3ft": 39.4},
        "shares": (30.2, 32.4, 37.4),
    },
    "nq": {
        "accuracy": {"base": 64.7, "sft": 60.0, "sdft": 67.1, "s3ft": 67.1},
        "shares": (66.0, 25.6, 8.1),
    },
}
NOT_IN_PAPER = {"accuracy": {}, "shares": "-"}


def three_tables(runs):
    """The paper's three tables as a text. runs: results.json of several tasks, of one model."""
    methods = []                            # of all runs, each once
    groups = []                             # of each run {method: its cells at the chosen rate}
    for run in runs:
        rates = {"base": None} | chosen_rates(run)
        groups.append({method: group_of(run, method, lr) for method, lr in rates.items()})
        methods += [method for method in rates if method not in methods]
    lines = [
        "",
        "The paper's tables in our figures, in %. The paper's own (arXiv 2502.08130) are for "
        "Mistral-7B-Instruct-v0.2 on the official sets.",
        "",
        "Table 2: accuracy on the task, method by task",
        *plain_table(table_2(runs, groups, methods)),
    ]
    for run, of_run in zip(runs, groups):
        items = len(of_run["base"][0]["test"]["right"])
        seeds = len(run["settings"]["seeds"])
        text = (f"{run['task']}: {run['model']}, {items} test items, {seeds} "
                f"{plural('seed', seeds)}; intervals stand in its own table")
        lines.append("; ".join([text, *run["notes"]]))
    rows = table_3(runs, groups, methods)
    if len(rows) > 1:
        lines += ["", "Table 3: where S3FT's targets come from", *plain_table(rows)]
    lines += ["", "Table 4: what is left of other abilities, by task trained on and method "
              "(paper: mean drop up to 4.4 for SFT, 2.5 for S3FT)"]
    rows = table_4(runs, groups, methods)
    lines += plain_table(rows) if len(rows[0]) > 3 else ["no benchmarks were measured"]
    return "\n".join(lines)


def table_2(runs, groups, methods):
    """Rows: task accuracy of each method, ours and the paper's side by side."""
    head = ["method"]
    for run in runs:
        head += [run["task"], "paper"]
    rows = [head]
    for method in methods:
        row = [method_title(method)]
        for run, of_run in zip(runs, groups):
            paper = PAPER_FIGURES.get(run["task_name"], NOT_IN_PAPER)
            row.append(percent([cell["test"]["accuracy"] for cell in of_run.get(method, [])]))
            row.append(str(paper["accuracy"].get(method, "-")))
        rows.append(row)
    return rows


def table_3(runs, groups, methods):
    """Rows: where the targets of S3FT come from."""
    rows = [["task", "method", "own", "paraphrase", "gold", "paper's S3FT"]]
    for run, of_run in zip(runs, groups):
        paper = PAPER_FIGURES.get(run["task_name"], NOT_IN_PAPER)
        for method in methods:
            if method in of_run and method.partition(" ")[0] == "s3ft":
                counts = count_sources(of_run[method])
                shares = [percent([n / max(1, sum(counts))]) for n in counts]
                papers = " / ".join(str(share) for share in paper["shares"])
                rows.append([run["task"], method_title(method), *shares, papers])
    return rows


def table_4(runs, groups, methods):
    """Rows: what is left of each benchmark."""
    names = []                              # of the benchmarks of all runs
    for of_run in groups:
        names += [name for name in table_benchmarks(of_run["base"]) if name not in names]
    rows = [["trained on", "method", *names, "mean drop"]]
    for run, of_run in zip(runs, groups):
        base = of_run["base"]
        for method in methods:
            if method not in of_run:
                continue
            group = of_run[method]
            row = ["nothing" if method == "base" else run["task"], method_title(method)]
            for name in names:
                is_measured = name in table_benchmarks(base)
                row.append(f"{100 * accuracy(group, name)[0]:.1f}" if is_measured else "-")
            lost = None if method == "base" else mean_drop(group, base)
            row.append(f"{100 * lost[0]:+.1f}" if lost else "-")
            if row not in rows:             # the base model stands there once
                rows.append(row)
    return rows
