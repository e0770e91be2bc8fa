"""``audio-judge decide``: closed questions about clips, answered with probabilities."""

import argparse
import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job
from audio_judge.batch.write import Answer
from audio_judge.cli.common import digest, finish, in_chunks, prepare, request_of
from audio_judge.cli.options import ASKED, EXIT_CODES, add_inputs, add_judge, add_output
from audio_judge.errors import UsageError

EXAMPLES = f"""examples:
  audio-judge decide clip.wav --ask "Is there background noise?" --ask "Are there dropouts?"
  audio-judge decide clips/ --questions questions.json --output answers.jsonl

questions.json:
  {{"clicks": {{"type": "noul", "instructions": "Are there clicks?"}},
   "kind": {{"type": "choice", "instructions": "What is heard?",
            "criteria": {{"speech": null, "noise": null, "music": null, "silence": null}}}},
   "noise": {{"type": "score", "instructions": "How noisy is the speech?",
             "criteria": ["very noisy", "noisy", "somewhat noisy", "slightly noisy", "not noisy"]}},
   "when": {{"type": "span", "instructions": "dropout"}}}}

The answers are probabilities; no question changes the answer to another. A judge knows the questions that it was trained on
(`audio-judge ls questions`): what means the same is asked in those words, which the answer says (`asked_as`), and the answer to
any other has a `warning`. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``decide``."""
    add_inputs(parser)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    asked.add_argument("--questions", metavar="FILE", help="JSON file: name to question")
    asked.add_argument("--ask", action="append", default=[], metavar="TEXT", help="a yes-or-no question; repeatable")
    add_output(parser)


def decide(options: argparse.Namespace) -> int:
    """Answer closed questions about clips."""
    questions = _questions(options.questions, options.ask)
    asked = prepare(options, for_people=False)
    try:
        asked.judge.parse_questions(questions)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def ask(some: list[Item]) -> Iterable[dict[str, Any]]:
        return asked.judge.decide([request_of(item) for item in some], questions, batch_size=asked.batch_size)

    answer = partial(in_chunks, asked.batch_size, ask, _decided)
    settings = asked.settings("decide", questions=digest(json.dumps(questions)))
    return finish(Job("decided", settings, tuple(questions), answer, asked.columns.identity, ("answers",)), asked)


def _decided(answers: dict[str, Any]) -> Answer:
    if list(answers) == ["error"] and isinstance(answers["error"], str):
        return Answer(error=answers["error"])
    answers = _rounded(answers)
    # Of each kind of question, the answer stands under its name; when has several
    cells = {name: one["spans" if one["type"] == "span" else one["type"]] for name, one in answers.items()}
    return Answer({"answers": answers}, answers, cells=(cells,))


def _rounded(said: Any) -> Any:
    """Numbers as rows have them, to four places."""
    if isinstance(said, dict):
        return {name: _rounded(one) for name, one in said.items()}
    if isinstance(said, list | tuple):
        return [_rounded(one) for one in said]
    return round(said, 4) if isinstance(said, float) else said


def _questions(file: str | None, texts: Sequence[str]) -> dict[str, Any]:
    """Questions of the file and those that are asked in words, which are named by their words."""
    questions: dict[str, Any] = {}
    if file is not None:
        try:
            questions = json.loads(Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--questions {file}: cannot be read as JSON ({error})") from error
        if not isinstance(questions, dict):
            raise UsageError(f"--questions {file}: one object, name to question, is needed")
    questions |= {text: {"type": "noul", "instructions": text} for text in texts}
    if not questions:
        raise UsageError("no question; give --ask TEXT or --questions FILE")
    return questions
