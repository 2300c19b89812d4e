//! Event streams: messages with headers and sums, one behind the other
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>).
//!
//! A message is its length, the length of its headers, the CRC-32 of those eight bytes, headers,
//! payload, and the CRC-32 of all before; numbers are big-endian.

use bytes::{BufMut, Bytes, BytesMut};

/// The media type of a body that is an event stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes around headers and payload.
const FRAME: usize = 16;
/// Type of a header whose value is text.
const TEXT: u8 = 7;

/// A message with an event of this type.
pub fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let headers = [(":message-type", "event"), (":event-type", kind), (":content-type", content_type)];
    message(&headers, payload)
}

/// A message. Names have at most 255 bytes, values 65,535; both are this program's own.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in headers {
        lines.put_u8(name.len() as u8);
        lines.put_slice(name.as_bytes());
        lines.put_u8(TEXT);
        lines.put_u16(value.len() as u16);
        lines.put_slice(value.as_bytes());
    }
    let mut out = BytesMut::with_capacity(FRAME + lines.len() + payload.len());
    out.put_u32((FRAME + lines.len() + payload.len()) as u32);
    out.put_u32(lines.len() as u32);
    out.put_u32(sum(&out));
    out.put_slice(&lines);
    out.put_slice(payload);
    out.put_u32(sum(&out));
    out.freeze()
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "empty message" and "payload, no headers" of the event stream test vectors that AWS's SDKs share.
    #[test]
    fn messages_have_the_sums_of_the_test_vectors() {
        assert_eq!(hex::encode(message(&[], b"")), "000000100000000005c248eb7d98c8ff");
        assert_eq!(
            hex::encode(message(&[], b"{'foo':'bar'}")),
            "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936"
        );
    }

    #[test]
    fn headers_are_texts_by_name() {
        let bytes = event("PayloadChunk", "text/plain", b"x");
        assert_eq!(bytes.len(), u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize);
        let lines = u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert_eq!(bytes.len(), FRAME + lines + 1);
        assert!(bytes[12..].starts_with(b"\x0d:message-type\x07\x00\x05event\x0b:event-type\x07\x00\x0c"));
        assert_eq!(bytes[12 + lines], b'x');
        let (before, last) = bytes.split_at(bytes.len() - 4);
        assert_eq!(sum(before), u32::from_be_bytes(last.try_into().unwrap()));
    }
}
