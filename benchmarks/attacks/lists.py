"""Lists of clips, as JSON lines and as tables, with rows that nobody expects among good ones."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

from attacks import judged, values
from attacks.rounds import Found
from audio_judge.batch import lines

NAMES = (
    "path",
    "start_time",
    "end_time",
    "reference",
    "channel",
    "text",
    "offset",
    "duration",
    "scores",
    "error",
    "task",
    "",
)
# Lines of JSON lines that hold no row
NO_ROWS = (
    "not json", "[]", "3", "null", '"text"', '{"path": "clip.wav"', "{" * 2000, '{"path": "clip.wav", "x": ' + "[" * 2000 + "}",
    '{"path": "clip.wav", "start_time": 1e999}', '{"path": "clip.wav", "end_time": ' + "9" * 400 + "}", "{}", '{"path": NaN}',
    '{"path": "clip.wav"} {"path": "clip.wav"}', '{"path": "\\ud800.wav"}', '{"path": ["clip.wav"]}', "\\",
)  # fmt: skip
GOOD = "good"


class Lists:
    """Rows of lists, each of which must come out as one row, with scores or with an error."""

    name, size = "rows of lists", 100

    def prepare(self, folder: Path) -> None:
        """Load the judge."""
        judged.judge_folder(folder)

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Score a list of a hundred rows; the rows come out as JSON lines, as a table or as a page."""
        (folder / "clip.wav").write_bytes(judged.clip(0.3))
        found.tried, is_table = self.size, rng.random() < 0.4
        name = "list.csv" if is_table else "list.jsonl"
        text = self._table(rng) if is_table else self._json_lines(rng)
        (folder / name).write_text(text, encoding="utf-8", errors="replace", newline="")
        out = folder / rng.choice(["scores.jsonl", "scores.csv", "scores.html"])
        code = judged.judge_by_command("score", name, "--rubric", "mos", "--output", out, "--batch-size", 8)
        if code not in (0, 1):
            found.note("rows", f"{name} was refused with exit code {code}", self.size)
            return
        rows = self._read(out)
        if len(rows) != self.size:
            found.note("rows", f"{len(rows)} rows of {self.size}", abs(len(rows) - self.size))
        good = {_score_of(row) for row in rows if row.get("id") == GOOD}
        if len(good) != 1 or None in good:
            found.note("wrong", f"the same clip has the scores {good}")
        for row in rows:
            if bool(row.get("error")) == (_score_of(row) is not None):
                found.note("wrong", f"neither a score nor an error, or both: {str(row)[:300]}")

    def _json_lines(self, rng: random.Random) -> str:
        written = []
        for number in range(self.size):
            row: dict[str, Any] = {"path": "clip.wav", "id": number}
            if number % 10 == 0:
                row["id"] = GOOD
            elif rng.random() < 0.3:
                written.append(rng.choice(NO_ROWS))
                continue
            else:
                row |= {rng.choice(NAMES): values.value(rng) for _ in range(rng.randrange(1, 4))}
            written.append(json.dumps(row, ensure_ascii=rng.random() < 0.5))
        return "\n".join(written) + rng.choice(["", "\n"])

    def _table(self, rng: random.Random) -> str:
        text = io.StringIO()
        columns = ["path", "id", *rng.sample([name for name in NAMES if name not in ("path", "")], 4)]
        writer = csv.DictWriter(text, columns, lineterminator=rng.choice(["\n", "\r\n"]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for number in range(self.size):
            row: dict[str, Any] = {"path": "clip.wav", "id": number}
            if number % 10 == 0:
                row["id"] = GOOD
            else:
                row |= {rng.choice(columns): str(values.value(rng)) for _ in range(rng.randrange(1, 4))}
            writer.writerow(row)
        return text.getvalue()

    def _read(self, out: Path) -> list[dict[str, Any]]:
        if out.suffix == ".csv":
            return [dict(line.row) for line in lines.scan(out, "csv")]
        if out.suffix == ".html" and not out.exists():
            return []
        path = out if out.suffix == ".jsonl" else out.with_name("scores.html.jsonl")
        return [dict(line.row) for line in lines.scan(path, "json")]


def _score_of(row: dict[str, Any]) -> float | None:
    scores = row.get("scores") if isinstance(row.get("scores"), dict) and "mos" in row.get("scores", {}) else row
    mos = scores.get("mos")
    return None if mos in (None, "") else round(float(mos), 4)
