"""Text to token ids and back, chat template included.

    from data.checkpoints.chat import Tokenizer
    tokenizer = Tokenizer("data/tiny")
    tokenizer.encode_chat([{"role": "user", "content": "What is 2 + 3?"}])   # ids that end where the answer begins

Design choices:
- the folder's own tokenizer.json and chat template, read by the `tokenizers` library and by jinja2's
  immutable sandbox: a template is a program that came with the weights;
- the template is rendered to text and that text encoded *without* special tokens added (the template
  has written them already, or BOS would stand there twice);
- end ids are what generation stops on (often several), `close_id` the one that the template puts after
  an assistant's turn, the one to train on;
- a model without a template gets PLAIN below, one whose template refuses a system message gets that
  message in front of the user's first; both are said once.
"""
import json
from datetime import datetime
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
import tokenizers

from data import UserError, say_once
from data.files import write_atomic

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
         "generation_config.json")
REMEMBERED = 20_000              # encoded chats: a run asks for the ids of each several times
TODAY = datetime(2025, 1, 1)    # templates that print today's date would change ids from day to day
PLAIN = """{% for m in messages %}{% if m.role == "assistant" %}Answer: {{ m.content }}{{ eos_token }}
{% else %}{{ "Question: " if m.role == "user" else "" }}{{ m.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"""


class LoadError(UserError):
    """Something in a folder cannot be used; the message is one line: what is wrong, what to do."""


def read_json(path):
    """The JSON object in `path`; LoadError names the file when it is missing or does not parse."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror}); is the folder complete?") from None
    except (ValueError, RecursionError) as error:   # JSONDecodeError, UnicodeDecodeError, brackets without end
        raise LoadError(f"{path}: is no JSON ({error}); fetch the file again") from None
    if not isinstance(value, dict):
        raise LoadError(f"{path}: holds no JSON object; fetch the file again")
    return value


class Generation(jinja2.ext.Extension):
    """{% generation %} .. {% endgeneration %}: some templates mark the assistant's words so; here they are just printed."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)





