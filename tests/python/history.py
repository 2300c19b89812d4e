"""What happened to each message, and whether that is what was promised.

Clients write down what they did and what they were told; the checks are pure functions of that.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Receipt:
    """A message handed out: in which order, by which number of the history."""
    key: str
    message_id: str
    body: str
    began: int


@dataclass
class History:
    """One queue's, or one topic's, history. Every method may be called from any thread."""
    acknowledged: dict = field(default_factory=dict)
    attempted: dict = field(default_factory=dict)
    receipts: list = field(default_factory=list)
    deleted: dict = field(default_factory=dict)
    _clock: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self):
        """A number that only grows: later than all before it."""
        with self._lock:
            self._clock += 1
            return self._clock

    def attempt(self, key, body):
        with self._lock:
            self.attempted[key] = body

    def acknowledge(self, key):
        at = self.tick()
        with self._lock:
            self.acknowledged[key] = at

    def receive(self, key, message_id, body, began):
        with self._lock:
            self.receipts.append(Receipt(key, message_id, body, began))

    def delete(self, message_id):
        at = self.tick()
        with self._lock:
            self.deleted.setdefault(message_id, at)


def lost(sent, received):
    """Keys that were acknowledged but never came."""
    came = {receipt.key for receipt in received.receipts}
    return sorted(set(sent.acknowledged) - came)


def invented(sent, received):
    """Receipts of what nobody sent, or with another body than was sent."""
    return [r for r in received.receipts if sent.attempted.get(r.key) != r.body]


def delivered_after_delete(received):
    """Receipts that began after the message's deletion was acknowledged."""
    return [r for r in received.receipts if r.began > received.deleted.get(r.message_id, float("inf"))]


def enqueued_twice(received):
    """Keys that came as more than one message: for FIFO queues and their deduplication."""
    messages = defaultdict(set)
    for receipt in received.receipts:
        messages[receipt.key].add(receipt.message_id)
    return sorted(key for key, ids in messages.items() if len(ids) > 1)


def untrue(received, read):
    """Receipts of objects that are not what the message says; `read` gives what there is under a key."""
    return [r for r in received.receipts if read(r.key) != r.body]


def out_of_order(received, group_of, number_of):
    """Groups whose first deliveries are not in the order of sending."""
    last, wrong, seen = {}, set(), set()
    for receipt in received.receipts:
        if receipt.key in seen:
            continue
        seen.add(receipt.key)
        group, number = group_of(receipt.key), number_of(receipt.key)
        if number < last.get(group, -1):
            wrong.add(group)
        last[group] = max(number, last.get(group, -1))
    return sorted(wrong)
