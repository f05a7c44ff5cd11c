"""WordNet's noun glosses with their lexicographer classes, read from the Debian package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bitknap.problems.errors import DataError
from bitknap.problems.storage import read_file

from .draws import permutation

FOLDER = Path("/usr/share/wordnet")
FIRST_FILE = 3
CLASSES = (
    "tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication",
    "event", "feeling", "food", "group", "location", "motive", "object", "person", "phenomenon",
    "plant", "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
)  # fmt: skip
"""WordNet's lexicographer files noun.Tops to noun.time, numbered 3 to 28 in its data files."""


@dataclass(frozen=True)
class Glosses:
    """Definitions of nouns, each with the lexicographer class of its meaning.

    Args:
        texts: definitions, without the examples.
        labels: classes, 0 to 25, places in `CLASSES`.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.texts)

    def split(self, test: int, seed: int) -> tuple[Glosses, Glosses]:
        """What is trained on, and `test` glosses drawn at random to measure with."""
        order = permutation(len(self), seed).tolist()
        return self._take(order[test:]), self._take(order[:test])

    def _take(self, places: list[int]) -> Glosses:
        texts = tuple(self.texts[place] for place in places)
        return Glosses(texts, tuple(self.labels[place] for place in places), self.sha256)


def load_glosses(data: Path | None = None) -> Glosses:
    """All noun glosses of WordNet.

    Raises:
        DataError: the file is missing or no WordNet data file.

    References:
        Miller, *WordNet: a lexical database for English*, doi 10.1145/219717.219748; the format is
        in the manual page wndb(5WN).
    """
    path = (data or FOLDER) / "data.noun"
    content = read_file(
        path,
        missing="no such file; `apt-get install wordnet-base`, or name the folder of data.noun "
        "with --data DIR",
    )
    texts, labels = [], []
    try:
        # The licence at the top is indented; "offset file type ... | gloss" are the entries.
        for line in content.decode().splitlines():
            if not line.startswith(" "):
                fields, gloss = line.split(" | ", 1)
                text = gloss.split('; "', 1)[0].strip().rstrip(";")
                label = int(fields.split(" ", 2)[1]) - FIRST_FILE
                if not 0 <= label < len(CLASSES):
                    raise ValueError(label)
                texts.append(text)
                labels.append(label)
    except (ValueError, IndexError):
        raise DataError(f"{path} is not WordNet's file of nouns; install it again") from None
    return Glosses(tuple(texts), tuple(labels), hashlib.sha256(content).hexdigest())
