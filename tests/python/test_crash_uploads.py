"""Uploads in parts under load, with `kill -9` at random moments; then every promise is checked.

`ROPEWAY_CRASHES` is the number of kills (3 unless told otherwise), `ROPEWAY_SEED` the seed of the moments.
"""

import hashlib
import os
import random
import threading
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import Server, eventually, refused

CRASHES = int(os.environ.get("ROPEWAY_CRASHES", "3"))
SEED = int(os.environ.get("ROPEWAY_SEED", "20261121"))
WORKERS = 4
BUCKET = "uploads"
# What is larger lies in the blob store.
IN_ROWS = 65_536
LEAST = 5 * 1024 * 1024
# How often bodies that no row names are collected, in seconds.
COLLECTED_EVERY = 3600


@dataclass
class Upload:
    """An upload, its parts as far as they were acknowledged, and how far it came."""
    key: str
    id: str
    parts: dict = field(default_factory=dict)
    state: str = "open"

    def body(self):
        """What becomes of it: the first two parts."""
        return b"".join(self.parts[n] for n in (1, 2) if n in self.parts)

    def where(self):
        return {"Bucket": BUCKET, "Key": self.key, "UploadId": self.id}


def made_up(size, *names):
    return hashlib.shake_128(repr(names).encode()).digest(size)


def etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


class Story:
    """Each worker has a key of its own, for which it makes one upload after the other."""

    def __init__(self, server):
        self.server = server
        self.running = threading.Event()
        self.random = random.Random(SEED)
        self.uploads = []
        self.blobs_before = len(self.blobs())
        self.client().create_bucket(Bucket=BUCKET)

    def client(self):
        return self.server.client("s3", connect_timeout=2, read_timeout=20)

    def blobs(self):
        return [path for path in (self.server.directory / "blobs").rglob("*") if path.is_file()]

    def part(self, s3, upload, number, size):
        body = made_up(size, upload.id, number)
        s3.upload_part(**upload.where(), PartNumber=number, Body=body)
        upload.parts[number] = body

    def step(self, s3, key, number):
        """Some parts, one of them twice and one that is not taken; then an end, or none."""
        upload = Upload(key, s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"])
        self.uploads.append(upload)
        large = number % 8 == 5
        if large:
            self.part(s3, upload, 2, 100)
        self.part(s3, upload, 1, LEAST if large else (1, IN_ROWS, IN_ROWS + 1)[number % 3])
        self.part(s3, upload, 7, IN_ROWS + 7)
        if number % 6 == 2:
            upload.state = "aborting"
            s3.abort_multipart_upload(**upload.where())
            upload.state = "aborted"
        elif number % 6 != 4:
            upload.state = "completing"
            self.complete(s3, upload)
            upload.state = "completed"

    def complete(self, s3, upload):
        named = [{"PartNumber": n, "ETag": etag(body)} for n, body in sorted(upload.parts.items()) if n != 7]
        s3.complete_multipart_upload(**upload.where(), MultipartUpload={"Parts": named})

    def worker(self, n):
        s3, number = self.client(), 0
        while self.running.is_set():
            try:
                self.step(s3, f"k{n}", number)
            except (BotoCoreError, ClientError):
                # Not acknowledged, so nothing is promised of it; a server that is down answers nobody.
                self.running.wait(0.02)
            number += 1

    def in_state(self, *states):
        return [upload for upload in list(self.uploads) if upload.state in states]

    def run_with_kills(self, crashes):
        self.running.set()
        threads = [threading.Thread(target=self.worker, args=(n,)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(crashes):
                target = len(self.in_state("completed")) + self.random.randint(5, 30)
                eventually(lambda: len(self.in_state("completed")) >= target, "progress between two kills", 120)
                self.server.restart_after_kill()
        finally:
            self.running.clear()
            for thread in threads:
                thread.join()

    def listed(self):
        """The ids of the uploads that go on."""
        pages = self.client().get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET)
        return {upload["UploadId"] for page in pages for upload in page.get("Uploads", [])}

    def shown(self, upload):
        """The ETags of an upload's parts."""
        parts = self.client().list_parts(**upload.where()).get("Parts", [])
        return {part["PartNumber"]: part["ETag"] for part in parts}

    def current(self, key):
        return self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("crash-uploads") / "data")
    story = Story(server)
    story.run_with_kills(CRASHES)
    yield story
    server.kill()


def test_completions_are_all_or_nothing(story):
    """What stands is the last upload that was completed, or one whose completion was cut off later; whole."""
    assert len(story.in_state("completed")) > CRASHES
    listed = story.listed()
    for key in {upload.key for upload in story.in_state("completed")}:
        mine = [upload for upload in story.uploads if upload.key == key]
        last = max(n for n, upload in enumerate(mine) if upload.state == "completed")
        may = [mine[last], *[upload for upload in mine[last + 1:] if upload.state == "completing"]]
        body = story.current(key)
        found, = [upload for upload in may if upload.body() == body]
        assert found.id not in listed
        # A completion that left its upload behind has left no object.
        assert all(upload.body() != body for upload in may if upload.id in listed)


def test_what_has_ended_stays_so(story):
    s3, listed = story.client(), story.listed()
    assert story.in_state("aborted")
    assert not listed & {upload.id for upload in story.in_state("aborted", "completed")}
    for upload in story.in_state("aborted"):
        with refused("NoSuchUpload", 404):
            s3.list_parts(**upload.where())
        with refused("NoSuchUpload", 404):
            story.complete(s3, upload)


def test_what_has_not_ended_has_its_parts(story):
    """Those whose end was cut off, too, as far as they are there."""
    listed = story.listed()
    assert {upload.id for upload in story.in_state("open")} <= listed
    for upload in story.uploads:
        if upload.id in listed:
            shown = story.shown(upload)
            # A part that was cut off may be there.
            assert {n: etag(body) for n, body in upload.parts.items()}.items() <= shown.items()


def test_no_body_outlives_its_row_for_longer_than_a_collection(story):
    """Goes on with what is left: open uploads are completed or aborted, and every body is that of a row."""
    s3, listed = story.client(), story.listed()
    kept = [upload for upload in story.uploads if upload.id in listed]
    for n, upload in enumerate(kept):
        if n % 2 and 1 in upload.parts and set(upload.parts) >= {7}:
            story.complete(s3, upload)
            assert story.current(upload.key) == upload.body()
        else:
            s3.abort_multipart_upload(**upload.where())
    keys = {upload.key for upload in story.uploads}
    large = sum(1 for key in keys for size in part_sizes(s3, key) if size > IN_ROWS)
    story.server.advance(COLLECTED_EVERY + 1)
    eventually(lambda: len(story.blobs()) == story.blobs_before + large, "the end of bodies without rows")
    for key in keys:
        s3.delete_object(Bucket=BUCKET, Key=key)
    eventually(lambda: len(story.blobs()) == story.blobs_before, "the end of all bodies")


def part_sizes(s3, key):
    """The sizes of an object's parts."""
    first = s3.head_object(Bucket=BUCKET, Key=key, PartNumber=1)
    more = [s3.head_object(Bucket=BUCKET, Key=key, PartNumber=2)] if first["PartsCount"] == 2 else []
    return [found["ContentLength"] for found in (first, *more)]
