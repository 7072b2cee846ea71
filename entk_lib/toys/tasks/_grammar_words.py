"""The words of the language of `entk_lib.toys.tasks.grammar`, by what they can do."""

# Number 0 is singular, 1 is plural; tense 0 is the present, 1 the past.
TIMES = (("today", "now", "nowadays"), ("yesterday", "once", "earlier"))
OPEN_DETERMINERS = ("the", "my")  # of either number
DETERMINERS = (("a", "this", "every"), ("these", "some", "many"))

# By gender: masculine, feminine, neuter.
_SINGULARS = (
    ("boy", "king", "man", "father", "waiter"),
    ("girl", "queen", "woman", "mother", "nun"),
    ("dog", "cat", "bird", "horse", "robot"),
)
_PLURALS = (
    ("boys", "kings", "men", "fathers", "waiters"),
    ("girls", "queens", "women", "mothers", "nuns"),
    ("dogs", "cats", "birds", "horses", "robots"),
)
NAMES = (("john", "peter", "tom"), ("anna", "mary", "susan"))
PRONOUNS = (("he",), ("she",), ("it",), ("they",))
REFLEXIVES = (("himself",), ("herself",), ("itself",), ("themselves",))

# Noun or verb: the noun's plural is the verb's singular.
_BOTH_ALONE = (("walk", "walks"), ("dance", "dances"), ("dream", "dreams"))
_BOTH_WITH_OBJECT = (("plan", "plans"), ("call", "calls"), ("watch", "watches"))
_BOTH = _BOTH_ALONE + _BOTH_WITH_OBJECT
HOMOGRAPH_WORDS = tuple(word for pair in _BOTH for word in pair)

NOUNS = (  # by number and gender
    (*_SINGULARS[:2], _SINGULARS[2] + tuple(pair[0] for pair in _BOTH)),
    (*_PLURALS[:2], _PLURALS[2] + tuple(pair[1] for pair in _BOTH)),
)

# Singular of the present, plural of the present, past.
_ALONE = (
    ("sleeps", "sleep", "slept"),
    ("laughs", "laugh", "laughed"),
    ("waits", "wait", "waited"),
    ("sings", "sing", "sang"),
    ("falls", "fall", "fell"),
    ("walks", "walk", "walked"),
    ("dances", "dance", "danced"),
    ("dreams", "dream", "dreamed"),
)
_WITH_OBJECT = (
    ("sees", "see", "saw"),
    ("chases", "chase", "chased"),
    ("admires", "admire", "admired"),
    ("finds", "find", "found"),
    ("likes", "like", "liked"),
    ("plans", "plan", "planned"),
    ("calls", "call", "called"),
    ("watches", "watch", "watched"),
)
_WITH_CLAUSE = (
    ("says", "say", "said"),
    ("thinks", "think", "thought"),
    ("knows", "know", "knew"),
)


def _forms(
    verbs: tuple[tuple[str, str, str], ...],
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    # By tense and number; the past does not show the number.
    singular, plural, past = zip(*verbs, strict=True)
    return (singular, plural), (past, past)


INTRANSITIVE = _forms(_ALONE)
TRANSITIVE = _forms(_WITH_OBJECT)
CLAUSAL = _forms(_WITH_CLAUSE)
COPULA = ((("is",), ("are",)), (("was",), ("were",)))

ADJECTIVES = (
    "small",
    "big",
    "red",
    "green",
    "happy",
    "sad",
    "young",
    "clever",
    "quiet",
    "brave",
)
DEGREES = ("very",)
BEFORE_VERB = ("often", "always", "never", "rarely")
AFTER_VERB = ("quickly", "slowly", "quietly", "happily", "together")
PREPOSITIONS = ("near", "behind", "beside", "with", "above", "under")
THAT, AND, STOP = ("that",), ("and",), (".",)
JOINING = ("but", "while", "because")


def _all_words() -> tuple[str, ...]:
    groups = [
        STOP,
        *TIMES,
        OPEN_DETERMINERS,
        *DETERMINERS,
        *NOUNS[0],
        *NOUNS[1],
        *NAMES,
        *PRONOUNS,
        *REFLEXIVES,
        *(
            words
            for verbs in (INTRANSITIVE, TRANSITIVE, CLAUSAL, COPULA)
            for tense in verbs
            for words in tense
        ),
        ADJECTIVES,
        DEGREES,
        BEFORE_VERB,
        AFTER_VERB,
        PREPOSITIONS,
        THAT,
        AND,
        JOINING,
    ]
    return tuple(dict.fromkeys(word for group in groups for word in group))


VOCABULARY = _all_words()
