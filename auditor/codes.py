"""What findings mean that come from the engine and from loading, not from a check plugin; for `auditor explain`.

Same headings as a check's docstring.
"""

from __future__ import annotations

CODES: dict[str, tuple[str, str]] = {
    "AUD001": (
        "The model could not be audited",
        """The model did not load, did not run on the samples, or does not fit them.

        Seen: loading, binding or a pass through the model ended with an error; its sentence is the finding's detail.
        Means: nothing was measured. The verdict is `error`, the exit code 4.
        Measured: nothing.
        Threshold: any.
        Do: what the sentence says; `auditor doctor MODEL` shows what the file holds.""",
    ),
    "AUD002": (
        "A check broke",
        """A check plugin raised an error instead of judging.

        Seen: an exception inside a check.
        Means: what that check would have noticed was not looked at. The audit went on.
        Measured: nothing.
        Threshold: any.
        Do: report it to whoever ships the check; `--without` leaves its plugin out.""",
    ),
    "AUD003": (
        "No attack could run",
        """Under one threat, no attack of the plan fits the model and the norm, or none came to an end.

        Seen: every attack of a threat skipped, failed or cut short.
        Means: the samples are not evaluated, which is not the same as robust. The verdict is inconclusive.
        Measured: the status of each attack, with its reason.
        Threshold: any threat under which nothing ran.
        Do: name an attack that fits with `--attack`, or install one; raise `--time-limit`. In `flow` and `patch`
            nothing looks for the smallest change: ask for budgets instead of `--eps auto`.""",
    ),
    "AUD004": (
        "The model answers NaN inside the budget",
        """An attack reached inputs within its budget to which the model gives no answer.

        Seen: NaN among the scores for a candidate inside the threat.
        Means: a model that breaks down is not robust there, but no wrong label was shown either, so the samples
            concerned are not evaluated. The verdict is inconclusive.
        Measured: samples near which NaN was met and which no attack broke.
        Threshold: any.
        Do: look for overflow: a narrow float type, a logarithm or a division near zero.""",
    ),
    "AUD005": (
        "Not every check was made",
        """Not all checks questioned the attacks: time or passes were spent, or they may run none of their own.

        Seen: `--time-limit` or `--max-passes` reached after the suite, with checks still to come; or `--no-escalation`;
            or `--isolate` of a plugin whose checks ask for further attacks.
        Means: the attacks did what the table says, and whether they did it well was not asked in full: a weak search
            would not have been noticed (Carlini et al., arXiv:1902.06705).
        Measured: the checks that were not made, by code.
        Threshold: any.
        Do: raise `--time-limit` and continue with `--resume`; raise `--max-passes`; leave `--no-escalation` out, and
            `--isolate` for such a plugin.""",
    ),
    "AUD306": (
        "Compared with the baseline",
        """How accuracy changed since the run named with `--baseline`, on the same samples.

        Seen: samples that stood in one run and not in the other; samples whose smallest change grew or shrank.
        Means: with a small p-value, more than chance changed. The change may lie in the settings too, if they differ.
        Measured: samples lost and gained, over the samples that both runs hold; exact McNemar test; Tango's interval
            of the drop. Of smallest changes the ratio of the medians, and the exact sign test on which run's is
            smaller. p-values are corrected for how many comparisons there are (Holm).
        Threshold: p < 0.05 and a drop of more than one point warn (Carlini et al., arXiv:1902.06705, ask for paired
            comparisons); `--max-drop` gates.
        Do: `auditor compare` shows both runs; look at the samples that flipped.""",
    ),
    "AUD120": (
        "Samples are scaled to the model's size",
        """The samples have another size than the network's input.

        Seen: image sizes that differ.
        Means: each sample is scaled inside the target, differentiably; budgets stay in pixels of the data.
        Measured: both shapes.
        Threshold: any difference.
        Do: give samples in the size that the model sees when it is deployed, or say `--input-size`.""",
    ),
    "AUD121": (
        "Gray samples are repeated to colour",
        """The model takes colour, and the samples are gray.

        Seen: one channel in the data, three in the network.
        Means: the one channel is given to each of the three, so an attacker changes them together.
        Measured: both shapes.
        Threshold: any difference.
        Do: give colour images if that is what the model sees when it is deployed.""",
    ),
    "AUD122": (
        "Inputs are rounded to whole numbers",
        """The network takes integers.

        Seen: an integer input type.
        Means: what the model sees is rounded. Gradients pass as if it were not (straight through).
        Measured: the input's type.
        Threshold: any integer type.
        Do: nothing, if that is how the model is deployed.""",
    ),
    "AUD123": (
        "The model runs elsewhere than asked",
        """ONNX Runtime took another execution provider than the one that was wanted.

        Seen: the providers of the session after it was made.
        Means: answers are those of the provider that is named; on another device they may differ by rounding.
        Measured: the session's providers.
        Threshold: any difference.
        Do: `auditor doctor` shows which providers are there and what is missing.""",
    ),
    "AUD124": (
        "One of several outputs is judged",
        """The graph has several outputs, and one of them was taken for the class scores.

        Seen: more than one output.
        Means: all numbers are about that output.
        Measured: names and shapes of the outputs.
        Threshold: any choice that the user did not make.
        Do: name the output with `--output`.""",
    ),
    "AUD126": (
        "A surrogate was left out",
        """No examples were made on one of the surrogates.

        Seen: a model named with `--surrogate` that hardly ever answers as the audited one does, gives no gradients or
            knows other classes; a substitute that could not be trained, or did not come to agree.
        Means: what an attacker could do with a surrogate that works was not tried. All other attacks were made.
        Measured: on clean samples that it was not trained on, how often the surrogate gives the audited model's label.
        Threshold: agreement of at most 1.5/classes, and at most 5 points above 1/classes, on samples enough that a
            surrogate halfway between guessing and perfect would do so with less than 1 % probability (as AUD103).
        Do: give the surrogate options of its own, `--surrogate other.onnx:mean=0.5,std=0.25`; let `distill` ask
            more.""",
    ),
    "AUD125": (
        "Corruptions of colour do not apply to gray samples",
        """Corruptions were asked for that change colours alone, and the samples are gray.

        Seen: `hue` or `saturate` among the corruptions, and one channel in the data.
        Means: they would change nothing, and what changes nothing breaks nothing. They were not evaluated, and are left
            out of the worst case and of the mean corruption error.
        Measured: the samples' channels.
        Threshold: any.
        Do: nothing, or give colour images if that is what the model sees when it is deployed.""",
    ),
    "AUD127": (
        "Sums of 8-bit products overflow",
        """A quantised graph is audited on a processor on which its answers are not those of others.

        Seen: a processor without VNNI instructions, and a graph that multiplies 8-bit activations with signed 8-bit
            weights beyond seven bits.
        Means: ONNX Runtime adds two such products in sixteen bits there, and what does not fit is cut off. The same
            file is another function on other processors, with another accuracy and another robustness; where the
            difference is large the twin disagrees as well (AUD114).
        Measured: one product of matrices on ONNX Runtime's CPU provider, whose true result is known; the weights that
            are stored in the file.
        Threshold: any difference; any weight beyond 64, for which two products with 255 do not fit.
        Do: audit on the kind of processor that the model is deployed on, or quantise with `reduce_range=True`.""",
    ),
    "AUD130": (
        "The certificate was not finished",
        """A wrapper proves how large a change cannot break a sample, and was cut short.

        Seen: `--time-limit` reached while samples were certified.
        Means: `certified_accuracy` is null: a share over some of the samples would say nothing of the others.
        Measured: nothing.
        Threshold: any sample without its proof.
        Do: raise `--time-limit` and continue with `--resume`, which keeps the proofs that are done; or lower `n`.""",
    ),
}
