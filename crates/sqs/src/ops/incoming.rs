//! Checks of a message that comes in, and its form for the machine.

use std::collections::BTreeMap;

use ropeway_api::sqs::{MessageAttributeValue, MessageSystemAttributeValue, error};
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_wire::Error;

use super::digest;
use crate::commands::SendEntry;
use crate::limits::{self, invalid_parameter, invalid_value};
use crate::message::{self, Content};

type Attributes = BTreeMap<String, MessageAttribute>;

/// The only system attribute that a sender may give.
const TRACE_HEADER: &str = "AWSTraceHeader";
/// Longest `AWSTraceHeader`, in bytes (Ropeway's own; X-Ray's headers are a fraction of it).
const TRACE_HEADER_BYTES: usize = 1024;

/// A message as the client gave it: of `SendMessage`, or an entry of a batch.
pub struct Incoming {
    /// `MessageBody`
    pub body: String,
    /// `DelaySeconds`
    pub delay: Option<i64>,
    /// `MessageAttributes`
    pub attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    /// `MessageSystemAttributes`
    pub system_attributes: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    /// `MessageDeduplicationId`
    pub dedup: Option<String>,
    /// `MessageGroupId`
    pub group: Option<String>,
}

/// The sums that the answer tells.
pub struct Sums {
    /// Of the body.
    pub body: String,
    /// Of the attributes.
    pub attributes: Option<String>,
    /// Of the system attributes.
    pub system_attributes: Option<String>,
}

impl Incoming {
    /// Checks all that does not depend on the queue's settings.
    pub fn prepare(self, fifo: bool) -> Result<(SendEntry, Sums), Error> {
        check_body(&self.body)?;
        let delay = self.delay.map(check_delay).transpose()?;
        check_id("MessageGroupId", self.group.as_deref())?;
        check_id("MessageDeduplicationId", self.dedup.as_deref())?;
        let attributes = user_attributes(self.attributes.unwrap_or_default())?;
        let system = system_attributes(self.system_attributes.unwrap_or_default())?;
        let content = Content { body: self.body, attributes };
        let size = content.size();
        if size > limits::MESSAGE_SIZE.1 {
            return Err(limits::too_long(limits::MESSAGE_SIZE.1));
        }
        let sums = Sums {
            body: digest::of_body(&content.body),
            attributes: digest::of_attributes(&content.attributes),
            system_attributes: digest::of_attributes(&system),
        };
        let trace_header = system.into_values().next().and_then(|attribute| match attribute.value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Binary(_) => None,
        });
        let entry = SendEntry {
            size,
            delay,
            content_id: (fifo && self.dedup.is_none()).then(|| message::content_id(&content.body)),
            group: self.group,
            dedup: self.dedup,
            trace_header,
            content: content.encode()?,
        };
        Ok((entry, sums))
    }
}

