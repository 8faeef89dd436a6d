"""mbpp.py - short Python functions: the bundled tiny-mbpp and the official MBPP, in the same fields.

    FOLDER/mbpp/mbpp.jsonl (or FOLDER/mbpp.jsonl)   {"text", "code", "task_id", "test_list", "test_setup_code", "challenge_test_list"}

The official split is by task_id: 1-10 prompt (unused), 11-510 test, 511-600 validation, 601-974 train.
The rewrite prompt shows the gold without the names of its variables: shown as it is, it is copied (README.md has the figures).
The prompt shows the task and its asserts, or the function's name could not be known, but the last assert is held back: with all of
them in sight an answer could be hard-coded. `--all-asserts` shows all, as the paper does (arXiv 2502.08130; the wording is ours).
Right is what passes every assert, shown or not; judge.code says how. The gold is normalised once, here: line ends, tabs.
"""
import ast
import warnings
from pathlib import Path

import judge
from data import TINY, Example, UserError, read_jsonl

QUESTION = ("You are an expert Python programmer. {question}\n"
            "Your code should pass these tests:\n{tests}\n\n"
            "Answer with one Python code block and nothing else.")
SPLITS = {"prompt": range(1, 11), "test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}


def normalise(code):
    """The same program with \\n at line ends, four spaces for a tab, and no white space at the end of lines."""
    lines = code.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    lines = [line.rstrip() for line in lines]
    indents = [len(line) - len(line.lstrip("\t ")) for line in lines]
    neat = "\n".join(line[:n].replace("\t", "    ") + line[n:] for line, n in zip(lines, indents))
    before, after = parsed(code), parsed(neat)
    try:
        return neat if before and after and ast.dump(after) == ast.dump(before) else code    # a text in it may hold tabs
    except RecursionError:
        return code


def parsed(code):
    """Its syntax tree, or None where it is no Python. Warnings about old golds ("\\d" in a text) are nothing to the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def bare(code, names=True):
    """The same program without comments and docstrings, in one way of spacing; with names=False its local variables are called v1, v2,
    .. in the order in which they appear. What is no Python, or too deeply nested, stays as it is."""
    tree = parsed(code)
    if tree is None:
        return code
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list) and len(node.body) > 1 and is_docstring(node.body[0]):
            node.body = node.body[1:]
    places = sorted((n for n in ast.walk(tree) if isinstance(n, (ast.Name, ast.arg))), key=lambda n: (n.lineno, n.col_offset))
    bound = {n.arg if isinstance(n, ast.arg) else n.id for n in places if isinstance(n, ast.arg) or isinstance(n.ctx, ast.Store)}
    stay = {"self"}              # names that others use: of the module, in `global`, as keywords of a call
    for node in ast.walk(tree):
        stay |= {node.arg} if isinstance(node, ast.keyword) else set(node.names) if isinstance(node, (ast.Global, ast.Nonlocal)) else set()
    stay |= {n.id for line in tree.body if isinstance(line, ast.Assign) for n in line.targets if isinstance(n, ast.Name)}
    called = {}
    for n in places if not names else ():
        field = "arg" if isinstance(n, ast.arg) else "id"
        if getattr(n, field) in bound - stay:
            setattr(n, field, called.setdefault(getattr(n, field), f"v{len(called) + 1}"))
    try:
        return ast.unparse(tree)
    except RecursionError:
        return code


class MBPP:
    """A Task (data/__init__.py, load_task)."""
    name = "mbpp"
    instruction = ""             # stands in the question, which the rewrite prompt shows whole
    rewriting = "write your own, with clear names."
    runs_code = True             # verdicts come from running programs: kept on disk, made beside the sampling

    def __init__(self, folder, all_asserts=False):
        folder = Path(folder)
        found = [p for p in (folder / "mbpp" / "mbpp.jsonl", folder / "mbpp.jsonl") if p.is_file()]
        if not found:
            raise UserError(f"{folder}: no mbpp.jsonl there; --data names a folder with mbpp/mbpp.jsonl")
        self.path, self.all_asserts = found[0], all_asserts
        self.title = "tiny-mbpp" if folder.resolve() == TINY.resolve() else "mbpp"
        self.files, self.fields = [self.path], None
        self.notes = ["every assert of a task is shown in its prompt (--all-asserts)" if all_asserts else
                      "the prompt shows all asserts of a task but the last, which is held back for judging"]
        self.examples = self.read()

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, by the official task_id."""
        examples = [e for e in self.examples if int(e.id) in SPLITS[split]]
        if not examples:
            raise UserError(f"{self.path}: holds no task of the {split} part (task_id {SPLITS[split][0]} to {SPLITS[split][-1]})")
        return examples

    def read(self):
        examples, seen = [], {}
        for n, row in read_jsonl(self.path, ("text", "code")):
            id, tests, setup = row.get("task_id"), row.get("test_list"), row.get("test_setup_code", "")
            where = f"{self.path}, line {n}"
            if not isinstance(id, int) or isinstance(id, bool):
                raise UserError(f"{where}: task_id must be a whole number")
            if id in seen:
                raise UserError(f"{where}: task_id {id} stands in line {seen[id]} too; make ids unique")
            if not (isinstance(tests, list) and tests and all(isinstance(t, str) for t in tests) and isinstance(setup, str)):
                raise UserError(f"{where}: needs test_list, a list of assert lines, and test_setup_code, a text")
            if not isinstance(row.get("voice", ""), str):
                raise UserError(f"{where}: the field 'voice' must be a text")
            try:
                judge.check_tests(tests)
            except ValueError as error:
                raise UserError(f"{where}, task_id {id}: {error}") from None
            seen[id] = n
            examples.append(Example(str(id), row["text"].strip(), row["code"],
                                    {k: v for k, v in row.items() if k not in ("text", "code", "task_id", "test_list", "test_setup_code")}
                                    | {"tests": tests, "setup": setup}))
        return examples

    def history(self, example):
        return []

    def question(self, example):
        """The task, its asserts (all, or all but the last), and what to answer with."""
        tests = example.extra["tests"]
        if not self.all_asserts and len(tests) > 1:
            tests = tests[:-1]
        lines = "\n".join(test.strip() for test in tests)
        return QUESTION.format(question=example.question, tests=lines)

    def reference(self, example):
        """The gold without the names of its variables: shown as it is, it would be copied."""
        program = bare(normalise(example.answer), names=False)
        return f"Reference answer, with its variable names removed:\n{fenced(program)}"

    def gold(self, example):
        """The clean gold: the normalised program in a code block."""
        return fenced(normalise(example.answer))

    def text(self, example, source):
        """The text of a source that needs no sampling."""
        if source == "voice" and "voice" not in example.extra:
            raise UserError("source 'voice' exists only in the bundled data (the gold told in the teaching model's own voice)")
        return {"gold": self.gold(example), "raw": example.answer, "voice": fenced(example.extra.get("voice", ""))}[source]

    def accept(self, example, text, source):
        """May this text become a target? -> Verdict."""
        return judge.target_code(text, example.extra["tests"], example.extra["setup"], source)

    def score(self, example, text):
        """Is this answer right, by all asserts? -> Verdict."""
        return judge.code(text, example.extra["tests"], example.extra["setup"])

    def alike(self, example, verdict):
        """(program, gold) in two ways that make copies equal: but for comments and spacing, and but for the names of variables too."""
        return [(bare(verdict.extracted, names), bare(normalise(example.answer), names)) for names in (True, False)]

    def truth(self, example):
        """What a verdict needs, so that attempts.jsonl can be judged again by itself."""
        return {"judge": "code", "gold": self.gold(example), "tests": example.extra["tests"], "setup": example.extra["setup"]}


def fenced(code):
    return f"```python\n{code}\n```"
