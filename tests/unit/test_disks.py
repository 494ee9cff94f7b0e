"""What is mounted where, from one look to the next."""

from __future__ import annotations

from colorwatch.watching.disks import Disks

ROOT, OTHER, THIRD = 1, 2, 3


def look(disks: Disks, **folders: int) -> tuple[list[str], bool]:
    """A full look over folders (a__b stands for a/b) and their devices: which had another disk, and the end's word."""
    disks.look_begins(ROOT)
    named = {name.replace("__", "/"): device for name, device in folders.items()}
    return [name for name, device in named.items() if disks.saw(name, device)], disks.look_ends()


def test_the_first_look_changes_nothing() -> None:
    disks = Disks()
    assert look(disks, a=OTHER, b=ROOT) == ([], False)
    assert look(disks, a=OTHER, b=ROOT) == ([], False)
    disks.forget()
    assert look(disks, a=ROOT) == ([], False)


def test_a_disk_that_comes_and_goes_is_told_of_the_folder_it_is_mounted_on_alone() -> None:
    disks = Disks()
    look(disks, a=ROOT, a__b=ROOT)
    assert look(disks, a=OTHER, a__b=OTHER, a__c=OTHER) == (["a"], True)
    assert look(disks, a=OTHER, a__b=OTHER) == ([], False)
    assert look(disks, a=THIRD, a__b=OTHER) == (["a", "a/b"], True)
    assert look(disks, a=ROOT, a__b=ROOT) == (["a", "a/b"], True)


def test_a_mounted_folder_that_is_gone_with_its_disk_is_told_at_the_end() -> None:
    disks = Disks()
    look(disks, a=OTHER)
    assert look(disks) == ([], True)


def test_the_inbox_on_another_disk_as_a_whole_is_none() -> None:
    disks = Disks()
    look(disks, a=ROOT)
    disks.look_begins(OTHER)
    assert not disks.saw("a", OTHER)
    assert not disks.look_ends()
