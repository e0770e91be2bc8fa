"""The options of the commands of ``audio-judge`` that ask a judge, and the examples that their ``--help`` shows.

Nothing heavy is imported here; what the commands do is in ``audio_judge.commands``.
"""

import argparse
from collections.abc import Callable

from audio_judge.inputs import PATH_COLUMNS
from audio_judge.languages import LANGUAGES

Adder = Callable[[argparse.ArgumentParser], None]

EXIT_CODES = """Exit code: 0, 1 if some clips could not be judged (their rows say why), 2 if the request was unusable, 130 if
interrupted."""

SCORE_EXAMPLES = f"""examples:
  audio-judge score clip.wav other.mp3 clips/ --output scores.jsonl
  audio-judge score "takes/**/*.flac" --table
  audio-judge score degraded.wav --reference clean.wav --rubric mos
  audio-judge score clips/ --rubric mos --rubric warmth.yaml --profile "elderly listener" --output scores.html
  audio-judge score rows.jsonl --output scores.csv --resume
  audio-judge score corpus.csv --path-column filename --scale 0-100 > scores.jsonl
  audio-judge score hf://datasets/OWNER/NAME:test --output scores.jsonl
  find . -name "*.wav" | audio-judge score - --output scores.jsonl
  accelerate launch --num_processes 4 -m audio_judge score clips/ --output scores.jsonl

A row of a .jsonl or .csv list has `path` and may have `start_time`, `end_time` (in seconds) and `reference`; paths are
relative to the list. All its other keys are kept in the output; one that the answer needs becomes input_<key>.
CSV output has no shares per level and no timeline. x.html is a page for people; its rows are in x.html.jsonl beside it.
With several processes each writes a part beside the output; they are merged in the order of the clips at the end.
{EXIT_CODES}"""

PROFILE_EXAMPLES = f"""examples:
  audio-judge profile clip.wav --table
  audio-judge profile clips/ --output profiles.csv

Every rubric that the judge was trained on, each on its own scale. {EXIT_CODES}"""

EXPLAIN_EXAMPLES = f"""examples:
  audio-judge explain clip.wav
  audio-judge explain degraded.wav --reference clean.wav
  audio-judge explain clips/ --output explained.html

Without --output, text for people; `--output -` gives JSON lines. {EXIT_CODES}"""

ASSESS_EXAMPLES = f"""examples:
  audio-judge assess clip.wav
  audio-judge assess clips/ --profile "call centre customer" --output assessed.jsonl

The `text` of a row is the whole answer: a thought with a line per dimension, and the summary. {EXIT_CODES}"""

SUGGEST_EXAMPLES = f"""examples:
  audio-judge suggest clip.wav
  audio-judge suggest clips/ --output suggestions.csv

{EXIT_CODES}"""

DESCRIBE_EXAMPLES = f"""examples:
  audio-judge describe clip.wav
  audio-judge describe clips/ --output descriptions.jsonl

{EXIT_CODES}"""

DETECT_EXAMPLES = f"""examples:
  audio-judge detect clip.wav
  audio-judge detect clips/ --output detected.csv

`real` is the probability that the speech is real, not made or altered by a machine. {EXIT_CODES}"""

COMPARE_EXAMPLES = f"""examples:
  audio-judge compare old.wav new.wav
  audio-judge compare old/ new/ --rubric noisiness --output compared.csv
  audio-judge compare pairs.csv --output compared.jsonl
  audio-judge compare systems.csv --first-column ours --second-column theirs --no-reasons > compared.txt

Clips of two folders are paired by their names, without the endings; rows of a list have the paths `a` and `b`. The order of
a pair cannot change what is said about it. {EXIT_CODES}"""

TIMELINE_EXAMPLES = f"""examples:
  audio-judge timeline podcast.mp3
  audio-judge timeline podcast.mp3 --rubric mos --window-seconds 5 --hop-seconds 1 --output podcast.csv

A .csv file has a row per window, a .jsonl file a row per recording. {EXIT_CODES}"""

ANALYZE_EXAMPLES = f"""examples:
  audio-judge analyze clip.wav
  audio-judge analyze clips/ --output facts.csv

Measured, not judged: level, peaks, clipping, noise, bandwidth, dropouts, silence. {EXIT_CODES}"""

DECIDE_EXAMPLES = f"""examples:
  audio-judge decide clip.wav --ask "Is there hum?" --ask "Does the speaker sound tired?"
  audio-judge decide clips/ --questions questions.json --output answers.jsonl

questions.json:
  {{"hum": {{"type": "noul", "instructions": "Is there hum?"}},
   "kind": {{"type": "choice", "instructions": "What is heard?", "criteria": {{"speech": null, "music": "songs too"}}}},
   "noise": {{"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]}}}}

The answers are probabilities; no question changes the answer to another. {EXIT_CODES}"""


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clips",
        nargs="+",
        metavar="PATH",
        help="file, glob, directory, .jsonl or .csv list, hf://datasets/OWNER/NAME:SPLIT, or - for stdin",
    )
    parser.add_argument("--reference", metavar="FILE", help="undegraded original of all clips whose row names none")
    parser.add_argument(
        "--path-column", metavar="NAME", help=f"column of the clips in a list (default: {', '.join(PATH_COLUMNS)})"
    )
    parser.add_argument(
        "--reference-column", default="reference", metavar="NAME", help="column of the originals (default: reference)"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips")
    parser.add_argument(
        "--output", "--out", metavar="FILE", help=".jsonl, .csv or .html file, or - for JSON lines on stdout"
    )
    parser.add_argument("--resume", action="store_true", help="skip the rows, errors too, that the output has already")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def _add_judge(parser: argparse.ArgumentParser, *, with_profile: bool = True) -> None:
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="of the weights (default: the checkpoint's, or bfloat16 where it helps)",
    )
    parser.add_argument(
        "--batch-size", type=positive_int, default=8, metavar="N", help="windows per forward pass (default: 8)"
    )
    parser.add_argument(
        "--max-hours", type=positive_float, default=2.0, metavar="H", help="refuse longer clips (default: 2)"
    )
    if with_profile:
        parser.add_argument(
            "--profile", metavar="WORDS", help='on whose behalf to listen, such as "elderly" or "sound engineer"'
        )


