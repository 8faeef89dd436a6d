"""chat.py - text to token ids and back, chat template included.

The ids end where the answer begins. A chat template is a program that came with the weights, so it
is rendered in jinja2's sandbox. Its text is encoded *without* special tokens added, since the
template has written them already. A model without a template gets PLAIN, below; where a template
refuses a system message, that message goes in front of the user's first. A line on stderr says so.
"""
import json
from datetime import datetime
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
import tokenizers

from data import say_once
from data.checkpoints import LoadError, read_model_json
from data.checkpoints.added_tokens import add_tokens, read_settings
from data.files import write_atomic

OWN = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
       "special_tokens_map.json", "added_tokens.json")      # an adapter may have its own
FILES = (*OWN, "generation_config.json")
REMEMBERED = 20_000             # encoded chats, and answers: a run asks for each several times
TODAY = datetime(2025, 1, 1)    # a template that prints today's date would change ids every day
PLAIN = """{% for m in messages %}\
{% if m.role == "assistant" %}Answer: {{ m.content }}{{ eos_token }}
{% else %}{{ "Question: " if m.role == "user" else "" }}{{ m.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"""
NO_THOUGHT = "\n</think>\n\n"    # ends a think block that the prompt has opened, as Qwen3 writes it


class Generation(jinja2.ext.Extension):
    """{% generation %} .. {% endgeneration %}, which marks an assistant's words: prints them."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def raise_exception(message):
    """What a template calls to refuse a chat."""
    raise jinja2.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    """As transformers gives it to templates; jinja2's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