fn check_body(body: &str) -> Result<(), Error> {
    if body.is_empty() {
        return Err(limits::missing_parameter("MessageBody"));
    }
    if !body.chars().all(is_allowed) {
        return Err(error::invalid_message_contents(
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 \
             to #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    Ok(())
}

/// The characters that SQS takes: those of XML 1.0.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn check_delay(delay: i64) -> Result<u32, Error> {
    let (least, most) = limits::DELAY;
    u32::try_from(delay).ok().filter(|d| *d <= most).ok_or_else(|| {
        invalid_value(delay, "DelaySeconds", &format!("DelaySeconds must be >= {least} and <= {most}."))
    })
}

/// Checks a group, deduplication or receive-attempt id.
pub fn check_id(name: &str, id: Option<&str>) -> Result<(), Error> {
    let ok = |id: &str| (1..=limits::ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    match id {
        Some(id) if !ok(id) => Err(invalid_value(
            id,
            name,
            &format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."),
        )),
        _ => Ok(()),
    }
}

fn user_attributes(given: BTreeMap<String, MessageAttributeValue>) -> Result<Attributes, Error> {
    if given.len() > limits::ATTRIBUTES {
        return Err(invalid_parameter(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{}].",
            given.len(),
            limits::ATTRIBUTES
        )));
    }
    let mut out = Attributes::new();
    for (name, value) in given {
        check_name(&name)?;
        let lists = [value.string_list_values.is_some(), value.binary_list_values.is_some()];
        refuse_lists(&name, lists)?;
        let value = attribute("(user) ", &name, value.data_type, value.string_value, value.binary_value)?;
        out.insert(name, value);
    }
    Ok(out)
}

fn system_attributes(given: BTreeMap<String, MessageSystemAttributeValue>) -> Result<Attributes, Error> {
    let mut out = Attributes::new();
    for (name, value) in given {
        if name != TRACE_HEADER {
            return Err(invalid_parameter(format!(
                "Message system attribute name '{name}' is invalid. The only one that can be sent is {TRACE_HEADER}."
            )));
        }
        refuse_lists(&name, [value.string_list_values.is_some(), value.binary_list_values.is_some()])?;
        if value.data_type != "String" {
            return Err(invalid_parameter(format!(
                "The message system attribute '{name}' must be of type String."
            )));
        }
        if value.string_value.as_ref().is_some_and(|text| text.len() > TRACE_HEADER_BYTES) {
            return Err(invalid_parameter(format!("The message system attribute '{name}' is too long.")));
        }
        let value = attribute("(system) ", &name, value.data_type, value.string_value, value.binary_value)?;
        out.insert(name, value);
    }
    Ok(out)
}

fn refuse_lists(name: &str, given: [bool; 2]) -> Result<(), Error> {
    if given.contains(&true) {
        return Err(error::unsupported_operation(format!(
            "Message attribute list values in SendMessage operation are not supported: '{name}'."
        )));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Error> {
    let lower = name.to_ascii_lowercase();
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bad = name.is_empty()
        || name.len() > limits::ATTRIBUTE_NAME
        || !name.bytes().all(letter)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || lower.starts_with("aws.")
        || lower.starts_with("amazon.");
    if bad {
        return Err(invalid_parameter(format!(
            "The message attribute name '{name}' is invalid. It must be 1 to 256 of A-Z, a-z, 0-9, underscore \
             (_), hyphen (-), and period (.), must not start with AWS. or Amazon., must not start or end with \
             a period or have periods in succession."
        )));
    }
    Ok(())
}

fn attribute(
    kind: &str,
    name: &str,
    data_type: String,
    text: Option<String>,
    binary: Option<bytes::Bytes>,
) -> Result<MessageAttribute, Error> {
    if data_type.is_empty() {
        return Err(invalid_parameter(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    let base = data_type.split('.').next().unwrap_or_default();
    if !matches!(base, "String" | "Number" | "Binary") || data_type.len() > limits::ATTRIBUTE_NAME {
        return Err(invalid_parameter(format!(
            "The type of message {kind}attribute '{name}' is invalid. You must use only the following \
             supported type prefixes: Binary, Number, String."
        )));
    }
    let empty = || {
        invalid_parameter(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message \
             attribute type '{base}'."
        ))
    };
    let other = || {
        invalid_parameter(format!(
            "The message attribute '{name}' with type '{base}' must use field '{base}'."
        ))
    };
    let value = match (base, text, binary) {
        ("Binary", None, Some(bytes)) if !bytes.is_empty() => AttributeValue::Binary(bytes),
        ("Binary", Some(_), _) | ("String" | "Number", _, Some(_)) => return Err(other()),
        ("String" | "Number", Some(text), None) if !text.is_empty() => AttributeValue::Text(text),
        _ => return Err(empty()),
    };
    if let AttributeValue::Text(text) = &value {
        check_text(base, name, text)?;
    }
    Ok(MessageAttribute { data_type, value })
}

fn check_text(base: &str, name: &str, text: &str) -> Result<(), Error> {
    if base == "Number" && !is_number(text) {
        return Err(invalid_parameter(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    if !text.chars().all(is_allowed) {
        return Err(error::invalid_message_contents(format!(
            "Invalid characters found in the value of the message attribute '{name}'."
        )));
    }
    Ok(())
}

/// A decimal number of at most 38 digits, between -10^128 and 10^126 (API reference, "MessageAttributeValue").
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let well_formed = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.bytes().any(|b| b.is_ascii_digit());
    let significant = digits.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
    well_formed && significant <= 38 && exponent.parse::<i32>().is_ok_and(|e| (-128..=126).contains(&e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers() {
        for good in ["0", "-1", "+1.5", "1e10", "1.", ".5", "12345678901234567890123456789012345678"] {
            assert!(is_number(good), "{good}");
        }
        for bad in
            ["", ".", "1e", "e1", "0x1", "1 ", "NaN", "1e999", "123456789012345678901234567890123456789"]
        {
            assert!(!is_number(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_attribute(name in ".{0,12}", data_type in "(String|Number|Binary|x)?(\\.a)?", text in proptest::option::of(".{0,8}")) {
            let value = MessageAttributeValue { string_value: text, data_type, ..MessageAttributeValue::default() };
            let _ = user_attributes(BTreeMap::from([(name, value)]));
        }
    }
}
