"""GetObjectAttributes and If-Range, through boto3.

API reference: GetObjectAttributes, GetObject; RFC 9110, 13.1.5.
"""

import http.client

import pytest

from support import refused

MIB = 1024 * 1024


def test_attributes_of_an_object(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=[
        "ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"])
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert (found["ObjectSize"], found["StorageClass"]) == (5, "STANDARD")
    assert "ObjectParts" not in found
    assert set(s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])) == {
        "ObjectSize", "LastModified", "ResponseMetadata"}
    with refused("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="other", ObjectAttributes=["ETag"])
    with refused("InvalidArgument", 400):
        s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Colour"])


def test_attributes_of_parts(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA1")["UploadId"]
    parts = []
    for number, size in ((2, 5 * MIB), (3, 5 * MIB), (7, 3)):
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=b"x" * size, ChecksumAlgorithm="SHA1")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA1": part["ChecksumSHA1"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    first = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=2)["ObjectParts"]
    assert (first["TotalPartsCount"], first["IsTruncated"], first["NextPartNumberMarker"]) == (3, True, 3)
    assert first["Parts"][0] == {"PartNumber": 2, "Size": 5 * MIB, "ChecksumSHA1": parts[0]["ChecksumSHA1"]}
    rest = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], PartNumberMarker=3)["ObjectParts"]
    assert [(part["PartNumber"], part["Size"]) for part in rest["Parts"]] == [(7, 3)]
    assert rest["IsTruncated"] is False


def test_a_range_of_what_has_changed_is_the_whole(server, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")["ETag"]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    address, path = url.split("://")[1].split("/", 1)
    for if_range, status, body in ((etag, 206, b"23"), ('"another"', 200, b"0123456789")):
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/" + path, headers={"Range": "bytes=2-3", "If-Range": if_range})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, body), if_range
        connection.close()
