"""What may happen in a conversation with a bus: strategies, each with its own kind of trouble."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lumina.interfaces import Priority
from tests.conversation import LINGER, Ask, Event, Scenario
from tests.oracle import Fate

#: Whatever it takes, as a conversation is long.
thoroughly = settings(suppress_health_check=list(HealthCheck))

noise = st.sampled_from([b"\x00", b"\xff", b"\x00\xff\x55", b"\x01", b"\x01\x03", b"\x02\x04\x02", bytes(30)])
delays = st.sampled_from([0.0, 0.002, 0.02, 0.05])
kinds = st.sampled_from(
    [
        *("silent", "crc", "cut", "unit", "function", "count", "other"),
        *("before", "after", "inside", "twice", "pieces", "exception"),
    ]
)
late = st.sampled_from([0.05, 0.2, 0.5, 1.0, LINGER - 0.1])
fates = st.one_of(
    st.builds(Fate, st.just("good"), delays),
    st.builds(Fate, st.just("late"), late),
    st.builds(Fate, kinds, delays, st.integers(1, 12), noise),
)
waits = st.builds(Event, st.just("wait"), st.sampled_from([0.005, 0.05, 0.2, 1.0]))
cancels = st.builds(Event, st.just("cancel"), st.integers(0, 5))
unplugs = st.just(Event("unplug"))
babbles = st.builds(Event, st.just("babble"), st.sampled_from([0.05, 0.7]))
reads = st.sampled_from(["holding", "holding", "input"])

any_ask = st.one_of(
    st.builds(
        Ask,
        st.sampled_from("abcd"),
        st.sampled_from([1, 1, 1, 2, 3]),
        st.sampled_from(["holding", "holding", "input", "own", "write"]),
        st.integers(0, 2),
        st.sampled_from([0.03, 0.1, 0.3, 1.0]),
        st.sampled_from([0.2, 8.0, 8.0]),
        st.sampled_from(list(Priority)),
        st.sampled_from([None, None, None, 9600]),
    ),
    st.builds(Ask, st.sampled_from("abcd"), st.sampled_from([0, 1]), st.just("write")),
)

ANY = st.builds(
    Scenario,
    st.lists(
        st.one_of(any_ask, any_ask, any_ask, waits, cancels, unplugs | babbles), min_size=3, max_size=30
    ),
    st.lists(fates, max_size=30),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.0, 0.5]),
)

# Haste, and units that take their time: what makes late replies.
hasty = st.builds(
    Ask,
    st.sampled_from("abc"),
    st.sampled_from([1, 1, 2]),
    reads,
    st.integers(0, 2),
    st.sampled_from([0.03, 0.3, 1.0]),
)
slow = st.builds(
    Fate, st.sampled_from(["late", "late", "silent", "other"]), st.sampled_from([0.05, 0.1, 0.4, 1.0, 1.9])
)
LATE = st.builds(
    Scenario,
    st.lists(st.one_of(hasty, hasty, st.just(Event("wait", 0.05))), min_size=4, max_size=20),
    st.lists(slow, min_size=2, max_size=20),
    retries=st.integers(0, 2),
)

# A port that is pulled out and found again, while units are late that notice nothing of it.
awaiting = st.builds(
    Ask, st.sampled_from("ab"), st.just(1), reads, st.integers(0, 2), st.sampled_from([0.3, 1.0])
)
replugs = st.builds(
    lambda ask, before, after: [ask, Event("wait", before), Event("unplug"), Event("wait", after)],
    awaiting,
    st.sampled_from([0.02, 0.2]),
    st.sampled_from([0.05, 0.2]),
)
REPLUGGED = st.builds(
    Scenario,
    st.lists(st.one_of(awaiting.map(lambda ask: [ask]), replugs), min_size=3, max_size=10).map(
        lambda steps: [step for some in steps for step in some]
    ),
    st.lists(st.builds(Fate, st.just("late"), st.sampled_from([0.05, 0.4, 1.0])), min_size=5, max_size=20),
    retries=st.integers(0, 1),
)

ORDER = st.builds(
    Scenario,
    st.lists(
        st.builds(
            Ask, st.just("a"), st.just(1), st.sampled_from(["holding", "input", "own"]), timeout=st.just(0.03)
        ),
        min_size=3,
        max_size=10,
    ),
    st.lists(slow, min_size=1, max_size=5),
)

writing = st.builds(
    Ask,
    st.sampled_from("abc"),
    st.sampled_from([1, 2]),
    st.just("write"),
    timeout=st.sampled_from([0.1, 0.3]),
)
WRITES = st.builds(
    Scenario,
    st.lists(st.one_of(writing, writing, hasty, st.just(Event("wait", 0.2))), min_size=3, max_size=15),
    st.lists(st.builds(Fate, st.sampled_from(["silent", "silent", "good", "crc", "other"])), max_size=15),
    st.booleans(),
    st.booleans(),
    st.just(1),
)

# Frames that are not the reply, and look like it.
FOREIGN = st.builds(
    Scenario,
    st.lists(st.one_of(hasty, writing), min_size=2, max_size=8),
    st.lists(
        st.builds(
            Fate,
            st.sampled_from(["crc", "unit", "function", "count", "other", "exception"]),
            at=st.integers(0, 1),
        ),
        min_size=2,
        max_size=8,
    ),
)

# The same is asked by several, around writes; all at once, or one after the other.
same = st.builds(
    Ask,
    st.sampled_from("abc"),
    st.just(1),
    st.sampled_from(["holding", "holding", "write"]),
    priority=st.sampled_from([Priority.NORMAL, Priority.NORMAL, Priority.LOW]),
)
broadcast = st.builds(Ask, st.sampled_from("abc"), st.just(0), st.just("write"))
quick = st.lists(st.builds(Fate, st.just("good"), st.sampled_from([0.002, 0.05])), max_size=10)
SHARING = st.builds(
    Scenario,
    st.lists(st.one_of(same, same, same, broadcast, st.just(Event("wait", 0.02))), min_size=5, max_size=20),
    quick,
)
MEMORY = st.builds(
    Scenario,
    st.lists(
        st.one_of(same, st.builds(Event, st.just("wait"), st.sampled_from([0.03, 0.3]))),
        min_size=6,
        max_size=20,
    ),
    quick,
    max_age=st.sampled_from([0.5, 2.0]),
)

# Bytes that are nobody's reply, and a unit that still speaks when others are asked.
NOISE = st.builds(
    Scenario,
    st.lists(
        st.one_of(
            hasty,
            hasty,
            writing,
            waits,
            st.just(Event("babble", 0.05)),
        ),
        min_size=4,
        max_size=15,
    ),
    st.lists(
        st.builds(
            Fate,
            st.sampled_from(["pieces", "inside", "cut", "after", "other", "late"]),
            st.sampled_from([0.002, 0.028, 0.095]),
            st.integers(1, 8),
            noise,
        ),
        max_size=15,
    ),
    retries=st.integers(0, 1),
)

JAM = st.builds(
    Scenario,
    st.lists(st.one_of(hasty, hasty, waits, st.just(Event("babble", 0.7))), min_size=3, max_size=8).map(
        lambda steps: [Event("babble", 0.7), *steps]
    ),
    st.just(()),
)

others = st.builds(Ask, st.just("b"), st.just(2), st.just("own"))
BROKEN = st.builds(
    Scenario,
    st.lists(others, min_size=6, max_size=12).map(lambda asks: [Ask("a", 1, "holding", 0, 0.03), *asks]),
    st.builds(
        lambda delay, at: [Fate("pieces", delay, at), *12 * [Fate("good", 0.002)]],
        st.integers(31, 75).map(lambda delay: delay / 1000),
        st.integers(1, 8),
    ),
)

# Late replies that come twice, to a read that was sent again.
again = st.builds(Ask, st.sampled_from("ab"), st.just(1), st.just("holding"), timeout=st.just(0.03))
COPIES = st.builds(
    Scenario,
    st.lists(again, min_size=2, max_size=6),
    st.lists(
        st.builds(Fate, st.sampled_from(["twice", "twice", "late"]), st.sampled_from([0.002, 0.05, 0.2])),
        min_size=1,
        max_size=6,
    ),
    retries=st.integers(1, 2),
)

# A unit all of whose replies come again, after a while. The first time nobody could tell.
patiently = st.builds(Ask, st.sampled_from("ab"), st.just(1), reads, st.integers(0, 2))
AGAIN = st.builds(
    Scenario,
    st.lists(st.one_of(patiently, patiently, waits), min_size=3, max_size=12).map(
        lambda steps: [Ask("a", 1, "holding"), Event("wait", 2.5), *steps]
    ),
    st.sampled_from([0.02, 0.05, 0.2]).map(lambda delay: 40 * [Fate("again", delay)]),
)

# What nobody wants any more.
fleeting = st.builds(
    Ask,
    st.sampled_from("ab"),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["own", "write"]),
    timeout=st.just(0.1),
    patience=st.sampled_from([0.002, 0.03, 0.2, 8.0]),
    baudrate=st.sampled_from([None, 9600]),
)
INTERRUPTIONS = st.builds(
    Scenario,
    st.lists(
        st.one_of(
            fleeting,
            fleeting,
            st.builds(Event, st.just("cancel"), st.integers(0, 2)),
            st.builds(Event, st.just("wait"), st.sampled_from([0.001, 0.01, 0.1])),
            unplugs,
        ),
        min_size=4,
        max_size=20,
    ),
    st.lists(
        st.builds(Fate, st.sampled_from(["silent", "good", "crc"]), st.sampled_from([0.002, 0.05])),
        max_size=12,
    ),
    retries=st.integers(0, 1),
)
REGRET = st.builds(
    Scenario,
    st.lists(
        st.one_of(
            fleeting,
            st.builds(Event, st.just("cancel"), st.integers(0, 2)),
            st.builds(Event, st.just("wait"), st.sampled_from([0.01, 0.02])),
        ),
        min_size=6,
        max_size=20,
    ),
    st.just(()),
)

# One unit is silent for long.
patient = st.builds(
    Ask, st.sampled_from("ab"), st.sampled_from([1, 1, 1, 2]), st.sampled_from(["holding", "write"])
)
DEAD = st.builds(
    Scenario,
    st.lists(
        st.one_of(
            patient,
            patient,
            st.builds(Event, st.just("wait"), st.sampled_from([0.01, 1.0, 2.0])),
            st.builds(Event, st.just("cancel"), st.integers(0, 1)),
            unplugs,
        ),
        min_size=6,
        max_size=25,
    ).map(lambda steps: [*3 * [Ask("a", 1, "holding"), Event("wait", 2.5)], *steps]),
    st.lists(st.just(Fate("silent")), min_size=4, max_size=12),
)
