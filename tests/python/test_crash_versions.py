"""Versions of objects under load, with `kill -9` at random moments; then every promise is checked.

`ROPEWAY_CRASHES` is the number of kills (3 unless told otherwise), `ROPEWAY_SEED` the seed of the moments.
"""

import os
import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support import Server, eventually

CRASHES = int(os.environ.get("ROPEWAY_CRASHES", "3"))
SEED = int(os.environ.get("ROPEWAY_SEED", "20261121"))
WRITERS = 4
BUCKET = "versions"
MARKER = "a delete marker"
# What is larger lies in the blob store.
IN_ROWS = 65_536
# How often bodies that no row names are collected, in seconds.
COLLECTED_EVERY = 3600


class Story:
    """Each writer has a key of its own, whose versions it writes, hides and removes; and what it was told."""

    def __init__(self, server):
        self.server = server
        self.running = threading.Event()
        self.random = random.Random(SEED)
        self.attempted, self.stands, self.removed, self.asked = set(), {}, set(), set()
        s3 = self.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def client(self):
        return self.server.client("s3", connect_timeout=2, read_timeout=20)

    def write(self, s3, key, number):
        """A body in rows or in the blob store, a delete marker, or the removal of the version before last."""
        mine = self.stands.setdefault(key, [])
        if number % 5 == 3:
            mine.append((s3.delete_object(Bucket=BUCKET, Key=key)["VersionId"], MARKER))
        elif number % 5 == 4 and len(mine) > 1:
            version = mine[-2][0]
            self.asked.add(version)
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
            self.removed.add(version)
        else:
            body = f"{key} {number} ".encode() * (1 if number % 2 else 20_000)
            self.attempted.add(body)
            mine.append((s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"], body))

    def writer(self, n):
        s3, number = self.client(), 0
        while self.running.is_set():
            try:
                self.write(s3, f"k{n}", number)
            except (BotoCoreError, ClientError):
                # Not acknowledged, so nothing is promised of it; a server that is down answers nobody.
                self.running.wait(0.02)
            number += 1

    def acknowledged(self):
        return sum(len(versions) for versions in list(self.stands.values()))

    def run_with_kills(self, crashes):
        self.running.set()
        threads = [threading.Thread(target=self.writer, args=(n,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(crashes):
                target = self.acknowledged() + self.random.randint(5, 60)
                eventually(lambda: self.acknowledged() >= target, "progress between two kills", 120)
                self.server.restart_after_kill()
        finally:
            self.running.clear()
            for thread in threads:
                thread.join()

    def listed(self, key):
        """The ids of a key's versions, the oldest first."""
        pages = self.client().get_paginator("list_object_versions").paginate(
            Bucket=BUCKET, Prefix=key, PaginationConfig={"PageSize": 1})
        ids = [entry["VersionId"] for page in pages for sort in ("Versions", "DeleteMarkers") for entry in page.get(sort, [])]
        return ids[::-1]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("crash-versions") / "data")
    story = Story(server)
    story.run_with_kills(CRASHES)
    yield story
    server.kill()


def test_acknowledged_versions_are_there_in_their_order(story):
    assert story.acknowledged() > CRASHES and story.removed
    for key, versions in story.stands.items():
        kept = [version for version, _ in versions if version not in story.asked]
        assert [version for version in story.listed(key) if version in kept] == kept


def test_every_version_that_stands_is_whole(story):
    s3 = story.client()
    for key, versions in story.stands.items():
        known = dict(versions)
        for version in story.listed(key):
            try:
                body = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()
            except ClientError as error:
                assert error.response["Error"]["Code"] == "MethodNotAllowed", (key, version)
                assert known.get(version, MARKER) == MARKER
            else:
                assert body in story.attempted and known.get(version, body) == body


def test_removed_versions_stay_removed(story):
    standing = {version for key in story.stands for version in story.listed(key)}
    assert not story.removed & standing


def test_the_current_object_is_the_latest_version(story):
    s3 = story.client()
    for key in story.stands:
        latest = story.listed(key)[-1]
        try:
            assert s3.head_object(Bucket=BUCKET, Key=key)["VersionId"] == latest
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"] == latest


def test_no_body_outlives_its_row_for_longer_than_a_collection(story):
    """Of the versions that stand, each whose body is not in rows has one blob; when they are gone, there is none."""
    s3, blobs = story.client(), story.server.directory / "blobs"

    def files():
        return sum(1 for path in blobs.rglob("*") if path.is_file())

    pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    entries = [entry for page in pages for entry in page.get("Versions", [])]
    large = sum(1 for entry in entries if entry["Size"] > IN_ROWS)
    assert large
    story.server.advance(COLLECTED_EVERY + 1)
    eventually(lambda: files() == large, "the end of bodies without rows")
    for key in story.stands:
        for version in story.listed(key):
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    eventually(lambda: files() == 0, "the end of all bodies")
