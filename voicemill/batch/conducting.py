"""Conducting a batch on a cluster: a workflow for each speaker, some at once, until all have ended.

Nothing is kept in memory that would be missed: a conductor that dies is started again and goes on from the workflows
that it finds, by their labels, and from the records in S3. The cluster is asked little: a list of those that have
ended and are not recorded (mostly empty) every few seconds, a list of all that are not recorded every minute, and of
each speaker's workflow its creation, its end and a note that it was recorded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from voicemill.batch import children, records
from voicemill.batch import state as states
from voicemill.batch.checking import Order
from voicemill.batch.children import Child, Terms
from voicemill.batch.commission import Commission
from voicemill.batch.records import Record
from voicemill.batch.state import Batch, State
from voicemill.cluster.api import AlreadyThere, NotThere
from voicemill.cluster.kube import Kube
from voicemill.cluster.patience import patiently
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger

log = get_logger(__name__)

SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_BETWEEN_COUNTS = 60.0
SECONDS_TO_END = 120.0
"""What workflows get to end in when they are told to; their pods have up to two minutes to save."""
_LISTERS = 16
_MARK_DIGITS = 16
_SUPERSEDED = "superseded"
"""Outcome of a workflow that was made for other recordings or parameters, or by a conductor before."""


@dataclass(frozen=True)
class Books:
    """Where what comes of speakers is kept: in S3, and on their workflows."""

    cluster: Kube
    records: records.Records
    batch: Batch
    terms: Terms

    def settle(self, name: str, order: Order, mark: str) -> State:
        """Keep what came of a speaker's workflow that has ended, or is not there any more."""
        try:
            workflow = patiently(lambda: self.cluster.workflow(name))
        except NotThere:
            return self.fail(order, mark, f"its workflow {name} was deleted")
        row = children.row_of(workflow, order, self.batch)
        self._keep(mark, row)
        try:
            # After the record: a workflow that is not noted is looked at once more.
            patiently(lambda: self.cluster.note(name, **children.noted(row)))
        except NotThere:
            log.warning("%s was deleted as soon as it had ended", name)
        return row

    def fail(self, order: Order, mark: str, reason: str) -> State:
        """Keep that a speaker has no voice."""
        row = State(order.speaker, order.line, "failed", reason)
        self._keep(mark, row)
        return row

    def _keep(self, mark: str, row: State) -> None:
        patiently(lambda: self.records.write(Record(mark, self.terms.run, row)))
        log.info("%s: %s%s", row.speaker, row.outcome, f", {row.reason}" if row.reason else "")