class Tokenizer:
    """The tokenizer of a checkpoint folder.

    size      ids lie in range(size); rows of the embedding past it mean nothing
    end_ids   generation stops on any of them
    close_id  closes an assistant's turn in the template
    thinking  whether a template that lets a model think aloud first (Qwen3) is asked to
    """

    def __init__(self, folder, thinking=False):
        self.folder, self.thinking = Path(folder), thinking
        self.chats = {}                     # that were encoded before -> their ids
        if not (self.folder / "tokenizer.json").is_file():
            raise LoadError(f"{self.folder / 'tokenizer.json'}: no such file; a model folder needs its tokenizer")
        # the bytes are kept, so that save() does not depend on the folder still being there
        self.files = {n: (self.folder / n).read_bytes() for n in FILES if (self.folder / n).is_file()}
        try:
            self.bpe = tokenizers.Tokenizer.from_buffer(self.files["tokenizer.json"])
        except Exception as error:  # the library raises bare Exception or ValueError
            raise LoadError(f"{self.folder / 'tokenizer.json'}: does not parse ({error}); "
                            "fetch the file again") from None
        self.bpe.no_truncation()
        self.bpe.no_padding()
        vocabulary = self.bpe.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        first = self.bpe.encode("a")        # what tokenizer.json itself puts in front of a text, mostly BOS or nothing
        self.bos_ids = [i for i, added in zip(first.ids[:1], first.special_tokens_mask) if added]

        config = read_json(self.folder / "tokenizer_config.json") if "tokenizer_config.json" in self.files else {}
        # a special token is written as text or as {"content": text, ...}
        self.special = {key: value["content"] if isinstance(value, dict) else value
                        for key, value in config.items() if key.endswith("_token") and value
                        and isinstance(value, (str, dict))}

        # the first file that names an end counts, as in transformers
        ends = None
        for name in ("generation_config.json", "config.json"):
            if ends is None and (self.folder / name).is_file():
                ends = read_json(self.folder / name).get("eos_token_id")
        if ends is None:
            ends = vocabulary.get(self.special.get("eos_token"))
        ends = [ends] if isinstance(ends, int) else ends or []
        if not isinstance(ends, list) or not all(type(i) is int for i in ends):
            raise LoadError(f"{self.folder}: eos_token_id {ends!r} is no token id and no list of them; fetch its file again")
        if ends and 0 <= ends[0] < self.size:
            self.special.setdefault("eos_token", self.bpe.id_to_token(ends[0]))

        self.template, self.plain = self._template(config)
        self.close_id = self._close_id(vocabulary)
        self.end_ids = list(ends) + [self.close_id] * (self.close_id is not None and self.close_id not in ends)

    def _template(self, config):
        """(the compiled chat template, whether it is PLAIN), in the sandbox and with the helpers that transformers gives it."""
        source = config.get("chat_template")
        if isinstance(source, list):    # several named ones
            source = next((t.get("template") for t in source if isinstance(t, dict) and t.get("name") == "default"), None)
        if "chat_template.jinja" in self.files:
            source = self.files["chat_template.jinja"].decode("utf-8", errors="replace")
        if source and not isinstance(source, str):
            raise LoadError(f"{self.folder}: the chat template is no text; fetch tokenizer_config.json again")

        def raise_exception(message):
            raise jinja2.TemplateError(message)

        def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
            return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                              sort_keys=sort_keys)

        env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                           extensions=[jinja2.ext.loopcontrols, Generation])
        env.filters["tojson"] = tojson
        env.globals.update(raise_exception=raise_exception, strftime_now=TODAY.strftime)
        try:
            return env.from_string(source or PLAIN), not source
        except jinja2.TemplateError as error:
            raise LoadError(f"{self.folder}: the chat template does not compile ({error})") from None

    def _close_id(self, vocabulary):
        """The token after an assistant's words, found by rendering a chat and looking what follows."""
        words = "certainly"
        text = self._render([{"role": "user", "content": "hello"}, {"role": "assistant", "content": words}])
        after = self.bpe.encode(text[text.rfind(words) + len(words):], add_special_tokens=False).ids
        added = self.bpe.get_added_tokens_decoder()
        return next((i for i in after if i in added), vocabulary.get(self.special.get("eos_token")))

    def _render(self, messages):
        try:
            return self.template.render(messages=messages, tools=None, documents=None, enable_thinking=self.thinking, **self.special,
                                        add_generation_prompt=messages[-1]["role"] != "assistant")
        except Exception as error:      # a template is a program: it can fail in any way
            raise LoadError(f"{self.folder}: the chat template refuses this chat ({' '.join(str(error).split())})") from None

    def render(self, messages):
        """The chat as text, with the generation prompt unless the last message is the assistant's."""
        if self.plain:
            say_once(f"{self.folder.name} has no chat template: questions are asked as \"Question: ...\\n\\nAnswer:\"")
        system = len(messages) > 1 and messages[0]["role"] == "system" and messages[1]["role"] == "user"
        try:
            text = self._render(messages)
            if not system or messages[0]["content"].strip() in text or text != self._render(messages[1:]):       # some drop it without a word
                return text
        except LoadError:
            if not system:
                raise
        say_once(f"{self.folder.name}: its chat template takes no system message; it goes in front of the user's first")
        first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return self._render([first, *messages[2:]])

    def encode_chat(self, messages):
        """[{"role": .., "content": ..}, ..] -> ids, not to be changed: what was encoded before is remembered.

        A template writes BOS itself where it belongs; PLAIN does not.
        """
        key = tuple((message["role"], message["content"]) for message in messages)
        if key not in self.chats:
            if len(self.chats) >= REMEMBERED:
                self.chats.clear()
            text = self.render(messages)
            self.chats[key] = self.encode(text) if self.plain else self.bpe.encode(text, add_special_tokens=False).ids
        return self.chats[key]

    def encode(self, text):
        """Plain text -> ids, with BOS in front where tokenizer.json puts it, as in transformers."""
        return self.bos_ids + self.bpe.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts):
        """`encode` of many texts, on all cores."""
        found = []
        for i in range(0, len(texts), 512):             # the library's own results are many times as large as the ids
            found += [self.bos_ids + e.ids for e in self.bpe.encode_batch(texts[i:i + 512], add_special_tokens=False)]
        return found

    def decode(self, ids):
        """ids -> text without special tokens."""
        return self.bpe.decode(list(ids), skip_special_tokens=True)

    def save(self, folder):
        """Write the files that were read, as they were."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_atomic(Path(folder) / name, content)
