"""Any interleaving of what happens to jobs, crashes included, leaves each in one state, with one result at most."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from colorwatch.ledger import Ledger
from colorwatch.scan import Facts, Fingerprint, Job, Rendering, Scan, State

RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})
TERMINAL = (State.DONE, State.QUARANTINED, State.SKIPPED)


class Jobs(RuleBasedStateMachine):
    """The service's moves, in any order that it could make them, with a daemon that dies between any two."""

    rendered = Bundle("rendered")
    published = Bundle("published")

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp()
        self.ledger = Ledger(os.path.join(self.root, "ledger"))
        self.added: set[int] = set()
        self.running: set[int] = set()
        self.ended: dict[int, State] = {}

    @rule(path=st.sampled_from(["a.jpg", "b/a.jpg", "b.png"]), content=st.integers(0, 5))
    def add(self, path: str, content: int) -> None:
        digest = f"{content:02}" * 32
        scan = Scan("in", path, Fingerprint(1, 2, 3, content))
        if self.ledger.contents.find("in", path, digest) is None:
            facts = Facts(scan.fingerprint, digest, "jpeg", ".jpg", 1, 8, 8, 1, 8)
            names = itertools.chain([path], (f"{path} ({number})" for number in itertools.count(2)))
            with self.ledger.batch():
                self.added.add(self.ledger.add(scan, facts, "recipe", names).id)

    @rule()
    def claim(self) -> None:
        with self.ledger.batch():
            job = self.ledger.claim(0.0, lambda job: True, ["in"])
        if job:
            assert job.id not in self.running
            self.running.add(job.id)

    @rule()
    def claim_a_suspect(self) -> None:
        suspect = self.ledger.suspect_due(0.0, ["in"])
        if suspect:
            self.running.add(self.ledger.claim_suspect(suspect, others_succeed=True).id)

    def one_running(self) -> Job | None:
        return self.ledger.job(min(self.running)) if self.running else None

    @rule(target=rendered)
    def render(self) -> int:
        job = self.one_running()
        if job is None:
            return 0
        self.running.discard(job.id)
        self.ledger.rendered(job.id, f"/spool/{job.id}-{job.attempt}", RESULT)
        return job.id

    @rule(fault=st.sampled_from(["disk", "death", "damage", "gone", "release"]))
    def fail(self, fault: str) -> None:
        job = self.one_running()
        if job is None:
            return
        self.running.discard(job.id)
        if fault == "disk":
            self.ledger.retry(job.id, "disk", "the disk is full", 0.0)
        elif fault == "release":
            self.ledger.release(job.id)
        elif fault == "gone":
            self.ledger.skip(job.id, "gone", "taken away")
            self.ended[job.id] = State.SKIPPED
        elif fault == "damage" or self.ledger.worker_died(job.id, "it crashed", 0.0) >= 3:
            self.ledger.quarantine(job.id, "damaged", "it is cut")
            self.ended[job.id] = State.QUARANTINED

    @rule(job_id=consumes(rendered))
    def lose_the_spool(self, job_id: int) -> None:
        if job_id:
            self.ledger.release(job_id)

    @rule(job_id=consumes(rendered), target=published)
    def publish(self, job_id: int) -> int:
        if job_id:
            self.ledger.published(job_id)
        return job_id

    @rule(job_id=consumes(published))
    def finish(self, job_id: int) -> None:
        if job_id:
            self.ledger.done(job_id, "kept", "", None)
            self.ended[job_id] = State.DONE

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(os.path.join(self.root, "ledger"))
        self.ledger.recover()
        self.running.clear()

    @invariant()
    def every_job_is_in_one_state_and_no_end_is_undone(self) -> None:
        jobs = {job_id: self.ledger.job(job_id) for job_id in self.added}
        assert {job_id: job.state for job_id, job in jobs.items() if job.state in TERMINAL} == self.ended
        assert {job_id for job_id, job in jobs.items() if job.state is State.RUNNING} == self.running
        assert Counter(job.state for job in jobs.values()) == {s: n for s, n in self.ledger.counts().items() if n}

    @invariant()
    def no_two_results_share_a_name(self) -> None:
        names = [self.ledger.job(job_id).output for job_id in self.added]
        reserved = [name for name in names if name is not None]
        assert len(reserved) == len(set(reserved))

    @invariant()
    def no_content_is_coloured_twice_under_one_path(self) -> None:
        done = [self.ledger.job(job_id) for job_id, state in self.ended.items() if state is State.DONE]
        assert all(n == 1 for n in Counter((j.scan.path, j.facts.digest if j.facts else "") for j in done).values())

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.root)


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
