//! How a use of a shape is written as a `Member` constant.

use super::emit::Emitter;
use super::model::{Reference, Shape};

impl Emitter<'_> {
    /// The `Member` constant for a use of a shape under `name` in shape `owner`.
    pub fn member(
        &self,
        owner: &str,
        name: &str,
        reference: &Reference,
        required: bool,
    ) -> Result<String, String> {
        let shape = self.model.shape(&reference.shape)?;
        let mut out = format!("Member::new({name:?}, {})", self.schema_path(reference)?);
        let in_body = reference.location.is_none();
        if let (Some(json), true) = (&reference.location_name, in_body) {
            out.push_str(&format!(".json({json:?})"));
        }
        let (xml, flattened) = self.xml_name(owner, name, reference, shape)?;
        if xml != name {
            out.push_str(&format!(".xml({xml:?})"));
        }
        let path = format!("{owner}.{name}");
        if required && !self.overlay.optional.contains_key(&path) {
            out.push_str(".required()");
        }
        if self.overlay.refuse.contains_key(&path) {
            out.push_str(".refused()");
        }
        if flattened {
            out.push_str(".flattened()");
        }
        if reference.xml_attribute {
            out.push_str(".xml_attribute()");
        }
        if reference.jsonvalue {
            out.push_str(".json_value()");
        }
        out.push_str(&location(name, reference)?);
        let namespace = reference.xml_namespace.as_ref().or(shape.xml_namespace.as_ref());
        if let Some((prefix, uri)) = namespace.map(namespace_of) {
            out.push_str(&format!(".namespace({prefix:?}, {uri:?})"));
        }
        if let Some(format) = reference.timestamp_format.as_ref().or(shape.timestamp_format.as_ref()) {
            out.push_str(&format!(".format({})", timestamp_format(format)?));
        }
        Ok(out)
    }

    /// Name in XML and Query, and whether the list or map has no element of its own. A flattened
    /// list goes by its element's name where that has one.
    fn xml_name(
        &self,
        owner: &str,
        name: &str,
        reference: &Reference,
        shape: &Shape,
    ) -> Result<(String, bool), String> {
        let query = self.query.and_then(|model| model.shapes.get(owner));
        // A name on the shape itself is only used by the old Query models.
        let (reference, shape, of_shape) = match query.and_then(|shape| query_use(shape, name)) {
            Some(old) => {
                let model = self.query.unwrap_or(self.model);
                let shape = model.shape(&old.shape)?;
                (old, shape, shape.location_name.clone())
            }
            None => (reference, shape, None),
        };
        let flattened = reference.flattened || shape.flattened;
        let element = shape.member.as_ref().and_then(|m| m.location_name.clone());
        let own = if reference.location.is_none() { reference.location_name.clone() } else { None };
        let own = own.or(of_shape).unwrap_or_else(|| name.to_owned());
        Ok((if flattened { element.unwrap_or(own) } else { own }, flattened))
    }
}

fn query_use<'a>(shape: &'a Shape, name: &str) -> Option<&'a Reference> {
    match name {
        "member" => shape.member.as_ref(),
        "key" => shape.key.as_ref(),
        "value" => shape.value.as_ref(),
        _ => shape.members.0.iter().find(|(n, _)| n == name).map(|(_, reference)| reference),
    }
}

fn location(name: &str, reference: &Reference) -> Result<String, String> {
    let wire = reference.location_name.as_deref().unwrap_or(name);
    let Some(location) = reference.location.as_deref() else { return Ok(String::new()) };
    let lower = wire.to_ascii_lowercase();
    let value = match location {
        "uri" => format!("Location::Label({wire:?})"),
        "querystring" if reference.location_name.is_none() => "Location::QueryParams".to_owned(),
        "querystring" => format!("Location::Query({wire:?})"),
        "header" => format!("Location::Header({lower:?})"),
        "headers" => format!("Location::PrefixHeaders({lower:?})"),
        "statusCode" => "Location::StatusCode".to_owned(),
        other => return Err(format!("member {name} has the unknown location {other}")),
    };
    Ok(format!(".at({value})"))
}

fn timestamp_format(format: &str) -> Result<&'static str, String> {
    match format {
        "iso8601" => Ok("TimestampFormat::Iso8601"),
        "rfc822" => Ok("TimestampFormat::Rfc822"),
        "unixTimestamp" => Ok("TimestampFormat::UnixTimestamp"),
        other => Err(format!("unknown timestamp format {other}")),
    }
}

/// Prefix and URI of an XML namespace, given as a string or as an object.
pub fn namespace_of(value: &serde_json::Value) -> (String, String) {
    let text = |v: Option<&serde_json::Value>| v.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    match value {
        serde_json::Value::String(uri) => (String::new(), uri.clone()),
        other => (text(other.get("prefix")), text(other.get("uri"))),
    }
}
