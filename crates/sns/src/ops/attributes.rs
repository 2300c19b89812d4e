//! Message attributes: their checks, in the service's words.

use std::collections::BTreeMap;

use ropeway_api::sns::{MessageAttributeValue, error};
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_wire::Error;

/// Longest name and longest type of an attribute, in bytes.
const MAX_NAME: usize = 256;

/// Checks a message's attributes.
pub fn checked(
    given: Option<BTreeMap<String, MessageAttributeValue>>,
) -> Result<BTreeMap<String, MessageAttribute>, Error> {
    let mut out = BTreeMap::new();
    for (name, value) in given.unwrap_or_default() {
        check_name(&name)?;
        let attribute = attribute(&name, value)?;
        out.insert(name, attribute);
    }
    Ok(out)
}

/// Bytes that attributes count for: names, types and values.
pub fn size(attributes: &BTreeMap<String, MessageAttribute>) -> usize {
    let each = attributes.iter().map(|(name, attribute)| {
        let value = match &attribute.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Binary(bytes) => bytes.len(),
        };
        name.len() + attribute.data_type.len() + value
    });
    each.sum()
}

fn bad(why: String) -> Error {
    error::invalid_parameter_value_exception(why)
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(bad(format!("Length of message attribute name must be less than {MAX_NAME} bytes.")));
    }
    if name.starts_with('.') {
        return Err(bad("Invalid message attribute name starting with character '.' was found.".to_owned()));
    }
    if name.ends_with('.') {
        return Err(bad("Invalid message attribute name ending with character '.' was found.".to_owned()));
    }
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_-.".contains(*c))) {
        return Err(bad(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(c)
        )));
    }
    if name.contains("..") {
        return Err(bad("Message attribute name can not have successive '.' character.".to_owned()));
    }
    Ok(())
}

fn attribute(name: &str, given: MessageAttributeValue) -> Result<MessageAttribute, Error> {
    let data_type = given.data_type;
    let kind = data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary")
        || data_type.ends_with('.')
        || data_type.len() > MAX_NAME
    {
        return Err(bad(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )));
    }
    let empty = || {
        bad(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{data_type}'."
        ))
    };
    let field = |field: &str| {
        bad(format!("The message attribute '{name}' with type '{data_type}' must use field '{field}'."))
    };
    let value = match (kind, given.string_value, given.binary_value) {
        (_, None, None) => return Err(empty()),
        (_, Some(_), Some(_)) => {
            return Err(bad(format!("The message attribute '{name}' has more than one value.")));
        }
        ("Binary", None, Some(bytes)) if bytes.is_empty() => return Err(empty()),
        ("Binary", None, Some(bytes)) => AttributeValue::Binary(bytes),
        ("Binary", ..) => return Err(field("Binary")),
        (_, Some(text), None) if text.is_empty() => return Err(empty()),
        ("Number", Some(text), None) if text.trim().parse::<f64>().is_err() => {
            return Err(bad(format!("Could not cast message attribute '{name}' value to number.")));
        }
        (_, Some(text), None) if !super::publish::is_text(&text) => {
            return Err(bad(format!("The message attribute '{name}' has invalid characters in its value.")));
        }
        (_, Some(text), None) => AttributeValue::Text(text),
        _ => return Err(field("String")),
    };
    Ok(MessageAttribute { data_type, value })
}
