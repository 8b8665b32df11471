"""`lockstep dlq`: dead letters, to look at, to publish again, or to be done with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
import msgspec

from edge.cli.common import end, note, pass_settings, topology_of
from edge.cli.convert import when
from streams.outcomes import REASONS
from streams.settings import Settings

if TYPE_CHECKING:
    from edge.oncall.dlq import DeadLetters
    from edge.oncall.letters import Letter
    from streams.deadletters import Action

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def dlq() -> None:
    """Dead letters: what lockstep could not take, with its original bytes and the reason."""


def _filters(command: F) -> F:
    """The options that say which dead letters are meant."""
    for option in reversed((
        click.argument("place", required=False, metavar="[PARTITION:OFFSET]"),
        click.option("--reason", type=click.Choice(REASONS), help="Only those with this reason."),
        click.option("--source", help="Only those that came from this topic, full name."),
        click.option("--partition", type=click.IntRange(min=0), help="Only those of this partition."),
        click.option("--account", "--key", "key", help="Only those with this key, the account."),
        click.option("--since", help="Not before: RFC 3339, HH:MM of today, UTC, or a time ago such as 15m."),
        click.option("--until", help="Not after, in the same forms."),
        click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object for each."),
    )):  # fmt: skip
        command = option(command)
    return command


def _choices(command: F) -> F:
    """The options of commands that do something."""
    for option in reversed((
        click.option("--all", "all_", is_flag=True, help="All that are open, where no filter says which."),
        click.option("--again", is_flag=True, help="Also those to which something was done before."),
        click.option("--dry-run", is_flag=True, help="Only show which they are."),
        click.option("--yes", is_flag=True, help="Do not ask."),
    )):  # fmt: skip
        command = option(command)
    return command


class Asked(NamedTuple):
    """The options of `_filters`."""

    place: str | None
    reason: str | None
    source: str | None
    partition: int | None
    key: str | None
    since: str | None
    until: str | None
    limit: int
    as_json: bool

    def narrow(self) -> bool:
        """Whether any of them says which letters are meant."""
        return any(self[at] is not None for at in range(7))


@dlq.command("list")
@_filters
@click.option("--open", "open_", is_flag=True, help="Only those to which nothing was done.")
@pass_settings
def list_(settings: Settings, /, open_: bool, **options: Any) -> None:
    """List dead letters: place, time, reason, origin, key, size, what was done, detail."""
    asked = Asked(**options)
    found, more = _first(_search(_reader(settings), asked, False if open_ else None), asked.limit)
    for letter in found:
        _say(letter, asked.as_json)
    if more:
        note(f"there are more than {asked.limit}: narrow it down, or raise --limit")


@dlq.command()
@click.argument("place", metavar="PARTITION:OFFSET")
@click.option("--payload", is_flag=True, help="Show the bytes too, which may be private.")
@pass_settings
def show(settings: Settings, place: str, payload: bool) -> None:
    """Show one dead letter: its headers, and the event in it if it can be decoded.

    Of a record that is too large for a dead letter its headers are all that there is: with --payload that is an error.
    """
    from edge.oncall.letters import whole

    asked = Asked(place, None, None, None, None, None, None, 1, True)
    found = next(_search(_reader(settings), asked, None), None)
    if found is None:
        raise click.ClickException(f"no dead letter at {place}")
    click.echo(msgspec.json.format(msgspec.json.encode(whole(found, payload)), indent=2))
    if lacking := found.lacks():
        note(lacking)
        end(1 if payload else 0)


@dlq.command()
@_filters
@_choices
@pass_settings
def replay(settings: Settings, /, all_: bool, again: bool, dry_run: bool, yes: bool, **options: Any) -> None:
    """Put dead letters into ingest again, as they were, after what was wrong with them is repaired.

    They pass every gate anew: one that is too old by now is stale, one whose id took effect meanwhile a duplicate.
    One that is not whole, as its record was too large, cannot be put there: it is named, does not count against
    --limit, and the exit status is 1.
    """
    _act(settings, Asked(**options), "replayed", "Put {} into ingest again?", (all_, again, dry_run, yes))


@dlq.command()
@_filters
@_choices
@pass_settings
def discard(settings: Settings, /, all_: bool, again: bool, dry_run: bool, yes: bool, **options: Any) -> None:
    """Mark dead letters as done with. Nothing is deleted before its retention is over."""
    _act(settings, Asked(**options), "discarded", "Discard {}?", (all_, again, dry_run, yes))


def _act(
    settings: Settings, asked: Asked, action: Action, question: str, choices: tuple[bool, bool, bool, bool]
) -> None:
    all_, again, dry_run, yes = choices
    if not all_ and not asked.narrow():
        raise click.UsageError("say which: PARTITION:OFFSET, a filter, or --all")
    reader = _reader(settings)
    lacking: list[Letter] = []
    letters = _search(reader, asked, None if again else False)
    found, more = _first(_whole(letters, lacking) if action == "replayed" else letters, asked.limit)
    if dry_run or not yes:
        for letter in found:
            _say(letter, asked.as_json)
    count = f"{len(found)} dead letter{'' if len(found) == 1 else 's'}"
    if dry_run or not found:
        note(f"{count}; nothing was done")
    else:
        if not yes:
            click.confirm(question.format(count), abort=True, err=True)
        for letter in reader.act(found, action):
            _say(letter, asked.as_json)
        note(f"{count} {action}" + (f"; there are more than {asked.limit}: run it again" if more else ""))
    end(1 if lacking else 0)


def _reader(settings: Settings) -> DeadLetters:
    from edge.oncall.dlq import DeadLetters

    return DeadLetters(settings, topology_of(settings))


def _search(reader: DeadLetters, asked: Asked, finished: bool | None) -> Iterator[Letter]:
    """Those that are asked for, whatever the limit."""
    from edge.oncall.letters import Wanted

    partition, offset = (asked.partition, None) if asked.place is None else _place(asked.place)
    wanted = Wanted(
        offset=offset,
        reason=asked.reason,
        source=asked.source,
        key=None if asked.key is None else asked.key.encode(),
        since=None if asked.since is None else when(asked.since),
        until=None if asked.until is None else when(asked.until),
        finished=finished,
    )
    return reader.find(wanted, partition)


def _first(letters: Iterable[Letter], limit: int) -> tuple[list[Letter], bool]:
    """At most so many, and whether there are more."""
    found = list(islice(letters, limit + 1))
    return found[:limit], len(found) > limit


def _whole(letters: Iterable[Letter], lacking: list[Letter]) -> Iterator[Letter]:
    """Those that can be replayed; the others are named and put into `lacking`."""
    for letter in letters:
        if lacks := letter.lacks():
            note(f"cannot be replayed: {lacks}")
            lacking.append(letter)
        else:
            yield letter


def _place(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[0-9]{1,9}:[0-9]{1,18}", text):
        raise click.BadParameter(f"{text!r} is not PARTITION:OFFSET, as `dlq list` shows it")
    partition, offset = map(int, text.split(":"))
    return partition, offset


def _say(letter: Letter, as_json: bool) -> None:
    from edge.oncall.letters import as_object, line

    click.echo(msgspec.json.encode(as_object(letter)) if as_json else line(letter))
