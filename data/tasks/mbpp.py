"""mbpp.py - short Python functions: the bundled tiny-mbpp and the official MBPP.

    FOLDER/mbpp/mbpp.jsonl (or FOLDER/mbpp.jsonl)
    {"text", "code", "task_id", "test_list", "test_setup_code", "challenge_test_list"}

The official split is by task_id. The prompt shows the task and its asserts, since else the name of
the function could not be known. The last assert is held back: with all of them in sight an answer
could be hard-coded. --all-asserts shows all, as the paper does (arXiv 2502.08130; the wording is
ours). Right is what passes every assert, shown or not; judge.code says how.

The gold is normalised once, here: line ends, tabs. The prompt for a paraphrase shows it without the
names of its variables. Shown as it is, it is copied (data/tasks/README.md has the figures).
"""
import ast
import warnings

from data import Example, UserError, make_examples, read_jsonl
from data.tasks.task import Task, bundled_fields, tests_of

QUESTION = ("You are an expert Python programmer. {question}\n"
            "Your code should pass these tests:\n{tests}\n\n"
            "Answer with one Python code block and nothing else.")
# task_id 1 to 10 are examples for a prompt; we show none.
SPLITS = {"test": range(11, 511), "validation": range(511, 601), "train": range(601, 975)}


class MBPP(Task):
    name = "mbpp"
    judge_name = "code"
    rewriting = "write your own, with clear names."

    def __init__(self, folder, all_asserts=False):
        self.find_folder(folder)
        self.path = self.folder / "mbpp.jsonl"
        self.files = [self.path]
        self.all_asserts = all_asserts
        if all_asserts:
            note = "every assert of a task is shown in its prompt (--all-asserts)"
        else:
            note = ("the prompt shows all asserts of a task but the last, "
                    "which is held back for judging")
        self.notes = [note]
        self.examples = read(self.path)

    def load(self, split):
        """"train", "validation" or "test" -> list of Example, by the official task_id."""
        ids = SPLITS[split]
        examples = [e for e in self.examples if int(e.id) in ids]
        if not examples:
            raise UserError(f"{self.path}: holds no task of the {split} part "
                            f"(task_id {ids[0]} to {ids[-1]})")
        return examples

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
        text = super().text(example, source)
        return fenced(text) if source == "voice" else text

    def alike(self, example, verdict):
        """The program and the gold as two pairs of texts; a copy has equal ones.

        The first pair lacks comments and spacing, the second the names of variables too.
        """
        program = verdict.extracted
        gold = normalise(example.answer)
        return [(bare(program), bare(gold)),
                (bare(program, names=False), bare(gold, names=False))]


def read(path):
    """The examples of a file. UserError names file and line of a bad one."""
    return make_examples(path, read_jsonl(path, ("text", "code")), example_of)


def example_of(n, row):
    """A line of the file -> Example. ValueError says what is wrong with it."""
    id = row.get("task_id")
    if type(id) is not int:
        raise ValueError("task_id must be a whole number")
    extra = tests_of(row) | bundled_fields(row)
    return Example(str(id), row["text"].strip(), row["code"], extra)


def fenced(code):
    return f"```python\n{code}\n```"


# ---------------------------------------------------------------- programs as texts

def normalise(code):
    """The same program with \\n as line ends and no space before them, four spaces for a tab."""
    lines = []
    for line in code.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n"):
        rest = line.lstrip("\t ")
        indent = line[:len(line) - len(rest)].replace("\t", "    ")
        lines.append((indent + rest).rstrip())
    neat = "\n".join(lines)
    before = parsed(code)
    after = parsed(neat)
    try:
        same = before and after and ast.dump(before) == ast.dump(after)
    except RecursionError:
        return code
    return neat if same else code                        # a text in it may hold tabs


def parsed(code):
    """Its syntax tree, or None where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # old golds have "\d" in plain texts
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def bare(code, names=True):
    """The same program without comments and docstrings, in one way of spacing.

    names=False: local variables are called v1, v2, .. in the order in which they appear.
    What is no Python, or too deeply nested, stays as it is.
    """
    tree = parsed(code)
    if tree is None:
        return code
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and is_docstring(body[0]):
            node.body = body[1:]
    if not names:
        remove_names(tree)
    try:
        return ast.unparse(tree)
    except RecursionError:
        return code


def is_docstring(node):
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))


def remove_names(tree):
    """Call the local variables of a syntax tree v1, v2, .., in place."""
    places = []                                          # (line, column, node, field of its name)
    local = set()
    public = {"self"}                                    # names that other code uses
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            places.append((node.lineno, node.col_offset, node, "arg"))
            local.add(node.arg)
        elif isinstance(node, ast.Name):
            places.append((node.lineno, node.col_offset, node, "id"))
            if isinstance(node.ctx, ast.Store):
                local.add(node.id)
        elif isinstance(node, ast.keyword):
            public.add(node.arg)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            public.update(node.names)
    for statement in tree.body:                          # the module's own variables
        if isinstance(statement, ast.Assign):
            public.update(node.id for node in statement.targets if isinstance(node, ast.Name))
    new_names = {}
    for _, _, node, field in sorted(places, key=lambda place: place[:2]):
        name = getattr(node, field)
        if name in local - public:
            new_names.setdefault(name, f"v{len(new_names) + 1}")
            setattr(node, field, new_names[name])
