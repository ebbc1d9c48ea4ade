"""Write docs/commands.md from the commands: `python -m ops.reference`.

A test compares the file with this module's output.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from invoke import Argument, Collection

from ops.command_line import ALIASES, OPTIONAL_POSITIONALS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

INTRODUCTION = """# Commands

This page lists what each command does and which options it has. `invoke --help COMMAND` says the
same on the terminal. Words in capitals are values. A value without dashes is required, unless it
stands in brackets. Names and options may have underscores (`exec.on_demand --oc_workflow=X`).
`.venv/bin/python -m ops.reference` writes this file.
"""

TITLES = {
    "": "Without a group",
    "stack": "The stack",
    "deploy": "Code",
    "debug": "Debug logging",
    "recordings": "Recordings",
    "exec": "Recordings by hand",
    "queue": "Queues and dead-letter queues",
    "logs": "Logs",
    "schedule": "The class schedule",
    "secrets": "Secrets",
    "local": "The local stack",
}


def document(root: Collection) -> str:
    """Return the text of docs/commands.md.

    Raises:
        ValueError: A group of commands has no title.
    """
    return "\n".join(pages(root)).rstrip() + "\n"


def pages(root: Collection) -> Iterator[str]:
    """Yield the lines of docs/commands.md.

    Raises:
        ValueError: A group of commands has no title.
    """
    yield INTRODUCTION
    groups: dict[str, list[str]] = {}
    for name in sorted(root.task_names):
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    unknown = set(groups) - set(TITLES)
    if unknown:
        raise ValueError(f"A title is missing for {', '.join(sorted(unknown))}.")
    for group, title in TITLES.items():
        if group in groups:
            yield f"## {title}\n"
            yield from group_lines(root, groups[group])
            yield ""


def group_lines(root: Collection, names: list[str]) -> Iterator[str]:
    """Yield the table of one group of commands, and the lists of the commands' options."""
    yield "| command | what it does |"
    yield "| --- | --- |"
    by_options: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        task = root[name]
        # A task's `get_arguments` returns the help texts only at the first call.
        arguments = task.get_arguments()
        others = "".join(f", `{other}`" for other in ALIASES.get(name, ()))
        words = "".join(
            f" {word_of(argument, name)}" for argument in arguments if argument.positional
        )
        does = (task.__doc__ or "").strip().partition("\n")[0]
        yield f"| `{name}{words}`{others} | {does} |"
        by_options.setdefault(tuple(map(option, arguments)), []).append(name)
    for options, commands in by_options.items():
        if options:
            yield f"\n{', '.join(f'`{command}`' for command in commands)}:\n"
            yield from (f"- {described}" for described in options)


def option(argument: Argument) -> str:
    """Return the description of an option: the option's spellings and help text."""
    typed = [
        f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-').rstrip('-')}"
        for name in argument.names
    ]
    value = f" {value_of(argument)}" if argument.takes_value else ""
    said = f": {argument.help}" if argument.help else ""
    return f"`{', '.join(sorted(typed, key=len))}{value}`{said}"


def word_of(argument: Argument, command: str) -> str:
    """Return a positional argument's placeholder, such as `REVISION`; in brackets if optional."""
    value = value_of(argument)
    return f"[{value}]" if argument.name in OPTIONAL_POSITIONALS.get(command, ()) else value


def value_of(argument: Argument) -> str:
    """Return the placeholder of an argument's value, such as `REVISION`."""
    return str(argument.name).upper().rstrip("_")


if __name__ == "__main__":
    import tasks  # Only this program needs tasks.py, which imports all commands.

    DOCUMENT.write_text(document(tasks.namespace), encoding="utf-8")
