"""Chapter 10: pitch on a line and on a circle."""

from statistics import median

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values, Whole
from entk_book.studies.pitch import stored_pitch
from entk_book.studies.pitch_answers import stored_answers

shared_harmonics = Check(
    Whole(),
    truth=lambda: 5,
    wrong=(
        Wrong(
            "all of them",
            lambda: 10,
            "220 Hz itself is no multiple of 440 Hz. Write both rows of multiples down.",
        ),
        Wrong(
            "only the octave",
            lambda: 1,
            "440 Hz is one. Is 880 Hz a harmonic of both as well?",
        ),
    ),
    right="Every second harmonic of the lower tone is a harmonic of the upper one.",
    hint="220, 440, 660, ... and 440, 880, 1320, ...: which of the first ten are in both?",
)

chance_of_a_circle = Check(
    Values(tolerance=1e-6),
    truth=lambda: 40 * 10 / 240,
    wrong=(
        Wrong(
            "a share of the tones",
            lambda: 40 / 240,
            "That is what each of the ten dimensions shares. There are ten of them.",
        ),
        Wrong(
            "all ten",
            lambda: 10.0,
            "Forty of 240 dimensions cannot hold ten others whole, by chance.",
        ),
    ),
    right="k random dimensions of n hold k/n of every direction, on average.",
    hint="How much of one direction lies in 40 random dimensions of 240?",
)


def _odd_or_pure() -> str:
    heard = stored_pitch()
    odd, pure = (
        median(heard.of(sound, "spectrum", "circle", what="activations"))
        for sound in ("odd harmonics", "pure tones")
    )
    return "more" if odd > pure else "less"


odd_harmonics = Check(
    Choice(("more", "as much", "less")),
    truth=_odd_or_pure,
    wrong=(
        Wrong(
            "more partials, more octaves",
            lambda: "more",
            "Three times 220 Hz is one and a half times 440 Hz: which odd harmonic of one "
            "tone is an odd harmonic of the other?",
        ),
        Wrong(
            "neither shares any",
            lambda: "as much",
            "Neither shares a partial with its octave. But a smooth spectrum has slow "
            "modes, and one of them repeats each octave.",
        ),
    ),
    right="A smooth spectrum has the circle's slowest wave. That of odd partials is alike "
    "a twelfth apart instead, and its modes go there.",
    hint="Read the spectrum's points in the figure, or ask heard.of.",
)


def _how_far() -> str:
    answers = stored_answers()
    left_out, edited = (
        median(answers.of("octave, harmonics", tones, "own"))
        for tones in ("left out", "edited")
    )
    ratio = left_out / edited
    return "as far" if ratio > 0.9 else "part of the way" if ratio > 0.1 else "not at all"


edit_of_harmonic_tones = Check(
    Choice(("as far", "part of the way", "not at all")),
    truth=_how_far,
    wrong=(
        Wrong(
            "shared partials carry everything",
            lambda: "as far",
            "Half of the lower tone's partials are the upper one's. And the other half?",
        ),
        Wrong(
            "nobody edited it",
            lambda: "not at all",
            "Pure tones share no partial with their octave, and were taken along. Look at "
            "answers.line.",
        ),
    ),
    right="Further than in any row of no octave, and not as far as the edited tones. Part "
    "of it was asked for: what is wanted of a tone has bumps an octave away.",
    hint="answers.line('octave, harmonics') has the tone that was left out, and those that "
    "were edited.",
)
