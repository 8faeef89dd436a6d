"""What reads the model files that other people publish."""
import json
from pathlib import Path

from data import UserError


class LoadError(UserError):
    """A model's file cannot be used. The message is one line: what is wrong, and what to do."""


def read_model_json(path):
    """The JSON object in a model's file. LoadError where it is missing or damaged."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror}); "
                        "is the folder complete?") from None
    except (ValueError, RecursionError) as error:       # no JSON, no UTF-8, brackets without end
        raise LoadError(f"{path}: is no JSON ({error}); fetch the file again") from None
    if not isinstance(value, dict):
        raise LoadError(f"{path}: holds no JSON object; fetch the file again")
    return value
