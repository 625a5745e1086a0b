"""What can go wrong, one class per exit code.

Every error says what is wrong, where, and how to mend it; the command line prints that
message and ends with the class's exit code. Nothing else reaches the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

#: Of many files with the same to be said, so many are named.
MOST_TOLD = 5


class CarescopeError(Exception):
    """A problem the user can mend.

    Parameters
    ----------
    what
        What is wrong, as one sentence without its full stop.
    where
        The file, option or field it concerns.
    remedy
        What to do about it, as one sentence without its full stop.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | Path | None = None, remedy: str = "") -> None:
        self.what = what
        self.where = str(where) if where is not None else None
        self.remedy = remedy
        message = f"{self.where}: {what}." if self.where else f"{what}."
        super().__init__(f"{message} {remedy}." if remedy else message)


ErrorT = TypeVar("ErrorT", bound=CarescopeError)
GivenT = TypeVar("GivenT")
MadeT = TypeVar("MadeT")


def together(errors: Sequence[ErrorT]) -> ErrorT:
    """One error for all that is wrong, of the class of the first one."""
    if len(errors) == 1:
        return errors[0]
    said = [f"{error.where}: {error.what}" if error.where else error.what for error in errors]
    remedies = dict.fromkeys(error.remedy for error in errors)
    return type(errors[0])("; ".join(said), remedy=". ".join(remedies))


def all_of(
    given: Iterable[GivenT], make: Callable[[GivenT], MadeT], refusal: type[CarescopeError]
) -> list[MadeT]:
    """What is made of each, or one error for all that are refused with errors of a class."""
    made, refused = [], []
    for one in given:
        try:
            made.append(make(one))
        except refusal as error:
            refused.append(error)
    if refused:
        raise together(refused)
    return made


def some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return "; ".join(names[:MOST_TOLD]) + more


class UsageError(CarescopeError):
    """An option or argument is missing, misspelt or impossible."""

    exit_code = 2


class InputError(CarescopeError):
    """An image cannot be read, or is not what the job needs."""

    exit_code = 3


class ModelError(CarescopeError):
    """A model is damaged, incomplete, or not made for this."""

    exit_code = 4


class OutputError(CarescopeError):
    """A result cannot be written where it was asked for."""

    exit_code = 5


class OutOfMemoryError(CarescopeError):
    """The work does not fit in the memory that was allowed."""

    exit_code = 6


class NotTrustedError(CarescopeError):
    """The input is unlike what the model was trained on."""

    exit_code = 7


#: How libraries say that there is no memory left; torch as a RuntimeError.
_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "bad_alloc",
    "bad alloc",
)


def of_memory(problem: BaseException) -> bool:
    """Whether it tells of a lack of memory: each library says it in its own words."""
    said = str(problem).lower()
    return isinstance(problem, MemoryError) or any(words in said for words in _OF_MEMORY)
