"""The family of S3FT: a page for each neighbour, with its rows of the table (README.md)."""
import ast
import functools
import importlib
import inspect
import re
from pathlib import Path

from data import UserError
from data.files import code_of

FILES = ("controls", "rft", "grape", "shortest", "s3ft_more", "ssd", "mask", "ual", "dft", "bitfit",
         "ia3", "adapter", "promot", "delift", "mine")

ROWS_OF = {file: importlib.import_module(f"data.methods.{file}").METHODS for file in FILES}
PAGES = {}                               # {name of a row: Method}
for rows in ROWS_OF.values():
    PAGES |= rows


def with_pages(methods):
    """METHODS of s3ft.py with the rows of all pages. UserError where two have one name."""
    where = dict.fromkeys(methods, "s3ft.py")
    for file, rows in ROWS_OF.items():
        for name in rows:
            if name in where:
                raise UserError(f"data/methods/{file}.py: {where[name]} has a row {name!r} "
                                "already; give this one another name")
            where[name] = f"{file}.py"
    return methods | PAGES


@functools.cache                         # a page that is edited during a run is not what runs
def page_code(*functions):
    """Fingerprints of the pages in which a row's own functions stand, and of the pages that these
    import. A function that is None is skipped."""
    to_do = [Path(inspect.getsourcefile(function)) for function in functions if function]
    pages = set()
    while to_do:
        page = to_do.pop()
        if page not in pages:
            pages.add(page)
            to_do += imported_pages(page)
    return sorted(code_of(page) for page in pages)


def imported_pages(page):
    """The files of the pages that a page imports, whole or a part of them, in whatever way."""
    words = set()                        # of its import lines
    for node in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            words.update(re.findall(r"\w+", ast.unparse(node)))
    folder = Path(__file__).parent
    return [folder / f"{file}.py" for file in FILES if file in words]
