"""invoke's program for this project: further spellings of commands and options.

`invoke` runs a program of its own, which `tasks.py` replaces by `use`. Errors of the parser, and
options of invoke itself such as `--dry`, would be handled in `Program` too.
"""

from __future__ import annotations

from collections.abc import Mapping

import invoke
from invoke.exceptions import ParseError
from invoke.parser import Parser, ParserContext

ALIASES: Mapping[str, tuple[str, ...]] = {
    "schedule.csv-import": ("schedule.import-csv",),
    "schedule.import-json": ("schedule.json-import",),
}
"""Further names of commands, kept for compatibility. They work, and aren't listed."""

OPTIONAL_POSITIONALS: Mapping[str, tuple[str, ...]] = {"schedule.oc-import": ("endpoint",)}
"""Arguments that may be given without their option's name, or not at all, by command.

They are `positional` in `@command`, and None if they aren't given.
"""


class Program(invoke.Program):
    """invoke's program, which also accepts underscores, ALIASES and OPTIONAL_POSITIONALS.

    Documents of sites have `exec.on_demand --oc_workflow=X`.
    """

    _requires_optional_positionals = True

    def parse_tasks(self) -> None:
        """Parse the commands and their options.

        invoke takes a word without an option's name only for an argument that it requires. So
        optional ones are required first, and not any more if only they are missing.
        """
        try:
            super().parse_tasks()
        except ParseError as error:
            if not _lacks_only_optional(error.context):
                raise
            self._requires_optional_positionals = False
            super().parse_tasks()

    def _make_parser(self) -> Parser:
        parser = super()._make_parser()
        for name, context in list(parser.contexts.items()):
            spellings = (name, *context.aliases, *ALIASES.get(name, ()))
            for spelling in {*spellings, *map(underscored, spellings)} - set(parser.contexts):
                parser.contexts.alias(spelling, to=name)
            for flag in list(context.flags):
                if underscored(flag) != flag:
                    context.flags.alias(underscored(flag), to=flag)
            if not self._requires_optional_positionals:
                context.positional_args = _required(context)
        return parser


def _required(context: ParserContext) -> list[invoke.Argument]:
    """Return the positional arguments of a command that aren't optional."""
    optional = OPTIONAL_POSITIONALS.get(str(context.name), ())
    return [argument for argument in context.positional_args if argument.name not in optional]


def _lacks_only_optional(context: ParserContext | None) -> bool:
    """Tell whether the only missing arguments of a command are optional."""
    if context is None or not context.missing_positional_args:
        return False
    return not any(argument.value is None for argument in _required(context))


def use(program: invoke.Program) -> None:
    """Make a program that runs already, invoke's own, one of this project."""
    program.__class__ = Program


def underscored(name: str) -> str:
    """Return `--oc-workflow` as `--oc_workflow`."""
    dashes = len(name) - len(name.lstrip("-"))
    return name[:dashes] + name[dashes:].replace("-", "_")
