"""Conducting a batch on a cluster: a workflow for each speaker, some at once, until all have ended.

Nothing is kept in memory that would be missed: a conductor that dies is started again and resumes from the workflows
that it finds, by their labels, and from the records in S3. The cluster is asked little: a list of those that have
ended and are not recorded (mostly empty) every few seconds, a list of all that are not recorded every minute, and of
each speaker's workflow its creation, its end and a note that it was recorded.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from voicemill.batch import records, speaker_workflows
from voicemill.batch import state as states
from voicemill.batch.batch_plan import BatchPlan
from voicemill.batch.records import Record
from voicemill.batch.speaker_workflows import BatchSettings, SpeakerWorkflow
from voicemill.batch.state import Batch, State
from voicemill.batch.validation import SpeakerJob
from voicemill.cluster.api import AlreadyThere, NotThere
from voicemill.cluster.image_pulls import ImagePulls
from voicemill.cluster.kube import Kube
from voicemill.cluster.retrying import retry_while_unavailable
from voicemill.core.errors import Cause, InputError
from voicemill.core.logs import get_logger

log = get_logger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_BETWEEN_COUNTS = 60.0
SECONDS_TO_END = 120.0
"""What workflows get to end in when they are told to; their pods have up to two minutes to save."""
_LISTERS = 16
_LOOKED_AT = 8
"""Workflows that are looked at each time they are counted, one after the other: a whole status is large."""
_DIGEST_DIGITS = 16
_SUPERSEDED = "superseded"
"""Outcome of a workflow that was made for other recordings or parameters, or by a conductor before."""


@dataclass(frozen=True)
class OutcomeStore:
    """Where what comes of speakers is kept: in S3, and on their workflows."""

    cluster: Kube
    records: records.Records
    batch: Batch
    settings: BatchSettings

    def finish(self, name: str, job: SpeakerJob, input_digest: str) -> State:
        """Keep what came of a speaker's workflow that has ended, or is not there any more."""
        try:
            workflow = retry_while_unavailable(lambda: self.cluster.workflow(name))
        except NotThere:
            return self.fail(job, input_digest, f"its workflow {name} was deleted")
        row = speaker_workflows.row_of(workflow, job, self.batch)
        self._keep(input_digest, row)
        try:
            # After the record: a workflow that is not noted is looked at once more.
            retry_while_unavailable(lambda: self.cluster.note(name, **speaker_workflows.noted(row)))
        except NotThere:
            log.warning("%s was deleted as soon as it had ended", name)
        return row

    def fail(self, job: SpeakerJob, input_digest: str, reason: str, cause: Cause | None = None) -> State:
        """Keep that a speaker has no voice."""
        row = State(job.speaker, job.line, "failed", reason, cause or "")
        self._keep(input_digest, row)
        return row

    def _keep(self, input_digest: str, row: State) -> None:
        retry_while_unavailable(lambda: self.records.write(Record(input_digest, self.settings.run, row)))
        log.info("%s: %s%s", row.speaker, row.outcome, f", {row.reason}" if row.reason else "")