class Tokenizer:
    """The tokenizer of a checkpoint folder.

    size      ids lie in range(size); rows of the embedding past it mean nothing
    end_ids   generation stops on any of them
    close_id  the token that the template puts after an assistant's turn, or else EOS: the one to
              train on
    thinking  whether a template that lets a model think aloud first (Qwen3) is asked to
    opening   "<think>\\n" where the prompt opens a think block (R1, QwQ), else "". An answer's text
              begins with it, so that the text alone tells what is thought
    """

    def __init__(self, folder, thinking=False, adapter=None, rows=None):
        """adapter: lora.Adapter on this model, or None. A tokenizer or template in its folder is
        used instead, since it was trained with them. rows: of the model's embedding."""
        self.folder = Path(folder)
        paths = {name: self.folder / name for name in FILES}
        if adapter and any((adapter.folder / name).is_file() for name in OWN):
            self.folder = adapter.folder
            paths |= {name: self.folder / name for name in OWN}
        self.thinking = thinking
        self.chats = {}                     # chats that were encoded before -> their ids
        self.answers = {}                   # the same of answers
        file = paths["tokenizer.json"]
        if not file.is_file():
            mend = "fetch it"
            if self.folder != Path(folder):
                mend += " (or delete the adapter's tokenizer files, to take those of its base)"
            raise LoadError(f"{file}: no such file; {mend}")
        # kept, so that save() does not depend on the folder still being there
        self.files = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
        try:
            self.bpe = tokenizers.Tokenizer.from_buffer(self.files["tokenizer.json"])
        except Exception as error:          # the library raises bare Exception or ValueError
            raise LoadError(f"{file}: does not parse ({error}); fetch the file again") from None
        self.bpe.no_truncation()
        self.bpe.no_padding()
        config = read_settings(self.folder)
        self.special = {}                   # {"eos_token": "</s>", ..}
        for key, value in config.items():
            if isinstance(value, dict):     # {"content": "</s>", ..}
                value = value.get("content")
            if key.endswith("_token") and value and isinstance(value, str):
                self.special[key] = value
        add_tokens(self.bpe, config, self.special, rows, self.folder)
        self.bpe.encode_special_tokens = bool(config.get("split_special_tokens"))
        vocabulary = self.bpe.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        # what tokenizer.json itself puts in front of a text, mostly BOS or nothing
        letter = self.bpe.encode("a")
        front = letter.special_tokens_mask.index(0) if 0 in letter.special_tokens_mask else 0
        self.bos_ids = letter.ids[:front]
        configs = (paths["generation_config.json"], Path(folder) / "config.json")
        self.end_ids = self.find_end_ids(vocabulary, configs)
        if self.end_ids and 0 <= self.end_ids[0] < self.size:
            self.special.setdefault("eos_token", self.bpe.id_to_token(self.end_ids[0]))

        # left out of decoded texts: special tokens, but not <think>, special in some vocabularies
        self.unseen = {id for id, token in self.bpe.get_added_tokens_decoder().items()
                       if token.special and token.content not in ("<think>", "</think>")}

        source = self.template_source(config)
        self.plain = not source
        self.template = self.compile(source or PLAIN)
        self.takes_system = self.find_takes_system()
        self.find_answer_format(vocabulary)
        if self.close_id is not None and self.close_id not in self.end_ids:
            self.end_ids.append(self.close_id)

    def find_end_ids(self, vocabulary, configs):
        """The end ids in the first file that names any, as in transformers."""
        ends = None
        for path in configs:
            if ends is None and path.is_file():
                ends = read_model_json(path).get("eos_token_id")
        if ends is None:
            ends = vocabulary.get(self.special.get("eos_token"), [])
        if type(ends) is int:
            ends = [ends]
        if not isinstance(ends, list) or not all(type(i) is int for i in ends):
            raise LoadError(f"{self.folder}: eos_token_id {ends!r} is no token id and no list of "
                            "them; fetch its file again")
        return list(ends)

    def template_source(self, config):
        """The chat template as text; None or "" where there is none."""
        source = config.get("chat_template")
        if isinstance(source, list):        # several named ones
            named = {t.get("name"): t.get("template") for t in source if isinstance(t, dict)}
            source = named.get("default")
        if "chat_template.jinja" in self.files:
            source = self.files["chat_template.jinja"].decode("utf-8", errors="replace")
        if source and not isinstance(source, str):
            raise LoadError(f"{self.folder}: the chat template is no text; "
                            "fetch tokenizer_config.json again")
        return source

    def compile(self, source):
        """The template, in a sandbox and with the helpers that transformers gives it."""
        env = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True,
            extensions=[jinja2.ext.loopcontrols, Generation])
        env.filters["tojson"] = tojson
        env.globals.update(raise_exception=raise_exception, strftime_now=TODAY.strftime)
        try:
            return env.from_string(source)
        except jinja2.TemplateError as error:
            raise LoadError(f"{self.folder}: the chat template does not compile "
                            f"({error})") from None

    def find_takes_system(self):
        """Does it matter to the template what a system message says? Some drop it or refuse."""
        user = {"role": "user", "content": "hello"}
        try:
            short = self.fill_template([{"role": "system", "content": "Be short."}, user])
            kind = self.fill_template([{"role": "system", "content": "Be kind."}, user])
        except LoadError:
            return False
        return short != kind

    def find_answer_format(self, vocabulary):
        """What the template writes around an answer, read off a chat with and without one.

            tail      between the question and an answer that is asked for: "[/INST]"
            before    between the tail and the answer's words: mostly nothing; " " for Llama 2
            behind    between the words and the closing token
        """
        question = {"role": "user", "content": "what is 17 + 25?"}
        answer = {"role": "assistant", "content": "certainly"}
        asked = self.fill_template([question])
        answered = self.fill_template([question, answer])
        if question["content"] not in asked:
            raise LoadError(f"{self.folder}: the chat template leaves the question out; "
                            "fetch the template again")
        self.tail = asked.rpartition(question["content"])[2]
        self.tail_ids = self.bpe.encode(self.tail, add_special_tokens=False).ids

        head, _, behind = answered.rpartition(answer["content"])
        between = head.rpartition(question["content"])[2]
        _, mark, thought = self.tail.rpartition("<think>")
        is_open = mark and "</think>" not in thought
        self.opening = mark + thought if is_open else ""
        if between.startswith(self.tail):
            self.before = between.removeprefix(self.tail)
        else:
            self.before = NO_THOUGHT if is_open else ""

        added = self.bpe.get_added_tokens_decoder()
        marks = [token for token in self.bpe.encode(behind, add_special_tokens=False).ids
                 if token in added and added[token].content.strip()]     # some are blanks
        close = added[marks[0]].content if marks else self.special.get("eos_token")
        self.close_id = vocabulary.get(close)
        self.behind = behind.partition(close)[0] if close and close in behind else ""

    def fill_template(self, messages):
        asks = messages[-1]["role"] != "assistant"
        try:
            return self.template.render(
                messages=messages, tools=None, documents=None, enable_thinking=self.thinking,
                add_generation_prompt=asks, **self.special)
        except Exception as error:          # a template is a program: it can fail in any way
            raise LoadError(f"{self.folder}: the chat template refuses this chat "
                            f"({' '.join(str(error).split())})") from None

    def render(self, messages):
        """The chat as text. It ends where an answer begins, or after the assistant's last words."""
        if self.plain:
            say_once(f"{self.folder.name} has no chat template: questions are asked as "
                     "\"Question: ...\\n\\nAnswer:\"")
        roles = [message["role"] for message in messages[:2]]
        if self.takes_system or roles != ["system", "user"]:
            return self.fill_template(messages)
        system, first = messages[0]["content"], messages[1]
        if system.strip():
            done = "it goes in front of the user's first"
            first = {"role": "user", "content": f"{system}\n\n{first['content']}"}
        else:
            done = "an empty one is left out"
        say_once(f"{self.folder.name}: its chat template takes no system message; {done}")
        return self.fill_template([first, *messages[2:]])

    def encode_chat(self, messages):
        """[{"role": .., "content": ..}, ..] -> ids, which are remembered, so do not change them."""
        key = tuple((message["role"], message["content"]) for message in messages)
        if key not in self.chats:
            if len(self.chats) >= REMEMBERED:
                self.chats.clear()
            text = self.render(messages)
            if self.plain:                  # a template writes BOS itself, PLAIN does not
                self.chats[key] = self.encode_batch([text])[0]
            else:
                self.chats[key] = self.bpe.encode(text, add_special_tokens=False).ids
        return self.chats[key]

    def encode_answer(self, text):
        """An answer -> what a model is to say after a prompt: ids, without the closing token.

        The words stay as they are. A text that thinks itself (it holds a </think>) needs no empty
        think block before it, and opens none where the prompt has opened one.
        """
        if text in self.answers:
            return self.answers[text]
        if "</think>" not in text:
            answer = self.before + text + self.behind
        elif self.opening:
            answer = text.lstrip().removeprefix("<think>").lstrip("\n") + self.behind
        else:
            answer = self.before.partition("<think>")[0] + text + self.behind
        # Encoded behind the prompt's end: some tokenizers put a space in front of any text.
        ids = self.bpe.encode(self.tail + answer, add_special_tokens=False).ids
        if ids[:len(self.tail_ids)] == self.tail_ids:
            ids = ids[len(self.tail_ids):]
        else:   # the answer's first letters would join the prompt's last, as two line breaks do
            ids = self.bpe.encode(answer, add_special_tokens=False).ids
        if len(self.answers) >= REMEMBERED:
            self.answers.clear()
        self.answers[text] = ids
        return ids

    def encode(self, text):
        """Plain text -> ids, with what tokenizer.json puts around it (BOS), as in transformers."""
        return self.bpe.encode(text).ids

    def encode_batch(self, texts):
        """Texts that will go on -> ids, on all cores: as `encode`, but with nothing put behind."""
        batch = []
        for i in range(0, len(texts), 512):     # the library's own results are much larger than ids
            part = self.bpe.encode_batch(texts[i:i + 512], add_special_tokens=False)
            batch += [self.bos_ids + encoded.ids for encoded in part]
        return batch

    def decode(self, ids):
        """ids -> text without special tokens, but for those round a thought."""
        seen = [id for id in ids if id not in self.unseen]
        return self.bpe.decode(seen, skip_special_tokens=False)

    def check_model(self, rows):
        """LoadError for a model that cannot be this one's: with so many rows in its embedding."""
        if not rows / 2 <= self.size <= rows or max(self.end_ids, default=0) >= self.size:
            raise LoadError(f"{self.folder}: the tokenizer has {self.size} entries and ends with "
                            f"{self.end_ids}, the model {rows} rows; tokenizer.json belongs to "
                            "another model, or tokens were added that this one lacks; fetch both "
                            "from one place")

    def save(self, folder):
        """Write the files that were read, as they were."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_atomic(Path(folder) / name, content)
