"""s3ft_more.py - S3FT with more attempts: this project's own try at a better one.

S3FT takes one own answer and one paraphrase. Here the model has four tries at each: where one of
them is accepted the gold's wording is not needed, and of several accepted ones the likeliest per
token is trained on, as in GRAPE (grape.py). An own answer that is likely is near to what the model
would say; a paraphrase is likely with the gold in sight, so there the rule may favour a near copy.
Attempts cost up to four times as much as S3FT's, which its minutes show.

Seam: choice, and four samples at temperature 0.7. Control: `s3ft_more_random`, any of the accepted
ones, from the same attempts.
"""
from data.methods.grape import at_random, likeliest
from data.methods.method import Method

S3FT = ("own", "paraphrase", "gold")
METHODS = {
    "s3ft_more": Method(S3FT, choice=likeliest, samples=4, temperature=0.7),
    "s3ft_more_random": Method(S3FT, choice=at_random, samples=4, temperature=0.7),
}
