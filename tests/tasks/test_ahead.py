"""Working ahead: order, errors, bounds, and no thread left behind."""

import threading

import pytest

from tasks.ahead import ahead


def threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_the_items_come_in_order(count):
    with ahead(iter(range(count))) as items:
        assert list(items) == list(range(count))
    assert threads() == 0


def test_an_error_comes_where_its_item_would():
    def broken():
        yield 1
        yield 2
        raise ValueError("third")

    with ahead(broken()) as items:
        assert next(items) == 1
        assert next(items) == 2
        with pytest.raises(ValueError, match="third"):
            next(items)
    assert threads() == 0


def test_only_depth_items_are_made_ahead():
    made, asked = [], threading.Event()

    def endless():
        number = 0
        while True:
            made.append(number)
            if number == 4:
                asked.set()
            yield number
            number += 1

    with ahead(endless(), depth=3) as items:
        assert next(items) == 0
        assert asked.wait(10)  # one taken, three waiting, one in the producer's hand
        threading.Event().wait(0.3)
        assert len(made) == 5
    assert threads() == 0


def test_a_consumer_that_fails_stops_the_producer():
    with pytest.raises(RuntimeError, match="mine"), ahead(iter(int, 1)) as items:
        next(items)
        raise RuntimeError("mine")
    assert threads() == 0


def test_one_inside_another():
    def doubled():
        with ahead(range(50), depth=2) as inner:
            yield from (2 * item for item in inner)

    with ahead(doubled(), depth=2) as items:
        assert next(items) == 0
        assert next(items) == 2
    assert threads() == 0
