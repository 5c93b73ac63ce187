"""The stream of the board: what changed, at most once a second, resumable, and nothing when nobody follows."""

import asyncio

import pytest

from board.documents import BoardState
from board.events import EventStream, Watch
from telecine.errors import Unavailable


class Looks:
    """Answers of a board; each look counts."""

    def __init__(self) -> None:
        self.count, self.troubles = 0, ()

    def __call__(self) -> BoardState:
        self.count += 1
        if self.troubles == ("fault",):
            raise ZeroDivisionError
        if self.troubles == ("down",):
            message = "The title registry does not answer."
            raise Unavailable(message)
        return BoardState(titles=(), troubles=self.troubles)


async def first(watch, last="", heartbeat_s=0.2):
    follower = watch.follow(last, heartbeat_s)
    try:
        return await anext(follower)
    finally:
        await follower.aclose()


def test_a_follower_gets_the_state_and_then_only_changes():
    async def scene():
        looks = Looks()
        watch = Watch(looks, every_s=0.01)
        follower = watch.follow(heartbeat_s=0.1)
        begun = await anext(follower)
        quiet = await anext(follower)
        looks.troubles = ("the forecast is away",)
        changed = await anext(follower)
        await follower.aclose()
        return begun, quiet, changed, looks.count

    begun, quiet, changed, looked = asyncio.run(scene())
    assert begun.kind == "titles"
    assert quiet is None
    assert looked > 3
    assert "the forecast is away" in changed.data
    assert changed.identity != begun.identity


def test_who_comes_back_gets_nothing_twice_also_after_a_restart():
    async def scene():
        seen = await first(Watch(Looks(), every_s=0.01))
        return await first(Watch(Looks(), every_s=0.01), last=seen.identity)

    assert asyncio.run(scene()) is None


@pytest.mark.parametrize(
    ("trouble", "said"), [("down", "does not answer"), ("fault", "met a fault of its own; it is logged")]
)
def test_a_look_that_fails_is_told_and_the_stream_goes_on(trouble, said):
    async def scene():
        looks = Looks()
        looks.troubles = (trouble,)
        watch = Watch(looks, every_s=0.01)
        follower = watch.follow(heartbeat_s=1)
        told = await anext(follower)
        looks.troubles = ()
        well = await anext(follower)
        await follower.aclose()
        return told, well

    told, well = asyncio.run(scene())
    assert (told.kind, well.kind) == ("trouble", "titles")
    assert said in told.data


def test_nobody_looks_when_nobody_follows():
    async def scene():
        looks = Looks()
        watch = Watch(looks, every_s=0.01)
        await first(watch)
        await asyncio.sleep(0.1)
        settled = looks.count
        await asyncio.sleep(0.1)
        return watch.followers, looks.count - settled

    assert asyncio.run(scene()) == (0, 0)


def test_a_state_is_looked_at_no_more_often_than_said():
    async def scene():
        looks = Looks()
        watch = Watch(looks, every_s=0.2)
        followers = [watch.follow(heartbeat_s=0.5) for _ in range(5)]
        await asyncio.gather(*(anext(follower) for follower in followers))
        await asyncio.gather(*(anext(follower) for follower in followers))
        for follower in followers:
            await follower.aclose()
        return looks.count

    assert asyncio.run(scene()) <= 5


def test_the_stream_is_spelled_as_browsers_read_it_and_ends_when_one_leaves():
    async def scene():
        sent, gone = [], asyncio.Event()

        async def send(message):
            sent.append(message)
            if b"event: titles" in message.get("body", b""):
                gone.set()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        watch = Watch(Looks(), every_s=0.01)
        await asyncio.wait_for(EventStream(watch, "")({"type": "http"}, receive, send), 5)
        return sent, watch.followers

    sent, followers = asyncio.run(scene())
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    body = b"".join(message.get("body", b"") for message in sent)
    assert body.startswith(b"retry: 2000\n\nid: ")
    assert b"\nevent: titles\ndata: {" in body
    assert sent[-1]["more_body"] is False
    assert followers == 0
