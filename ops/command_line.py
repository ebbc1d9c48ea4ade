"""The parser of the command line of `invoke`: names, options, help, and errors in sentences.

invoke makes its parser and program itself, so `adapt_invoke` replaces invoke's classes.
"""

from __future__ import annotations

import difflib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import invoke.parser.parser as invoke_parser
from invoke import Argument, Exit, ParseError, Program
from invoke.main import program
from invoke.parser import Parser, ParserContext
from invoke.parser.parser import ParseMachine
from invoke.util import helpline

from ops.revision import revision
from ops.terminal import fitted, fitted_error

ALIASES: Mapping[str, tuple[str, ...]] = {
    "recordings.list": ("recordings",),
    "schedule.csv-import": ("schedule.import-csv",),
    "schedule.import-json": ("schedule.json-import",),
}
"""Further names of commands, kept for compatibility, which `invoke -l` doesn't list."""


OPTIONAL_POSITIONALS: Mapping[str, tuple[str, ...]] = {"schedule.oc-import": ("endpoint",)}
"""Arguments that are positional but optional, by command.

Such an argument is `positional` in `@command`, and None if the operator leaves the argument out.
"""


CORE_OPTIONS_WITHOUT_EFFECT: Mapping[str, str] = {
    "command-timeout": "",
    "config": "",
    "echo": "",
    "hide": "",
    "no-dedupe": "",
    "prompt-for-sudo-password": "",
    "pty": "",
    "warn-only": "",
}
"""Options of invoke that the project's commands refuse, each with advice for the operator or ""."""


FIRST_STEPS = """\
Begin with:
  make demo               send recordings through on this machine
  invoke local.up         start the local stack
  invoke stack.create     create a stack in AWS (docs/set-up.md says how)
  invoke COMMAND --help   what a command does and takes
  invoke -l               all commands
"""

OVERVIEW: Mapping[str, str] = {
    "stack": "create, update, delete and look at the stack",
    "deploy": "put new code into the functions",
    "release": "make deployed code live, or go back (--to)",
    "recordings": "show where recordings are and why, forget one",
    "exec": "send a recording through the pipeline",
    "queue": "show the queues and what failed, and retry",
    "logs": "read the functions' logs",
    "schedule": "import, show and remove the class schedule",
    "secrets": "show and rotate secrets",
    "debug": "switch debug logging on and off",
    "migrate": "copy the tables of another stack",
    "local": "the local stack, without an AWS account",
    "package": "build the functions' packages",
    "audit": "look up known vulnerabilities of all packages",
    "codebuild": "build a revision in AWS and release it",
    "update-requirements": "update the lock files of all requirements",
    "test": "run all tests",
}
"""A line about each group of commands, and about each command without a group."""


YES_HELP = "ask nothing, as with NONINTERACTIVE"

NEAR = 0.7
"""Minimum similarity, from 0 to 1, of a known name that is suggested (`difflib`'s cutoff)."""


