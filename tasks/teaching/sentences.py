"""Sentences for a synthesiser to say, drawn from word lists that between them hold every phone of English often."""

import random

_NOUNS = """
apple baby map boat cup bird farmer village river thumb measure judge church yacht garage vision television treasure
father mother brother thing bath booth path tooth feather leather weather wolf fox puppy rabbit lamb sheep fish
shark whale bee fly moth beetle chicken duck goose horse pony bear mouse house window wall door floor roof room
kitchen table chair lamp book page paper pencil button zipper shoe boot coat shirt scarf glove hat pocket wallet
penny money coffee tea milk juice water bread butter jam cheese egg beef pork bean pepper onion garlic tomato potato
mushroom voice noise joy boy toy oil coin point cloud crowd town flower power hour bower sound ground mountain
fountain engine bridge train plane bus bicycle wheel road highway harbour island ocean beach storm thunder rainbow
moon sun star summer winter spring autumn morning evening Monday Thursday February problem number member chamber
pumpkin company king queen wing song finger hunger anchor bank monk question union yellow beauty human future
picture nature
"""
NOUNS = _NOUNS.split()
_ADJECTIVES = """
big small blue brown purple green yellow white black orange warm cool hot cold sharp smooth rough thick thin heavy
light quick slow loud quiet early late easy hard happy sad angry calm brave shy proud humble empty full open closed
broken perfect public private simple complex famous common usual strange foreign formal pure rural noble obvious
enormous average modern ancient beautiful wonderful terrible huge
"""
ADJECTIVES = _ADJECTIVES.split()
_VERBS = """
finds keeps moves pushes pulls throws catches builds breaks measures watches hears brings forgets remembers promises
borrows follows leaves gives offers paints washes wraps opens shuts fixes lifts drops carries shows hides chooses
changes judges joins enjoys avoids points passes helps stops proves believes loves behaves warms empties buys sells
moves bumps pops whispers shouts
"""
VERBS = _VERBS.split()
_ADVERBS = """
always never often maybe quickly slowly probably usually finally suddenly above below today tomorrow yesterday
perhaps already barely everywhere somehow
"""
ADVERBS = _ADVERBS.split()
DETERMINERS = ("the", "my", "your", "his", "every", "one", "that", "some")
PLACES = (
    "in the garden",
    "under the bridge",
    "behind the house",
    "by the river",
    "near the church",
    "on top of the mountain",
    "between the windows",
    "at the harbour",
    "through the village",
    "beyond the farm",
    "above the shop",
    "across the room",
)
PHRASES = (
    "Maybe we should move to a bigger apartment.",
    "Please put the broom back where you found it.",
    "Who would have thought of that?",
    "Five or six of them vanished before breakfast.",
    "Oh, I see what you mean.",
    "My mother and father both believe you.",
    "Buy me a pump for my boat, Bob.",
    "Thank you for everything.",
    "Nobody remembers what happened in February.",
    "Would you, or would you not, allow it?",
    "Yes, yes, of course.",
    "The problem is that my memory is empty.",
    "Are we there already?",
    "How far away is your father's farm?",
    "We were away a year ago.",
    "She sells more pepper than Peter picks.",
    "Why not? I have all the time in the world.",
    "Good morning, and welcome to the programme.",
    "Half of what I heard was about apples.",
    "Mum, may I play?",
    "Both of us saw a huge bear.",
    "They thought that those teeth were theirs.",
    "Just a moment, please.",
    "It is about a hundred and forty five miles.",
    "Push the blue button, then pull the brown one.",
    "Ah, that is enough.",
)


def sentences(count: int, seed: int) -> list[str]:
    """``count`` sentences; the same seed gives the same ones."""
    rng = random.Random(seed)
    return [_sentence(rng) for _ in range(count)]


def _sentence(rng: random.Random) -> str:
    if rng.random() < 0.25:
        return rng.choice(PHRASES)

    def thing() -> str:
        adjective = rng.choice(ADJECTIVES) + " " if rng.random() < 0.6 else ""
        return (
            f"{rng.choice(('the', 'my', 'your', 'his', 'every', 'one', 'that', 'some'))} {adjective}{rng.choice(NOUNS)}"
        )

    patterns = (
        lambda: f"{thing()} {rng.choice(VERBS)} {thing()} {rng.choice(PLACES)}.",
        lambda: f"{rng.choice(ADVERBS)}, {thing()} {rng.choice(VERBS)} {thing()}.",
        lambda: f"does {thing()} look like {thing()}?",
        lambda: f"{thing()}, {thing()} and {thing()} are {rng.choice(PLACES)}.",
        lambda: (
            f"I {rng.choice(('saw', 'bought', 'owe', 'want', 'have', 'move', 'love'))} {thing()} "
            f"{rng.choice(ADVERBS)}, but you {rng.choice(('ate', 'found', 'hope', 'aim', 'own', 'brought'))} {thing()}."
        ),
        lambda: f"what if {thing()} is {rng.choice(ADJECTIVES)} and {rng.choice(ADJECTIVES)}, as {thing()} was?",
    )
    text = rng.choice(patterns)()
    return text[0].upper() + text[1:]
