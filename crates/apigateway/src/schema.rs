//! JSON Schema, draft 4: what models say of bodies.

use serde_json::Value as Json;

/// Checks that a schema can be read.
pub fn check(schema: &Json) -> Result<(), String> {
    match schema {
        Json::Object(_) => Ok(()),
        _ => Err("A schema is an object.".to_owned()),
    }
}