class Machine(ParseMachine):
    """A parser that explains mistakes in a sentence and suggests similar names."""

    token = ""
    typed = ""
    """The typed name of the current command, such as `recordings` for `recordings.list`."""

    def _bring_definitions_to_object_level(self) -> None:
        # Subclasses don't inherit the states of invoke's state machine.
        self._states.update(ParseMachine._class_states)  # noqa: SLF001 - invoke offers no other way
        self._transitions.extend(ParseMachine._class_transitions)  # noqa: SLF001

    def handle(self, token: str) -> None:
        """Read the next word. After a command, `--help` works even if arguments are missing.

        Raises:
            ParseError: The word isn't valid here, for example because no command, argument or
                option has this name.
        """
        self.token = token
        if (
            token in {"--help", "-h"}
            and self.context is not self.initial
            and token not in self.context.flags
            and not self.waiting_for_flag_value
            and self.current_state != "unknown"
        ):
            self.initial.flags["--help"].value = str(self.context.name)
            return
        try:
            super().handle(token)
        except KeyError:
            raise ParseError(self._unknown(), self.context) from None

    def switch_to_context(self, name: str) -> None:
        """Begin the command that was typed."""
        self.typed = name
        super().switch_to_context(name)

    def complete_context(self) -> None:
        """Finish the command at the end of its arguments.

        Raises:
            ParseError: A required argument is missing.
        """
        context = self.context
        optional = OPTIONAL_POSITIONALS.get(str(context.name), ())
        context.positional_args = [
            argument
            for argument in context.positional_args
            if argument.value is not None or argument.name not in optional
        ]
        if self._help_is_wanted():
            context.positional_args = []
        elif missing := context.missing_positional_args:
            names = " and ".join(placeholder(argument) for argument in missing)
            raise ParseError(f"{context.name} needs {names}. {usage(context)}", context)
        super().complete_context()

    def complete_flag(self) -> None:
        """Finish the current option.

        Raises:
            ParseError: The option's value is missing.
        """
        flag: Argument | None = self.flag
        if flag and flag.takes_value and flag.raw_value is None and not flag.optional:
            raise ParseError(f"--{flag.names[0]} needs a value. {self._usage()}", self.context)
        super().complete_flag()

    def see_value(self, value: Any) -> None:
        """Set the current option's value.

        Raises:
            ParseError: The option needs a number, and the value isn't a number; or the option takes
                no value; or the value is ambiguous.
        """
        try:
            super().see_value(value)
        except ValueError:
            flag: Argument | None = self.flag
            name = flag.names[0] if flag else ""
            said = f"--{name} needs a whole number, not {value!r}. {self._usage()}"
            raise ParseError(said, self.context) from None

    def error(self, msg: str) -> None:
        """Raise ParseError for a word that isn't a command, option or value here."""
        del msg
        raise ParseError(self._unknown(), self.context)

    def _help_is_wanted(self) -> bool:
        return bool(self.initial.flags["--help"].raw_value)

    def _usage(self) -> str:
        return usage(self.context) if self.context.name else "`invoke --help` shows the options."

    def _unknown(self) -> str:
        token = self.token
        if not token.startswith("-"):
            if self.context.name is None:
                return unknown_command(token, self.contexts)
            return unknown_argument(token, self.typed, self.context, self.contexts)
        name = str(self.context.name or "invoke")
        near = near_name(token, self.context.flags)
        return f"{name} has no option {token}. {near}{self._usage()}"


class CommandLine(Program):
    """The program `invoke` with this project's parser, options and help."""

    def core_args(self) -> list[Argument]:
        """Return invoke's own options, and `--yes`."""
        yes = Argument(names=("yes", "y"), kind=bool, default=False, help=YES_HELP)
        return [*super().core_args(), yes]

    def execute(self) -> None:
        """Run the commands. With `--yes` the commands ask nothing."""
        if "yes" in self.args and self.args.yes.value:
            os.environ["NONINTERACTIVE"] = "1"
        super().execute()

    def _update_core_context(self, context: ParserContext, new_args: Any) -> None:
        # invoke parses its own options before it loads tasks.py. So `context` lacks `--yes`.
        if "yes" not in context.args:
            context.add_arg(new_args["yes"])
        super()._update_core_context(context, new_args)

    def _make_parser(self) -> Parser:
        contexts = self.collection.to_contexts(
            ignore_unknown_help=self.config.tasks.ignore_unknown_help
        )
        for context in contexts:
            add_underscored(context)
        return Parser(initial=self.initial_context, contexts=contexts)

    def parse_tasks(self) -> None:
        """Parse the commands. Wrap the text of a ParseError to the terminal's width."""
        with fitted_parse_errors():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        """Handle `--version`, turn `--dry` into `--dry-run`, and refuse options without effect.

        Raises:
            Exit: The version, help, a list or completions were printed, or `--list` names no group
                of commands.
            SystemExit: No command was given, and the overview was printed.
            ParseError: An option has no effect here, a command has no dry run, or `--help` names an
                unknown command.
        """
        if self.args.version.value:
            # The `--version` stands after a command. invoke itself handles only a `--version`
            # before all commands.
            print(version_line())
            raise Exit
        with fitted_parse_errors():
            self._check_options()
        super().parse_cleanup()

    def _check_options(self) -> None:
        if self.args.dry.value:
            self._run_dry()
        for name, advice in CORE_OPTIONS_WITHOUT_EFFECT.items():
            if name in self.args and self.args[name].got_value:
                raise ParseError(
                    f"--{name} is an option of invoke without effect here. {advice}".strip()
                )
        wanted = self.args.help.value
        if isinstance(wanted, str) and wanted not in self.parser.contexts:
            raise ParseError(unknown_command(wanted, self.parser.contexts))

    def _run_dry(self) -> None:
        """Turn `--dry` into `--dry-run`.

        Raises:
            ParseError: A command doesn't know `--dry-run`.
        """
        for context in self.tasks:
            if "dry-run" not in context.args:
                raise ParseError(f"{context.name} has no dry run: leave --dry out.")
            context.args["dry-run"].value = True

    def task_list_opener(self, extra: str = "") -> str:
        """Return the title of a list of commands, which invoke calls tasks."""
        return str(super().task_list_opener(extra)).replace(" tasks", " commands")

    def no_tasks_given(self) -> None:
        """Print an overview of the commands and the first commands to use, and end the program."""
        width = max(len(name) for name in OVERVIEW)
        print(f"{version_line()}\nUsage: invoke COMMAND [ARGUMENTS] [--OPTIONS]\n")
        for name, purpose in OVERVIEW.items():
            group = f"{name}.…" if name in self.collection.collections else name
            print(f"  {group:<{width + 2}} {purpose}")
        print(f"\n{FIRST_STEPS}", end="")
        sys.exit(0)

    def print_task_help(self, name: str) -> None:
        """Print a command's usage, description and options."""
        context = self.parser.contexts[name]
        task = self.collection[context.name]
        print(f"{usage(context)}\n")
        for paragraph in inspect.cleandoc(task.__doc__ or helpline(task) or "").split("\n\n"):
            print(f"{fitted(' '.join(paragraph.split()), sys.stdout)}\n")
        if options := context.help_tuples():
            self.print_columns(options)


