"""Files of a size for which clients cut them into parts, by the transfer managers of boto3 and of the AWS CLI.

200 MB are past every manager's threshold and leave a last part that is smaller than the others. JavaScript's manager is
in `tests/node/s3-transfers.test.mjs`.
"""

import hashlib
import random

import pytest

from support import AWS

SIZE = 200_000_000
PIECE = 1_000_000


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file in which no two pieces are the same, and its sum."""
    path, sums, noise = tmp_path_factory.mktemp("large") / "file", hashlib.sha256(), random.Random(7)
    with path.open("wb") as out:
        for _ in range(SIZE // PIECE):
            piece = noise.randbytes(PIECE)
            sums.update(piece)
            out.write(piece)
    yield path, sums.hexdigest()
    path.unlink()


def sum_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_boto3(s3, bucket, file, tmp_path):
    path, expected = file
    s3.upload_file(str(path), bucket, "k")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    # 8 MiB to a part (`TransferConfig`), and of each a CRC-32 (SDK reference, "Data integrity protections").
    assert head["ContentLength"] == SIZE and head["ETag"].endswith('-24"') and head["ChecksumCRC32"].endswith("-24")
    s3.download_file(bucket, "k", str(tmp_path / "down"))
    assert sum_of(tmp_path / "down") == expected
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy")
    with (tmp_path / "down").open("wb") as out:
        s3.download_fileobj(bucket, "copy", out)
    assert sum_of(tmp_path / "down") == expected
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_the_command_line(server, s3, bucket, file, tmp_path):
    path, expected = file

    def aws(*words):
        server.run(*AWS, "--endpoint-url", server.endpoint, "s3", *words, "--only-show-errors")

    aws("cp", str(path), f"s3://{bucket}/k")
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-24"')
    aws("mv", f"s3://{bucket}/k", f"s3://{bucket}/folder/moved")
    aws("sync", f"s3://{bucket}/folder", str(tmp_path / "down"))
    assert sum_of(tmp_path / "down" / "moved") == expected
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["folder/moved"]