class Conductor:
    """Makes the voices of a batch that are not there yet. One that fails harms no other.

    Args:
        cluster: Where.
        batch_plan: What, without mistakes.
        settings: How.
        kept: Records of the batch.
    """

    def __init__(self, cluster: Kube, batch_plan: BatchPlan, settings: BatchSettings, kept: records.Records) -> None:
        self.cluster, self.plan, self.settings, self.kept = cluster, batch_plan.plan, settings, kept
        self.outcomes = OutcomeStore(cluster, kept, batch_plan.batch, settings)
        self.jobs = {job.speaker: job for job in batch_plan.batch.jobs}
        self.waiting: deque[tuple[SpeakerJob, str]] = deque()
        self.active: dict[str, tuple[SpeakerJob, str]] = {}
        """Workflow's name -> the speaker's order and its mark."""
        self.ended: Counter[str] = Counter()
        """Speakers by their outcome."""
        self.failed_before: set[str] = set()
        """Speakers who failed under a conductor before this one."""
        self.failed_again: set[str] = set()
        self._counted = time.monotonic()
        self._pulls: dict[str, ImagePulls] = {}

    def rows(self) -> Iterator[State]:
        """Return each speaker's row as soon as it is known.

        Raises:
            TryAgain: The cluster or S3 was away for minutes; the workflows go on.
            NotAllowed: The cluster refuses.
        """
        for row in self._rows():
            self.ended[row.outcome] += 1
            if row.outcome == "failed" and row.speaker in self.failed_before:
                self.failed_again.add(row.speaker)
            yield row

    def counts(self) -> dict[str, int]:
        """Return how many speakers stand how: `waiting`, `running`, or as they ended."""
        now = {"waiting": len(self.waiting), "running": len(self.active)}
        return now | {outcome: self.ended[outcome] for outcome in ("voice", "failed", "stopped")}

    def _rows(self) -> Iterator[State]:
        yield from retry_while_unavailable(self._take_stock)
        while self.waiting or self.active:
            yield from self._start()
            for name in retry_while_unavailable(self._ended):
                yield self.outcomes.finish(name, *self.active.pop(name))
            yield from self._without_image()
            if self.active:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def leave(self) -> None:
        """What is to be done when the conductor is told to end: nothing if it is started again elsewhere."""
        if (self.cluster.workflow(self.settings.run).get("spec") or {}).get("shutdown"):
            terminate(self.cluster, unrecorded(self.cluster, self.settings))

    def _take_stock(self) -> list[State]:
        """Find who has a voice already and whose workflow is there; the others wait."""
        with ThreadPoolExecutor(_LISTERS) as listers:
            found = listers.map(lambda job: states.input_digest_of(job)[:_DIGEST_DIGITS], self.jobs.values())
            input_digests = dict(zip(self.jobs, found, strict=True))
        self.waiting.clear()
        self.active.clear()
        for child in _speaker_workflows(
            self.cluster, f"{speaker_workflows.of_batch(self.settings.name)},!{speaker_workflows.OUTCOME}"
        ):
            self._adopt(child, input_digests.get(child.speaker))
        adopted = {job.speaker for job, _ in self.active.values()}
        before = self.kept.read(self.jobs)
        failed = (record for record in before.values() if record.row.outcome == "failed")
        self.failed_before = {record.row.speaker for record in failed if record.conductor != self.settings.run}
        known: list[State] = []
        for speaker, job in self.jobs.items():
            record = before.get(speaker)
            if speaker in adopted:
                continue
            # A speaker who failed is tried again by the next conductor, not by the next try of this one.
            is_of_now = record and record.input_digest == input_digests[speaker]
            if record and is_of_now and (record.row.outcome == "voice" or record.conductor == self.settings.run):
                known.append(replace(record.row, line=job.line))
            else:
                self.waiting.append((job, input_digests[speaker]))
        log.info(
            "%d speakers: %d done, %d running, %d to start",
            len(self.jobs),
            len(known),
            len(adopted),
            len(self.waiting),
        )
        return known

    def _adopt(self, child: SpeakerWorkflow, input_digest: str | None) -> None:
        """Take a workflow that is there as this conductor's own, or end it if nobody asks for it any more."""
        is_own = child.conductor == self.settings.run
        is_twice = any(job.speaker == child.speaker for job, _ in self.active.values())
        if child.input_digest == input_digest and not is_twice and (is_own or not child.completed or child.has_voice):
            if not is_own:
                labels = {speaker_workflows.CONDUCTOR: self.settings.run}
                self.cluster.note(child.name, labels=labels, ownerReferences=speaker_workflows.owner(self.settings))
            self.active[child.name] = (self.jobs[child.speaker], child.input_digest)
            return
        if not child.completed:
            terminate(self.cluster, [child])
        self.cluster.note(child.name, labels={speaker_workflows.OUTCOME: _SUPERSEDED})

    def _start(self) -> Iterator[State]:
        """Create as many workflows as there may be at once; gives the rows of those that the cluster does not take."""
        while self.waiting and len(self.active) < self.settings.max_parallel:
            job, input_digest = self.waiting[0]
            workflow = speaker_workflows.workflow_for(self.plan, job, input_digest, self.settings)
            try:
                retry_while_unavailable(lambda workflow=workflow: self.cluster.create(workflow))
            except AlreadyThere:
                log.info("%s exists already: the response to its creation was lost", workflow["metadata"]["name"])
            except InputError as error:
                self.waiting.popleft()
                yield self.outcomes.fail(job, input_digest, str(error))
                continue
            self.active[workflow["metadata"]["name"]] = self.waiting.popleft()

    def _ended(self) -> list[str]:
        """Return those of the workflows that have ended; every minute also those that are gone."""
        of_batch = speaker_workflows.of_batch(self.settings.name)
        ended = f"{of_batch},{speaker_workflows.COMPLETED}=true,!{speaker_workflows.OUTCOME}"
        names = [child.name for child in _speaker_workflows(self.cluster, ended) if child.name in self.active]
        if self._is_to_count():
            there = {child.name for child in unrecorded(self.cluster, self.settings)}
            names += [name for name in self.active if name not in there | {*names}]
        return names

    def _is_to_count(self) -> bool:
        return time.monotonic() - self._counted > SECONDS_BETWEEN_COUNTS

    def _without_image(self) -> Iterator[State]:
        """Every minute, end workflows that wait too long for an image which cannot be pulled; gives their rows."""
        if not self._is_to_count():
            return
        self._counted = time.monotonic()
        watched = {name: pulls for name, pulls in self._pulls.items() if name in self.active}
        self._pulls = watched | {name: ImagePulls() for name in self.active if name not in watched}
        for name in list(self._pulls)[:_LOOKED_AT]:
            pulls = self._pulls[name] = self._pulls.pop(name)  # behind the others
            try:
                workflow = retry_while_unavailable(lambda name=name: self.cluster.workflow(name))
                reason = pulls.overdue(workflow)
                if reason:
                    retry_while_unavailable(lambda name=name: self.cluster.terminate(name))
            except NotThere:
                continue  # the next count says so
            if reason:
                row = self.outcomes.fail(*self.active.pop(name), reason, "infrastructure")
                noted = speaker_workflows.noted(row)
                retry_while_unavailable(lambda name=name, noted=noted: self.cluster.note(name, **noted))
                yield row