@contextmanager
def fitted_parse_errors() -> Iterator[None]:
    """Wrap the text of a ParseError to the terminal's width, in the colour of errors."""
    try:
        yield
    except ParseError as error:
        raise ParseError(fitted_error(str(error), sys.stderr), error.context) from None


def version_line() -> str:
    """Return the project's name with the checkout's version, or with "(no git checkout)"."""
    return f"Zoom Ingester Pipeline {revision() or '(no git checkout)'}"


def adapt_invoke() -> None:
    """Change the running `Program` that loads tasks.py into a `CommandLine`.

    invoke offers no way for a tasks.py to choose a parser and a program.
    """
    invoke_parser.ParseMachine = Machine  # type: ignore[misc]
    program.__class__ = CommandLine


def add_underscored(context: ParserContext) -> None:
    """Add ALIASES of a command, and spellings of the names and options with underscores.

    Aliases and spellings are kept for compatibility: operators' own documents may contain
    `exec.on_demand --oc_workflow=X`.
    """
    known = [str(context.name), *context.aliases, *ALIASES.get(str(context.name), ())]
    others = {underscored(name) for name in known} - set(known)
    context.aliases = [*known[1:], *sorted(others)]
    for flag in list(context.flags):
        if underscored(flag) != flag:
            context.flags.alias(underscored(flag), to=flag)


def underscored(name: str) -> str:
    """Return a name with underscores: `--oc-workflow` as `--oc_workflow`."""
    dashes = len(name) - len(name.lstrip("-"))
    return name[:dashes] + name[dashes:].replace("-", "_")


def placeholder(argument: Argument) -> str:
    """Return a positional argument's name in usage lines, such as `UUID`."""
    return str(argument.names[0]).strip("-_").upper()


def usage(context: ParserContext) -> str:
    """Return the usage of a command in one line."""
    words = [
        f"[{placeholder(argument)}]"
        if argument.name in OPTIONAL_POSITIONALS.get(str(context.name), ())
        else placeholder(argument)
        for argument in context.args.values()
        if argument.positional
    ]
    if any(not argument.positional for argument in context.args.values()):
        words.append("[--OPTIONS]")
    return " ".join(["Usage: invoke", str(context.name), *words])


def unknown_command(name: str, known: Iterable[str]) -> str:
    """Return the error for a word that isn't a command."""
    known = [*known, *(alias for aliases in ALIASES.values() for alias in aliases)]
    group = sorted(other for other in known if other.startswith(f"{name}.") and "_" not in other)
    if group:
        return f"{name} is a group of commands: {', '.join(group)}."
    return f"There is no command {name}. {near_name(name, known)}`invoke -l` lists the commands."


def unknown_argument(word: str, command: str, context: ParserContext, known: Iterable[str]) -> str:
    """Return the error for a word that follows a command and is neither argument nor command."""
    further = "further " if any(each.positional for each in context.args.values()) else ""
    near = near_name(f"--{word}", context.flags)
    more = f"there is no command {word}. {near}{usage(context)}"
    if not near:
        more = unknown_command(word, known).replace("There", "there", 1)
    return f"{command} takes no {further}argument {word}, and {more}"


def near_name(name: str, known: Iterable[str]) -> str:
    """Return a question with the most similar known name, or "" if no name is similar enough."""
    dashed = [other for other in known if "_" not in other]
    near = difflib.get_close_matches(name.replace("_", "-"), dashed, n=1, cutoff=NEAR)
    return f"Did you mean {near[0]}? " if near else ""