class Conductor:
    """Makes the voices of a batch that are not there yet. One that fails harms no other.

    Args:
        cluster: Where.
        commission: What, without mistakes.
        terms: How.
        kept: Records of the batch.
    """

    def __init__(self, cluster: Kube, commission: Commission, terms: Terms, kept: records.Records) -> None:
        self.cluster, self.plan, self.terms, self.kept = cluster, commission.plan, terms, kept
        self.books = Books(cluster, kept, commission.batch, terms)
        self.orders = {order.speaker: order for order in commission.batch.orders}
        self.waiting: deque[tuple[Order, str]] = deque()
        self.active: dict[str, tuple[Order, str]] = {}
        """Workflow's name -> the speaker's order and its mark."""
        self._counted = time.monotonic()

    def rows(self) -> Iterator[State]:
        """Each speaker's row as soon as it is known.

        Raises:
            TryAgain: The cluster or S3 was away for minutes; the workflows go on.
            NotAllowed: The cluster refuses.
        """
        yield from patiently(self._take_stock)
        while self.waiting or self.active:
            yield from self._start()
            for name in patiently(self._ended):
                yield self.books.settle(name, *self.active.pop(name))
            if self.active:
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def leave(self) -> None:
        """What is to be done when the conductor is told to end: nothing if it is started again elsewhere."""
        if (self.cluster.workflow(self.terms.run).get("spec") or {}).get("shutdown"):
            terminate(self.cluster, unrecorded(self.cluster, self.terms))

    def _take_stock(self) -> list[State]:
        """Find who has a voice already and whose workflow is there; the others wait."""
        with ThreadPoolExecutor(_LISTERS) as listers:
            found = listers.map(lambda order: states.mark_of(order)[:_MARK_DIGITS], self.orders.values())
            marks = dict(zip(self.orders, found, strict=True))
        self.waiting.clear()
        self.active.clear()
        for child in _children(self.cluster, f"{children.of_batch(self.terms.name)},!{children.OUTCOME}"):
            self._adopt(child, marks.get(child.speaker))
        adopted = {order.speaker for order, _ in self.active.values()}
        before = self.kept.read(self.orders)
        known: list[State] = []
        for speaker, order in self.orders.items():
            record = before.get(speaker)
            if speaker in adopted:
                continue
            # A speaker who failed is tried again by the next conductor, not by the next try of this one.
            is_of_now = record and record.mark == marks[speaker]
            if record and is_of_now and (record.row.outcome == "voice" or record.conductor == self.terms.run):
                known.append(replace(record.row, line=order.line))
            else:
                self.waiting.append((order, marks[speaker]))
        log.info(
            "%d speakers: %d known, %d going on, %d to begin",
            len(self.orders),
            len(known),
            len(adopted),
            len(self.waiting),
        )
        return known

    def _adopt(self, child: Child, mark: str | None) -> None:
        """Take a workflow that is there as this conductor's own, or end it if nobody asks for it any more."""
        is_own = child.conductor == self.terms.run
        is_twice = any(order.speaker == child.speaker for order, _ in self.active.values())
        if child.mark == mark and not is_twice and (is_own or not child.completed or child.has_voice):
            if not is_own:
                labels = {children.CONDUCTOR: self.terms.run}
                self.cluster.note(child.name, labels=labels, ownerReferences=children.owner(self.terms))
            self.active[child.name] = (self.orders[child.speaker], child.mark)
            return
        if not child.completed:
            terminate(self.cluster, [child])
        self.cluster.note(child.name, labels={children.OUTCOME: _SUPERSEDED})

    def _start(self) -> Iterator[State]:
        """Create as many workflows as there may be at once; gives the rows of those that the cluster does not take."""
        while self.waiting and len(self.active) < self.terms.at_once:
            order, mark = self.waiting[0]
            workflow = children.workflow_for(self.plan, order, mark, self.terms)
            try:
                patiently(lambda workflow=workflow: self.cluster.create(workflow))
            except AlreadyThere:
                log.info("%s is there: the answer to its creation was lost", workflow["metadata"]["name"])
            except InputError as error:
                self.waiting.popleft()
                yield self.books.fail(order, mark, str(error))
                continue
            self.active[workflow["metadata"]["name"]] = self.waiting.popleft()

    def _ended(self) -> list[str]:
        """Those of the workflows that have ended; every minute also those that are gone."""
        ended = f"{children.of_batch(self.terms.name)},{children.COMPLETED}=true,!{children.OUTCOME}"
        names = [child.name for child in _children(self.cluster, ended) if child.name in self.active]
        if time.monotonic() - self._counted > SECONDS_BETWEEN_COUNTS:
            there = {child.name for child in unrecorded(self.cluster, self.terms)}
            names += [name for name in self.active if name not in there | {*names}]
            self._counted = time.monotonic()
        return names


def conclude(cluster: Kube, commission: Commission, terms: Terms, kept: records.Records) -> list[State]:
    """End what still runs of a batch whose conductor has ended, and give the rows of all speakers.

    Args:
        cluster: Where.
        commission: What was to be made; rows of the manifest with mistakes were not begun.
        terms: How.
        kept: Records of the batch.
    """
    books = Books(cluster, kept, commission.batch, terms)
    orders = {order.speaker: order for order in commission.batch.orders}
    told: set[str] = set()
    deadline = time.monotonic() + SECONDS_TO_END
    while (left := patiently(lambda: unrecorded(cluster, terms))) and time.monotonic() < deadline:
        # Each time anew: a conductor that was told to end may have been about to make one more.
        running = [child for child in left if child.name not in told]
        patiently(lambda running=running: terminate(cluster, running))
        told |= {child.name for child in running}
        for child in left:
            if child.completed and child.speaker in orders:
                books.settle(child.name, orders[child.speaker], child.mark)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if left:
        log.warning("%d workflows were told to end and have not yet, such as %s", len(left), left[0].name)
    before = patiently(lambda: kept.read(orders))
    wrong = commission.wrong
    rows = [State(order.speaker, order.line, "waiting", wrong.get(order.line, "")) for order in commission.batch.orders]
    return [replace(before[row.speaker].row, line=row.line) if row.speaker in before else row for row in rows]


def unrecorded(cluster: Kube, terms: Terms) -> list[Child]:
    """The workflows of a conductor of which the outcome is not kept yet."""
    mine = f"{children.BATCH}={terms.name},{children.CONDUCTOR}={terms.run}"
    return list(_children(cluster, f"{mine},!{children.OUTCOME}"))


def terminate(cluster: Kube, them: list[Child]) -> None:
    """End those workflows of speakers that have not ended; what training has saved and voices that are there stay."""
    for child in them:
        if not child.completed:
            try:
                cluster.terminate(child.name)
            except NotThere:
                continue
            log.info("%s is ended", child.name)


def _children(cluster: Kube, selector: str) -> Iterator[Child]:
    return map(children.child_of, cluster.sketches(selector))
