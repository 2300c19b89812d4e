//! SQS's MD5 sums of bodies and attributes, in hexadecimal.
//!
//! Developer Guide, "Calculating the MD5 message digest for message attributes": for each attribute, by
//! name in order, the lengths (4 bytes, big-endian) and bytes of name and type, then 1 or 2 for text or
//! binary, then length and bytes of the value.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use ropeway_core::effects::{AttributeValue, MessageAttribute};

/// The sum of a body.
pub fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The sum of attributes; `None` if there are none.
pub fn of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut sum = Md5::new();
    for (name, attribute) in attributes {
        add(&mut sum, name.as_bytes());
        add(&mut sum, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(text) => {
                sum.update([1]);
                add(&mut sum, text.as_bytes());
            }
            AttributeValue::Binary(bytes) => {
                sum.update([2]);
                add(&mut sum, bytes);
            }
        }
    }
    Some(hex::encode(sum.finalize()))
}

fn add(sum: &mut Md5, bytes: &[u8]) {
    sum.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    sum.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> MessageAttribute {
        MessageAttribute { data_type: data_type.to_owned(), value: AttributeValue::Text(value.to_owned()) }
    }

    #[test]
    fn a_bodys_sum() {
        // RFC 1321, appendix A.5.
        assert_eq!(of_body("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn the_sum_of_attributes_is_that_of_their_encoding_in_the_order_of_names() {
        assert_eq!(of_attributes(&BTreeMap::new()), None);
        let binary = MessageAttribute {
            data_type: "Binary".to_owned(),
            value: AttributeValue::Binary(b"\0\x01".as_slice().into()),
        };
        let attributes = BTreeMap::from([("b".to_owned(), binary), ("a".to_owned(), text("String", "x"))]);
        let encoded =
            b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01x\0\0\0\x01b\0\0\0\x06Binary\x02\0\0\0\x02\0\x01";
        assert_eq!(of_attributes(&attributes), Some(hex::encode(Md5::digest(encoded))));
    }

    #[test]
    fn the_sum_that_boto3_users_see() {
        // The value that SQS answered for one attribute `timestamp` (moto, tests/test_sqs/test_sqs.py).
        let attributes =
            BTreeMap::from([("timestamp".to_owned(), text("Number.java.lang.Long", "1493147359900"))]);
        assert_eq!(of_attributes(&attributes).as_deref(), Some("2e2e4876d8e0bd6b8c2c8f556831c349"));
    }
}
