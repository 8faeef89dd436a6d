"""The family of S3FT: a page for each neighbour, with its rows of the table (README.md)."""
from data.methods import (
    adapter, bitfit, controls, delift, dft, grape, ia3, mask, promot, rft, s3ft_more, shortest, ssd,
    ual)

PAGES = {}                               # {name: Method}
for page in (controls, grape, rft, shortest, s3ft_more, ssd, mask, dft, ual, bitfit, ia3, adapter,
             promot, delift):
    PAGES |= page.METHODS
