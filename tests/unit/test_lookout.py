"""When events are believed, when not, and what happens then: a real watch, and a clock of the test's own."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from colorwatch.folders.messages import Blind, FolderSettings, Message, Watching
from colorwatch.scan import Originals
from colorwatch.watching import lookout as module
from colorwatch.watching import mounts
from colorwatch.watching.lookout import (
    GRACE_SECONDS,
    LONGEST_GRACE_SECONDS,
    PROOF_SECONDS,
    RETRY_SECONDS,
    Lookout,
    Root,
)
from colorwatch.watching.mounts import Mount


@dataclass
class Post:
    """A lookout over a folder, its clock, and what it has told."""

    settings: FolderSettings
    now: float = 1000.0
    told: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lookout = Lookout(self.settings, self.told.append, lambda path: None, lambda path: None, lambda: self.now)

    def root(self) -> Root:
        descriptor = os.open(self.settings.inbox, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return Root.of(descriptor)
        finally:
            os.close(descriptor)

    def attend(self, seconds: float = 0.0) -> bool:
        self.now += seconds
        return self.lookout.attend(self.root())

    def look(self, *found: str, folders: tuple[str, ...] = ()) -> None:
        self.lookout.look_begins()
        for folder in folders:
            self.lookout.listed(folder)
        for path in found:
            self.lookout.found(path)
        self.lookout.look_ends(disks_changed=False)

    def mode(self) -> str:
        return [message.mode for message in self.told if isinstance(message, Watching)][-1]

    def reason(self) -> str:
        return [message.reason for message in self.told if isinstance(message, Watching)][-1]

    def blind(self) -> list[str]:
        return [message.why for message in self.told if isinstance(message, Blind)]

    def prove(self) -> None:
        """One proof of blindness."""
        self.look()
        self.look("missed.jpg")
        assert self.attend(GRACE_SECONDS)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Post]]:
    posts: list[Post] = []
    (tmp_path / "a").mkdir()
    plain = FolderSettings("in", str(tmp_path), "", Originals.KEEP, None, "", 1.0, 60.0, 60.0, True)

    def make(**changes: Any) -> Post:
        posts.append(Post(replace(plain, **changes)))
        return posts[-1]

    yield make
    for post in posts:
        post.lookout.close()


@pytest.fixture
def post(make: Callable[..., Post]) -> Post:
    post = make()
    assert post.attend(), "a full look is due at first"
    assert not post.attend()
    return post


class TestProof:
    def test_a_file_that_no_event_told_of_is_one_after_a_grace(self, post: Post) -> None:
        post.look()
        post.look("x.jpg")
        assert not post.attend(GRACE_SECONDS - 0.1)
        assert post.attend(0.1)
        assert post.blind() == ["no event told of x.jpg"]
        assert post.mode() == "events"

    def test_an_event_within_the_grace_takes_it_back(self, post: Post) -> None:
        post.look()
        post.look("x.jpg")
        post.lookout.heard("x.jpg", is_folder=False)
        assert not post.attend(GRACE_SECONDS)
        assert post.blind() == []

    def test_nothing_that_the_first_look_finds_is_one(self, post: Post) -> None:
        post.look("x.jpg", "a/x.jpg", folders=("a",))
        assert not post.attend(GRACE_SECONDS)

    def test_nothing_in_a_folder_that_is_new_or_came_again_is_one(self, post: Post) -> None:
        post.look(folders=("a",))
        post.look("b/x.jpg", folders=("a", "b"))
        assert not post.attend(GRACE_SECONDS)
        post.lookout.heard("a", is_folder=True)
        post.look("a/x.jpg", "a/b/y.jpg", folders=("a", "a/b"))
        assert not post.attend(GRACE_SECONDS)
        post.look(folders=("a",))
        post.look("a/z.jpg", folders=("a",))
        assert post.attend(GRACE_SECONDS)

    def test_nothing_after_an_overflow_is_one(self, post: Post) -> None:
        post.look()
        post.look("x.jpg")
        post.lookout.heard("", is_folder=True)
        post.look("y.jpg")
        assert not post.attend(GRACE_SECONDS)

    def test_while_events_are_on_their_way_it_waits_but_not_for_ever(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(post.lookout._watch, "drained", lambda: False)
        post.look()
        post.look("x.jpg")
        assert not post.attend(LONGEST_GRACE_SECONDS - 0.1)
        assert post.attend(0.1)

    def test_a_folder_that_is_not_watched_is_one_if_it_can_be_looked_into(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = module.Watch.covers
        monkeypatch.setattr(module.Watch, "covers", lambda watch, folder: folder == "" and real(watch, folder))
        post.look(folders=("gone",))
        assert not post.attend(GRACE_SECONDS)
        post.look(folders=("a",))
        assert post.attend(GRACE_SECONDS)
        assert post.blind()[0].startswith("the folder a is not watched")


class TestAfterwards:
    def test_a_second_proof_within_a_day_means_polling_and_events_again_in_an_hour(self, post: Post) -> None:
        post.prove()
        assert post.mode() == "events"
        post.now += PROOF_SECONDS - 100.0
        post.prove()
        assert post.mode() == "polling"
        assert post.lookout.polling
        assert "missed.jpg" in post.reason()
        assert not post.attend(RETRY_SECONDS - 0.1)
        assert post.attend(0.1), "what polling has not seen yet, a full look must"
        assert post.mode() == "events"

    def test_after_the_retry_one_proof_is_enough(self, post: Post) -> None:
        post.prove()
        post.prove()
        post.attend(RETRY_SECONDS)
        post.prove()
        assert post.mode() == "polling"

    def test_two_proofs_that_are_days_apart_are_two_first_ones(self, post: Post) -> None:
        post.prove()
        post.now += PROOF_SECONDS
        post.prove()
        assert post.mode() == "events"

    def test_another_root_is_tried_at_once(self, post: Post) -> None:
        post.prove()
        post.prove()
        assert post.mode() == "polling"
        inbox = post.settings.inbox
        os.rename(inbox, f"{inbox}.old")
        os.mkdir(inbox)
        assert post.attend()
        assert post.mode() == "events"
        post.prove()
        assert post.mode() == "events"

    def test_polling_proves_nothing(self, make: Callable[..., Post]) -> None:
        post = make(watch="poll")
        post.attend()
        post.look()
        post.look("x.jpg")
        assert not post.attend(LONGEST_GRACE_SECONDS)
        assert post.blind() == []


class TestChoice:
    def with_mounts(self, make: Callable[..., Post], monkeypatch: pytest.MonkeyPatch, **how: Any) -> Post:
        """As if the inbox were on a mount of a `kind`, with an `inner` one in it."""
        post = make(**{key: value for key, value in how.items() if key not in ("kind", "inner")})
        root = post.root()
        table = [Mount(root.mount or 0, "/", how.get("kind", "ext4"))]
        if "inner" in how:
            table.append(Mount(-1, os.path.join(root.path, "our album"), how["inner"]))
        monkeypatch.setattr(mounts, "table", lambda: table)
        post.attend()
        return post

    @pytest.mark.parametrize(
        ("how", "mode", "words"),
        [
            ({"kind": "ext4"}, "events", "ext4"),
            ({"kind": "cifs"}, "polling", "cifs"),
            ({"kind": "fuse.rclone"}, "polling", "fuse.rclone"),
            ({"kind": "cifs", "watch": "events"}, "events", "config"),
            ({"kind": "ext4", "watch": "poll"}, "polling", "config"),
            ({"kind": "ext4", "inner": "nfs4"}, "polling", "our album is on a share or the like (nfs4)"),
            ({"kind": "ext4", "inner": "nfs4", "recursive": False}, "events", "ext4"),
            ({"kind": "ext4", "inner": "tmpfs"}, "events", "ext4"),
        ],
    )
    def test_follows_the_config_and_the_filesystem(
        self, make: Callable[..., Post], monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], mode: str, words: str
    ) -> None:
        post = self.with_mounts(make, monkeypatch, **how)
        assert post.mode() == mode
        assert words in post.reason()
        assert post.lookout._retry == math.inf

    def test_is_made_anew_when_a_share_is_mounted_in_it(
        self, make: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        post = self.with_mounts(make, monkeypatch)
        assert post.mode() == "events"
        root = post.root()
        table = [Mount(root.mount or 0, "/", "ext4"), Mount(-1, f"{root.path}/a", "cifs")]
        monkeypatch.setattr(mounts, "table", lambda: table)
        assert not post.attend()
        post.lookout.look_begins()
        post.lookout.look_ends(disks_changed=True)
        assert post.attend()
        assert post.mode() == "polling"

    def test_is_events_where_the_system_tells_nothing_of_mounts(
        self, make: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mounts, "table", list)
        post = make()
        post.attend()
        assert (post.mode(), post.reason()) == ("events", "its filesystem is not known")
