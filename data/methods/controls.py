"""controls.py - rows that show what the gain of S3FT is made of."""
from data.methods.method import Method

METHODS = {
    "raw": Method(("raw",)),             # the gold as in the file: <<48/2=24>> and ####
    "own_only": Method(("own",)),        # no accepted own answer: the question is left out
    "voice": Method(("voice",)),         # bundled data: the gold in the model's own voice
    "s3ft_number": Method(("own_number", "paraphrase_number", "gold")),     # the number alone
}