def _add_rubric(parser: argparse.ArgumentParser, default: str = "mos and its four dimensions") -> None:
    parser.add_argument(
        "--rubric",
        action="append",
        metavar="NAME",
        help=f"one of `ls rubrics`, or a .yaml or .json file of your own; repeatable (default: {default})",
    )


def _add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", metavar="SCALE", help="of all scores: 1-5, 1-10, 0-100 …, or `own` for that of each rubric"
    )
    parser.add_argument("--table", action="store_true", help="show a table for people on stdout")


def _add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the level names and the words (default: en)"
    )


def _add_length(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-new-tokens", type=positive_int, metavar="N", help="longest free text of an answer")


def add_score_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``score``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_rubric(parser)
    _add_scale(parser)
    parser.add_argument("--explain", action="store_true", help="add reasons in words (slower)")
    _add_length(parser)
    _add_language(parser)
    _add_judge(parser)
    _add_run(parser)


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``profile``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_scale(parser)
    _add_language(parser)
    _add_judge(parser)
    _add_run(parser)


def add_word_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``explain``, ``assess``, ``suggest`` and ``describe``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_length(parser)
    _add_language(parser)
    _add_judge(parser)
    _add_run(parser)


def add_detect_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``detect``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_judge(parser)
    _add_run(parser)


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``.

    Args:
        parser: Of the command.
    """
    parser.add_argument(
        "clips", nargs="+", metavar="PATH", help="two files, two directories, .jsonl or .csv lists of pairs, or -"
    )
    parser.add_argument("--first-column", default="a", metavar="NAME", help="column of clip A in a list (default: a)")
    parser.add_argument("--second-column", default="b", metavar="NAME", help="column of clip B in a list (default: b)")
    _add_rubric(parser, "mos; the first one decides")
    parser.add_argument("--no-reasons", action="store_true", help="only probabilities, no words (faster)")
    parser.add_argument(
        "--form", choices=("preference", "dimensions"), default="preference", help="of the words (default: preference)"
    )
    _add_length(parser)
    _add_judge(parser)
    _add_run(parser)


def add_timeline_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``timeline``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_rubric(parser)
    parser.add_argument(
        "--window-seconds", type=positive_float, metavar="S", help="length of a window (default: the judge's)"
    )
    parser.add_argument(
        "--hop-seconds", type=positive_float, metavar="S", help="from window to window (default: side by side)"
    )
    _add_judge(parser)
    _add_run(parser)


def add_analyze_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``analyze``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    _add_run(parser)


def add_decide_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``decide``.

    Args:
        parser: Of the command.
    """
    _add_inputs(parser)
    parser.add_argument("--questions", metavar="FILE", help="JSON file: name to question")
    parser.add_argument("--ask", action="append", default=[], metavar="TEXT", help="a yes-or-no question; repeatable")
    _add_judge(parser, with_profile=False)
    _add_run(parser)


def positive_int(text: str) -> int:
    """Read a whole number above 0.

    Args:
        text: Of the option.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number above 0 is needed")
    return int(text)


def positive_float(text: str) -> float:
    """Read a number above 0.

    Args:
        text: Of the option.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 is needed")
    return value


# Name, options, summary and examples of each command
JUDGE_COMMANDS: tuple[tuple[str, Adder, str, str], ...] = (
    ("score", add_score_options, "Score clips on rubrics.", SCORE_EXAMPLES),
    ("profile", add_profile_options, "Score clips on every rubric the judge knows.", PROFILE_EXAMPLES),
    ("explain", add_word_options, "Score clips and say in words why.", EXPLAIN_EXAMPLES),
    ("assess", add_word_options, "Assess clips dimension by dimension, with a summary.", ASSESS_EXAMPLES),
    ("suggest", add_word_options, "Say what to improve in clips.", SUGGEST_EXAMPLES),
    ("describe", add_word_options, "Describe clips in running text.", DESCRIBE_EXAMPLES),
    ("compare", add_compare_options, "Say which of two clips is better.", COMPARE_EXAMPLES),
    ("detect", add_detect_options, "Say how likely speech is real.", DETECT_EXAMPLES),
    ("timeline", add_timeline_options, "Score recordings window by window.", TIMELINE_EXAMPLES),
    ("decide", add_decide_options, "Answer closed questions about clips.", DECIDE_EXAMPLES),
    ("analyze", add_analyze_options, "Measure clips, without a judge.", ANALYZE_EXAMPLES),
)
