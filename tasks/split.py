"""The train / test split every stage and every metric uses.

Protocol of the talking-portrait literature (AD-NeRF and its successors): the first 10/11 of the
frames train, the last 1/11 tests.  Nothing that is evaluated may have seen a frame of the second part.
"""

TEST_DENOMINATOR = 11


def train_length(frames: int) -> int:
    """Number of leading frames that may be trained on; the frames from there on are the test part.

    Raises ValueError where the clip is too short to hold at least one frame of each part.
    """
    if frames < TEST_DENOMINATOR:
        raise ValueError(f"{frames} frames cannot be split: at least {TEST_DENOMINATOR} are needed")
    return frames - frames // TEST_DENOMINATOR
