"""Which of the examples that travelled a report shows, and what every model says of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from auditor.result.transfer import Travelled, TravelledAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from auditor.engine.transfer.tried import Heard

MOST = 6


def travelled(names: Sequence[str], heard: Heard, labels: Mapping[str, np.ndarray]) -> tuple[Travelled, ...]:
    """At most `MOST` examples, each of another sample: the least shown source is next, then the least shown class, at
    last the lowest position. How many models an example fools decides nothing, as long as it is one.

    Args:
        names: the models.  labels: of all samples, by model, `(N,)`.
    """
    left = {source: fell for source in names if len(fell := _fell(source, names, heard))}
    shown: Counter[object] = Counter()
    made: list[Travelled] = []
    while left and len(made) < MOST:
        source = min(left, key=lambda name: shown[name])
        truth = labels[source]
        index = min(left[source].tolist(), key=lambda at: (shown[int(truth[at])], at))
        label, said = int(truth[index]), _answers(index, source, names, heard)
        made.append(Travelled(source=source, index=index, label=label, answers=tuple(said)))
        shown.update([source, label])
        left = {name: rest for name, fell in left.items() if len(rest := fell[fell != index])}
    return tuple(made)


def _fell(source: str, names: Sequence[str], heard: Heard) -> np.ndarray:
    """Positions of the samples whose example, made on `source`, fools any other model."""
    others = [answers for name in names if name != source and (answers := heard.answers.get((source, name)))]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(each.index[each.fooled] for each in others)]))


def _answers(index: int, source: str, names: Sequence[str], heard: Heard) -> Iterator[TravelledAnswer]:
    for name in names:
        if (answers := heard.answers.get((source, name))) is not None:
            for row in np.flatnonzero(answers.index == index):
                label, fooled = int(answers.label[row]), bool(answers.fooled[row])
                yield TravelledAnswer(model=name, label=label, fooled=fooled)