def conclude(cluster: Kube, batch_plan: BatchPlan, settings: BatchSettings, kept: records.Records) -> list[State]:
    """End what still runs of a batch whose conductor has ended, and give the rows of all speakers.

    Args:
        cluster: Where.
        batch_plan: What was to be made; rows of the manifest with mistakes were not begun.
        settings: How.
        kept: Records of the batch.
    """
    outcomes = OutcomeStore(cluster, kept, batch_plan.batch, settings)
    jobs = {job.speaker: job for job in batch_plan.batch.jobs}
    told: set[str] = set()
    deadline = time.monotonic() + SECONDS_TO_END
    while (left := retry_while_unavailable(lambda: unrecorded(cluster, settings))) and time.monotonic() < deadline:
        # Each time anew: a conductor that was told to end may have been about to make one more.
        running = [child for child in left if child.name not in told]
        retry_while_unavailable(lambda running=running: terminate(cluster, running))
        told |= {child.name for child in running}
        for child in left:
            if child.completed and child.speaker in jobs:
                outcomes.finish(child.name, jobs[child.speaker], child.input_digest)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if left:
        log.warning("%d workflows were told to stop and have not stopped yet, such as %s", len(left), left[0].name)
    before = retry_while_unavailable(lambda: kept.read(jobs))
    wrong = batch_plan.wrong
    rows = [State(job.speaker, job.line, "waiting", wrong.get(job.line, "")) for job in batch_plan.batch.jobs]
    return [replace(before[row.speaker].row, line=row.line) if row.speaker in before else row for row in rows]


def unrecorded(cluster: Kube, settings: BatchSettings) -> list[SpeakerWorkflow]:
    """Return the workflows of a conductor of which the outcome is not kept yet."""
    mine = f"{speaker_workflows.BATCH}={settings.name},{speaker_workflows.CONDUCTOR}={settings.run}"
    return list(_speaker_workflows(cluster, f"{mine},!{speaker_workflows.OUTCOME}"))


def terminate(cluster: Kube, them: list[SpeakerWorkflow]) -> None:
    """End those workflows of speakers that have not ended; what training has saved and voices that are there stay."""
    for child in them:
        if not child.completed:
            try:
                cluster.terminate(child.name)
            except NotThere:
                continue
            log.info("%s was terminated", child.name)


def _speaker_workflows(cluster: Kube, selector: str) -> Iterator[SpeakerWorkflow]:
    return map(speaker_workflows.from_sketch, cluster.sketches(selector))
