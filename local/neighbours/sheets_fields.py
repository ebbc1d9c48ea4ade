"""Google's partial answers: `fields=sheets.properties.title` keeps of an answer what it names.

[developers.google.com/workspace/sheets/api/guides/field-masks]
"""

from typing import Any

Mask = dict[str, "Mask"]
"""What is kept below each name; nothing named below means everything."""


class MaskProblem(Exception):
    """Not a field mask."""


def read_mask(text: str) -> Mask:
    """A mask like `a.b,c(d,e)`, also with `/` for `.`. MaskProblem for anything else."""
    mask, rest = _read(text)
    if rest or not mask:
        raise MaskProblem(text)
    return mask


def masked(value: Any, mask: Mask) -> Any:
    """Of an answer what a mask names."""
    if isinstance(value, list):
        return [masked(each, mask) for each in value]
    if not isinstance(value, dict) or not mask or "*" in mask:
        return value
    return {name: masked(each, mask[name]) for name, each in value.items() if name in mask}


def _read(text: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while text and text[0] != ")":
        ends = [len(text), *(text.index(mark) for mark in ".,/()" if mark in text)]
        end = min(ends)
        name, mark, text = text[:end].strip(), text[end : end + 1], text[end + 1 :]
        if not name:
            raise MaskProblem(text)
        below = mask.setdefault(name, {})
        while mark in {".", "/"}:
            end = min([len(text), *(text.index(each) for each in ".,/()" if each in text)])
            name, mark, text = text[:end].strip(), text[end : end + 1], text[end + 1 :]
            if not name:
                raise MaskProblem(text)
            below = below.setdefault(name, {})
        if mark == "(":
            inner, text = _read(text)
            if not text.startswith(")") or not inner:
                raise MaskProblem(text)
            below.update(inner)
            text = text[1:].removeprefix(",")
        elif mark == ")":
            return mask, ")" + text
    return mask, text
