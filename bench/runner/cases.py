"""Cases: recipes of a suite's instances, which every process can build for itself."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bitknap.problems import DataError, Instance
from bitknap.problems.families import FAMILIES
from bitknap.problems.library import find_instance, library_instance, library_names
from bitknap.problems.schema import brief, convert

KINDS = ("family", "library", "files")
MOST_CASES = 10_000


@dataclass(frozen=True)
class InstanceRecipe:
    """How to build one instance.

    Args:
        kind: ``family``, ``library`` or ``files``.
        name: of the family or the shipped instance, or the file's path.
        prefix: of the instance's name; tells instances of the same name apart.
    """

    kind: str
    name: str
    parameters: Mapping[str, Any]
    group: str
    prefix: str = ""

    def build(self) -> Instance:
        """The instance, the same every time.

        Raises:
            BitknapError: the file is malformed or a parameter is wrong.
        """
        if self.kind == "family":
            try:
                instance: Instance = FAMILIES.load(self.name)(**self.parameters)
            except DataError as error:
                raise DataError(f"the family {self.name!r}: {error}") from None
        else:
            find = library_instance if self.kind == "library" else find_instance
            instance = find(self.name)
        return replace(instance, name=self.prefix + instance.name) if self.prefix else instance


def cases_of(entry: Mapping[str, Any], folder: Path) -> Iterator[InstanceRecipe]:
    """The cases of one ``[[instances]]`` table.

    Args:
        entry: ``family`` with its parameters and ``vary`` (lists of which every combination is
            taken), ``library`` with a pattern of names, or ``files`` with a pattern of paths;
            ``group`` names the results.

    Raises:
        DataError: the table is none of these, or a pattern matches nothing.
    """
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1 or not isinstance(entry[kinds[0]], str):
        raise DataError(
            f"[[instances]] needs one text of {', '.join(KINDS)}, got {brief(dict(entry))}"
        )
    kind, name = kinds[0], entry[kinds[0]]
    rest = {key: value for key, value in entry.items() if key not in (kind, "vary", "group")}
    group = convert(str, entry.get("group", ""), "group")
    prefix = f"{group}/" if group else ""
    if kind == "family":
        vary = convert(dict[str, list[Any]], entry.get("vary", {}), f"vary of {name!r}")
        FAMILIES.require(name)
        if math.prod(map(len, vary.values())) > MOST_CASES:
            raise DataError(f"vary of {name!r} asks for more than {MOST_CASES:,} instances")
        for values in itertools.product(*vary.values()):
            parameters = rest | dict(zip(vary, values, strict=True))
            yield InstanceRecipe(kind, name, parameters, group or name, prefix)
        return
    if rest or "vary" in entry:
        strange = sorted({*rest, "vary"} & set(entry))[0]
        raise DataError(f"[[instances]] of {kind} takes no {strange!r}")
    if kind == "library":
        found = [known for known in library_names() if fnmatchcase(known, name)]
    else:
        found = _files(folder.resolve(), name)
    if not found:
        raise DataError(f"{kind} = {name!r} matches no instance")
    for text in found:
        default = Path(text).parent.name if kind == "library" else "files"
        yield InstanceRecipe(kind, text, {}, group or default, prefix)


def _files(folder: Path, pattern: str) -> list[str]:
    """Paths that match, below the folder."""
    try:
        found = [str(path) for path in itertools.islice(folder.glob(pattern), MOST_CASES + 1)]
    except (ValueError, NotImplementedError, IndexError, OSError) as error:
        raise DataError(f"files = {pattern!r} is not a pattern below the suite ({error})") from None
    if len(found) > MOST_CASES:
        raise DataError(f"files = {pattern!r} matches more than {MOST_CASES:,} files")
    return sorted(found)


@dataclass(frozen=True)
class InstanceFacts:
    """What records state of an instance."""

    instance: str
    instance_hash: str
    classes: int
    items: int
    resources: int
    group: str


def facts_of(instance: Instance, case: InstanceRecipe) -> InstanceFacts:
    """Name, hash and sizes of a case's instance."""
    return InstanceFacts(
        instance=instance.name,
        instance_hash=content_hash(instance),
        classes=len(instance),
        items=instance.n_items,
        resources=instance.n_resources,
        group=case.group,
    )


def content_hash(instance: Instance) -> str:
    """sha256 of all that decides the answer: classes, costs, weights, capacities, labels, ties."""
    digest = hashlib.sha256(repr((len(instance), instance.n_resources, instance.ties)).encode())
    for array in (instance.offsets, instance.cost, instance.weight, instance.capacity):
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    digest.update("\0".join(instance.labels).encode())
    return digest.hexdigest()
