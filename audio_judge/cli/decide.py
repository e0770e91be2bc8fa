"""The commands of ``audio-judge`` that ask other things than scores: questions, pairs, real or fake, windows, facts.

audio-judge compare old.wav new.wav
audio-judge decide clip.wav --ask "Is there hum?"
"""

import argparse
import hashlib
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job, output_of
from audio_judge.batch.write import Answer
from audio_judge.cli.common import (
    columns_of,
    finish,
    in_chunks,
    items_of,
    load,
    request_of,
    settings_of,
)
from audio_judge.cli.options import EXIT_CODES, add_inputs, add_judge, add_run
from audio_judge.errors import UsageError


def decide(options: argparse.Namespace) -> int:
    """Answer closed questions about clips.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    questions = _questions(options)
    output = output_of(options, for_people=False)
    items = items_of(options)
    judge = load(options)
    try:
        judge.parse_questions(questions)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def ask(some: list[Item]) -> Iterable[dict[str, Any]]:
        return judge.decide([request_of(item) for item in some], questions, batch_size=options.batch_size)

    digest = hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:12]
    settings = settings_of("decide", judge, questions=digest)
    answer = partial(in_chunks, options.batch_size, ask, _decided)
    job = Job("decided", settings, tuple(questions), answer, columns_of(options).identity, ("answers",))
    return finish(job, items, output, options)


def _decided(answers: dict[str, Any]) -> Answer:
    if list(answers) == ["error"] and isinstance(answers["error"], str):
        return Answer(error=answers["error"])
    # Of each kind of question, the answer stands under its name; when has several
    cells = {name: one["spans" if one["type"] == "span" else one["type"]] for name, one in answers.items()}
    return Answer({"answers": answers}, answers, cells=(cells,))


def _questions(options: argparse.Namespace) -> dict[str, Any]:
    """Questions of the file and those that are asked in words, which are named by their words."""
    questions: dict[str, Any] = {}
    if options.questions is not None:
        try:
            questions = json.loads(Path(options.questions).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--questions {options.questions}: cannot be read as JSON ({error})") from error
        if not isinstance(questions, dict):
            raise UsageError(f"--questions {options.questions}: one object, name to question, is needed")
    questions |= {text: {"type": "noul", "instructions": text} for text in options.ask}
    if not questions:
        raise UsageError("no question; give --ask TEXT or --questions FILE")
    return questions


DECIDE_EXAMPLES = f"""examples:
  audio-judge decide clip.wav --ask "Is there hum?" --ask "Does the speaker sound tired?"
  audio-judge decide clips/ --questions questions.json --output answers.jsonl

questions.json:
  {{"hum": {{"type": "noul", "instructions": "Is there hum?"}},
   "kind": {{"type": "choice", "instructions": "What is heard?", "criteria": {{"speech": null, "music": "songs too"}}}},
   "noise": {{"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]}}}}

The answers are probabilities; no question changes the answer to another. {EXIT_CODES}"""


def add_decide_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``decide``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    parser.add_argument("--questions", metavar="FILE", help="JSON file: name to question")
    parser.add_argument("--ask", action="append", default=[], metavar="TEXT", help="a yes-or-no question; repeatable")
    add_judge(parser, with_profile=False)
    add_run(parser)
