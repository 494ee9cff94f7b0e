"""What people ask of the daemon, by the command line or by a file in `again/`: carried out, and answered.

Each request may be carried out again: one that was not answered before a crash is taken up by the next start.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from colorwatch.folders import commands
from colorwatch.ledger.settings import PAUSED, WORKERS
from colorwatch.scan import Job, Redo, State, printable

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import AgainEnded, AskedAgain, FolderSettings, GivenBack, Trouble, Unpublished
    from colorwatch.ledger import Ledger
    from colorwatch.ledger.requests import Request
    from colorwatch.work.othernets import OtherNets
    from colorwatch.work.redoing import Redoing
    from colorwatch.work.standing import Standing

KEEP_SECONDS = 7 * 86_400.0  # how long what was asked and answered is kept

Answer = dict[str, Any]


class Petitions:
    """Works inside the service's batch; what it sends leaves after the commit."""

    def __init__(
        self,
        ledger: Ledger,
        redoing: Redoing,
        folders: Mapping[str, FolderSettings],
        model: str,
        nets: OtherNets | None,
        standing: Standing,
        resume: Callable[[Job], None],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`model`: the name of the daemon's, `nets` has others; `resume` asks a job's folder for its next step."""
        self._ledger = ledger
        self._redoing = redoing
        self._folders = folders
        self._model = model
        self._nets = nets
        self._resume = resume
        self._send = send
        self._log = log
        self._wall = wall
        self._standing = standing
        # Requests that a folder's word will answer, by the job it will be about.
        self._open: defaultdict[int, list[Request]] = defaultdict(list)
        self._kinds: dict[str, Callable[[Request], Answer | None]] = {
            "retry": self._retry,
            "release": self._release,
            "redo": self._redo,
            "forget": self._forget,
            "reprocess": self._reprocess,
            "pause": self._pause,
            "resume": self._go_on,
        }
        paused = ledger.health.setting(PAUSED)
        self._paused: dict[str, float] = json.loads(paused) if paused else {}
        self._show_pauses()

    def introduce(self, workers: int) -> None:
        """At a start: notes what those who ask beside the daemon need to know of it."""
        self._ledger.health.clear()
        self._ledger.health.set(WORKERS, str(workers))
        self._redoing.introduce()

    def look(self, now: float) -> None:
        """Carries out what was asked since the last look. Cheap where nobody asked."""
        self._redoing.due_again(now)
        if not self._ledger.requests.changed():
            return
        self._ledger.requests.forget_before(self._wall() - KEEP_SECONDS)
        begun = {request.id for requests in self._open.values() for request in requests}
        for request in self._ledger.requests.open():
            if request.id not in begun:
                self._carry_out(request)

    def _carry_out(self, request: Request) -> None:
        act = self._kinds.get(request.kind)
        try:
            answer = act(request) if act else _no(f"this colorwatch does not know how to {request.kind}")
        except (KeyError, TypeError, ValueError) as error:  # written by another version, or by hand
            answer = _no(f"the request is not understood ({type(error).__name__}: {error})")
        if answer is not None:
            self._answer(request, answer)

    def _answer(self, request: Request, answer: Answer) -> None:
        self._ledger.requests.answer(request.id, answer)
        about = {name: request.arguments[name] for name in ("job", "folder") if request.arguments.get(name)}
        self._log.info("request.answered", kind=request.kind, ok=answer["ok"], text=answer["text"], **about)

    # --- scans in quarantine, and scans that wait -----------------------------------------------------------------

    def _retry(self, request: Request) -> Answer | None:
        folder, path = request.arguments["folder"], request.arguments["path"]
        if folder not in self._folders:
            return _no(_stray(folder))
        if request.arguments.get("waits"):
            self._ledger.redos.forgive(folder, path)
            self._send(folder, commands.LookAgain(path, 0.0))
            return _yes(f"{printable(path)} is looked at again now.")
        job = self._job(request)
        if job is None:
            return _no(_unknown(path))
        match job.state:
            case State.QUARANTINED:
                return self._give_back(request, job)
            case State.QUEUED:
                self._ledger.redos.wake(job.id)
                return _yes(f"{printable(path)} is tried as soon as a worker is free.")
            case State.STUCK:
                self._resume(job)
                return _yes(f"The original of {printable(path)} is dealt with now.")
            case State.SKIPPED if job.whereabouts is None:
                self._ledger.redos.retried(job.id)
                self._send(folder, commands.Forget(path))
                return _yes(f"{printable(path)} is looked at as if it were new.")
            case State.SKIPPED:
                return _no(f"{printable(path)} was put back into the inbox before, or is gone; there is nothing to try")
            case State.DONE:
                return _no(f"{printable(path)} is coloured already; to have it made again: colorwatch redo")
            case _:
                return _no(f"{printable(path)} is being coloured now")

    def _release(self, request: Request) -> Answer | None:
        job = self._job(request)
        if job is None:
            return _no(_unknown(request.arguments["path"]))
        if job.scan.folder not in self._folders:
            return _no(_stray(job.scan.folder))
        if job.state is not State.QUARANTINED:
            return _no(f"{printable(job.scan.path)} is not in quarantine")
        return self._give_back(request, job)

    def _give_back(self, request: Request, job: Job) -> Answer | None:
        """Answered once the scan lies in the inbox."""
        if not self._ledger.redos.is_settled(job.id):
            return _no(f"{printable(job.scan.path)} is on its way into the quarantine; ask again in a moment")
        self._open[job.id].append(request)
        scan = job.scan
        self._send(scan.folder, commands.GiveBack(job.id, job.whereabouts or "", scan.path, scan.fingerprint))
        return None

    def on_given_back(self, message: GivenBack) -> None:
        requests = self._open.pop(message.job_id, [])
        job = self._job_of(message.job_id)
        if job is None or not requests:
            return
        if message.path is None or message.fingerprint is None:
            answer = _no(f"{printable(job.scan.path)} is no longer in the quarantine, nor in the inbox")
        elif requests[0].kind == "release":
            self._ledger.redos.released(job.id, message.path, message.fingerprint)
            answer = _yes(f"It lies in the inbox again, as {printable(message.path)}, and is left as it is.")
        else:
            self._ledger.redos.retried(job.id)
            self._ledger.redos.forgive(message.folder, message.path)
            answer = _yes(f"It lies in the inbox again, as {printable(message.path)}, and is tried like a new scan.")
        for request in requests:
            self._answer(request, answer)

    # --- results made again ---------------------------------------------------------------------------------------

    def _redo(self, request: Request) -> Answer:
        arguments = request.arguments
        job = self._job(request)
        refusal = self._why_not_again(job, arguments["path"])
        if refusal or job is None:
            return _no(refusal)
        model = str(arguments.get("model") or "")
        model = "" if model == self._model else model
        if model and self._nets is None:
            return _no(f"colorwatch runs with {self._model} alone")
        settings = _settings(arguments.get("settings", {}))
        if model and self._nets:
            self._nets.forget(model)
            self._nets.model(model)  # which takes a while, and is begun at once
        self._redoing.begin(job, Redo(settings, model))
        return _yes(f"{printable(job.scan.path)} is coloured again{_by(model)}.", job=job.id)

    def _why_not_again(self, job: Job | None, path: str) -> str:
        """Why a result cannot be made again, or ""."""
        name = printable(path)
        if job is None:
            return _unknown(path)
        if job.scan.folder not in self._folders:
            return _stray(job.scan.folder)
        if job.redo is not None and job.redo.under_way:
            return f"{name} is being coloured again already"
        if job.state is not State.DONE:
            return f"{name} is not finished, so it cannot be made again (it is {job.state})"
        if job.output is None:
            return f"{name} is a mere copy of another scan, which has the result"
        if job.facts is None:
            return f"{name} is known from its result alone, and its original was not seen since; put it into the inbox"
        if job.whereabouts == "":
            return f"{name} cannot be coloured again, for its original is gone"
        return ""

    def _reprocess(self, request: Request) -> Answer:
        count = 0
        for number in request.arguments["jobs"]:
            job = self._job_of(number)
            if job is not None and not self._why_not_again(job, job.scan.path):
                chosen = job.redo or Redo({})
                self._redoing.begin(job, Redo(chosen.settings, chosen.model, only_over=True))
                count += 1
        return _yes(f"{count} are coloured again, behind new scans.", jobs=count)

    def on_asked_again(self, message: AskedAgain) -> None:
        """A person moved a result into `again/`: it is made again by the settings of today."""
        job = self._job_behind(message)
        if job is None or self._why_it_stays(job, message):
            why = self._why_it_stays(job, message) if job else "it is no result that colorwatch has made"
            self._ledger.health.note(message.folder, "again", "left", f"{printable(message.path)}: {why}")
            self._log.warning("again.left", folder=message.folder, file=message.path, reason=why)
            return
        if job.redo is not None and job.redo.under_way:  # by the command line, or it is told anew after a restart
            edited = job.redo.replaces != message.digest
            self._ledger.redos.attach(job, message.path, back=edited)
        else:
            edited = _digest(job) != message.digest
            self._redoing.begin(job, Redo({}, again=message.path, back=edited))
        if edited:
            self._redoing.send_back(job, message.path, message.digest)

    def on_again_ended(self, message: AgainEnded) -> None:
        self._redoing.on_again_ended(message)

    def _job_behind(self, message: AskedAgain) -> Job | None:
        """By name and content, else by content alone (it was renamed, or came from a folder), else by name: edited."""
        named = self._job_of(self._ledger.redos.named(message.folder, message.path) or 0)
        if named is not None and message.digest in (_digest(named), named.redo.replaces if named.redo else ""):
            return named
        number = self._ledger.redos.with_result(message.folder, message.digest, message.path)
        return (self._job_of(number) if number is not None else None) or named

    def _why_it_stays(self, job: Job, message: AskedAgain) -> str:
        if job.redo is not None and job.redo.under_way and job.redo.again in ("", message.path):
            return ""
        return self._why_not_again(job, job.scan.path)

    # --- histories forgotten --------------------------------------------------------------------------------------

    def _forget(self, request: Request) -> Answer | None:
        path = request.arguments["path"]
        job = self._job(request)
        if job is None:
            if request.arguments.get("job") is not None:
                return _yes(f"{printable(path)} is forgotten already.")
            return _no(f"{printable(path)} has no history yet")
        if job.scan.folder not in self._folders:
            return _no(_stray(job.scan.folder))
        if job.state not in (State.DONE, State.SKIPPED, State.QUARANTINED):
            return _no(f"{printable(path)} is under way; ask again once it is finished")
        if job.state is State.DONE and job.output and job.result:
            self._open[job.id].append(request)
            prints = self._ledger.prints.standing(job.id)
            self._send(job.scan.folder, commands.Unpublish(job.id, job.output, job.result.digest, prints))
            return None
        return self._forgotten(job, "")

    def on_unpublished(self, message: Unpublished) -> None:
        self._redoing.on_unpublished(message)
        requests = self._open.pop(message.job_id, [])
        job = self._job_of(message.job_id)
        if job is None or not requests:
            return
        how = "is removed" if message.removed else f"was not removed: {message.why}"
        answer = self._forgotten(job, _sentence(f"Its result {printable(job.output or '')} {how}"))
        for request in requests:
            self._answer(request, answer)

    def _forgotten(self, job: Job, told: str) -> Answer:
        self._ledger.redos.forget(job)
        self._send(job.scan.folder, commands.Unshow(job.id))
        words = [told] if told else []
        if job.whereabouts is None:
            self._send(job.scan.folder, commands.Forget(job.scan.path))
            words.append("Its original is in the inbox: unless you take it away now, it is looked at like a new scan.")
        elif job.whereabouts:
            words.append(f"Its original is {printable(job.whereabouts)}.")
        return _yes(" ".join([f"{printable(job.scan.path)} is forgotten.", *words]))

    # --- pauses ---------------------------------------------------------------------------------------------------

    def _pause(self, request: Request) -> Answer:
        folder = request.arguments["folder"]
        if folder and folder not in self._folders:
            return _no(_stray(folder))
        if "" in self._paused or folder in self._paused:
            return _yes(f"{printable(folder) or 'Everything'} was paused already.")
        self._paused[folder] = self._wall()
        self._remember()
        return _yes(f"{printable(folder) or 'Everything'} is paused: nothing new is begun until colorwatch resume.")

    def _go_on(self, request: Request) -> Answer:
        folder = request.arguments["folder"]
        if folder and "" in self._paused:
            return _no("everything is paused, not this folder alone; to go on: colorwatch resume, without --folder")
        if not self._paused or (folder and folder not in self._paused):
            return _yes(f"{printable(folder) or 'Nothing'} was {'not ' if folder else ''}paused.")
        if folder:
            del self._paused[folder]
        else:
            self._paused.clear()
        self._remember()
        return _yes(f"{printable(folder) or 'Everything'} goes on.")

    def _remember(self) -> None:
        self._ledger.health.set(PAUSED, json.dumps(self._paused) if self._paused else None)
        self._show_pauses()

    def _show_pauses(self) -> None:
        self._standing.paused = set(self._folders) if "" in self._paused else set(self._paused) & set(self._folders)

    # --- inner ----------------------------------------------------------------------------------------------------

    def on_trouble(self, message: Trouble, now: float) -> None:
        """A disk refused: who waits for the answer is told, and may ask again."""
        if message.job_id is None:
            self._redoing.on_trouble(message, now)
            return
        for request in self._open.pop(message.job_id, []):
            self._answer(request, _no(message.message))

    def _job(self, request: Request) -> Job | None:
        return self._job_of(request.arguments.get("job"))

    def _job_of(self, number: int | None) -> Job | None:
        return self._ledger.redos.job(number) if number else None


_BOUNDS = {"strength": 1.0, "saturation": 2.0}
_WORDS = {"colored": ("leave", "recolor"), "text": ("leave", "color")}


def _settings(plain: Mapping[str, Any]) -> dict[str, float | str]:
    """What was chosen, within its bounds; raises ValueError."""
    chosen: dict[str, float | str] = {}
    for name, value in plain.items():
        chosen[name] = str(value) if name in _WORDS else float(value)
        if value not in _WORDS[name] if name in _WORDS else not 0 <= float(value) <= _BOUNDS[name]:
            raise ValueError(f"{name} {value}")
    return chosen


def _digest(job: Job) -> str:
    return job.result.digest if job.result else ""


def _yes(text: str, **more: Any) -> Answer:
    return {"ok": True, "text": text, **more}


def _no(text: str) -> Answer:
    return {"ok": False, "text": _sentence(text)}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _unknown(path: str) -> str:
    return f"{printable(path)} is not known any more"


def _stray(folder: str) -> str:
    return f"there is no folder {printable(folder)} in the config that colorwatch runs with"


def _by(model: str) -> str:
    return f", by {printable(model)}" if model else ""
