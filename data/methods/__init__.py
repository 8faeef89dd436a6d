"""The family of S3FT: a page for each neighbour, with its rows of the table (README.md)."""
import importlib

from data import UserError

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
