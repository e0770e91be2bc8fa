import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "training" / "published.md"


def rows():
    """Recipe, key and our value of each line of the table whose value stands in backticks."""
    recipe, found = "", []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 5 or cells[0] in ("recipe", "---"):
            continue
        recipe = cells[0].strip("`") or recipe
        if value := re.match(r"`([^`]+)`", cells[3]):
            found.append((recipe, cells[1].strip("`"), value[1]))
    return found


@pytest.mark.parametrize(("recipe", "key", "value"), rows(), ids=lambda part: str(part)[:40])
def test_ours_is_what_the_recipe_says(recipe, key, value):
    said = yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text())
    assert said[key] == yaml.safe_load(value)


def test_every_system_is_there():
    recipes = {recipe for recipe, *_ in rows()}
    published = {f"sft/{path.stem}" for path in (ROOT / "recipes" / "sft").glob("*.yaml")}
    assert published - {"sft/mini", "sft/mini_refine", "sft/open", "sft/open_refine", "sft/example"} <= recipes
