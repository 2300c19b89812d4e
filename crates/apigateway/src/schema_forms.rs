//! What is made of models' schemas: one with all that it refers to, and a sample mapping template.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// How deep schemas are followed.
const MOST_DEEP: usize = 32;
/// Bytes of a template.
const MOST_BYTES: usize = 256 * 1024;

/// The model's name in its address: `https://apigateway.amazonaws.com/restapis/…/models/Name`.
fn model_of(reference: &str) -> Option<&str> {
    let (before, name) = reference.rsplit_once("/models/")?;
    before.starts_with("https://apigateway.amazonaws.com/restapis/").then_some(name)
}

/// A schema with the models that it refers to as its `definitions`. A model's own definitions become ones of the whole.
///
/// # Errors
/// The name of a model that is not there, or of two definitions that share it.
pub fn flattened(schema: &Json, of: &dyn Fn(&str) -> Option<Json>) -> Result<Json, String> {
    let mut out = schema.clone();
    let mut definitions = take_definitions(&mut out);
    let mut wanted = Vec::new();
    point(&mut out, &mut wanted);
    definitions.values_mut().for_each(|one| point(one, &mut wanted));
    let mut models: BTreeMap<String, Json> = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if models.contains_key(&name) {
            continue;
        }
        if definitions.contains_key(&name) {
            return Err(format!("There are two definitions of {name}"));
        }
        let mut model = of(&name).ok_or_else(|| format!("Invalid model name specified: {name}"))?;
        for (own, mut definition) in take_definitions(&mut model) {
            point(&mut definition, &mut wanted);
            if definitions.insert(own.clone(), definition).is_some() || models.contains_key(&own) {
                return Err(format!("There are two definitions of {own}"));
            }
        }
        point(&mut model, &mut wanted);
        models.insert(name, model);
    }
    definitions.extend(models);
    if let (Json::Object(out), false) = (&mut out, definitions.is_empty()) {
        out.insert("definitions".to_owned(), Json::Object(definitions));
    }
    Ok(out)
}

fn take_definitions(schema: &mut Json) -> Map<String, Json> {
    match schema.as_object_mut().and_then(|members| members.remove("definitions")) {
        Some(Json::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// Has references to models point at definitions; gives the models' names.
fn point(schema: &mut Json, wanted: &mut Vec<String>) {
    match schema {
        Json::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Json::as_str).and_then(model_of) {
                let name = name.to_owned();
                members.insert("$ref".to_owned(), format!("#/definitions/{name}").into());
                wanted.push(name);
            }
            members.values_mut().for_each(|member| point(member, wanted));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| point(item, wanted)),
        _ => {}
    }
}

/// A mapping template that makes a body of the schema, with samples for its values.
///
/// # Errors
/// The schema is too large, or refers to what is not there.
pub fn template(schema: &Json, of: &dyn Fn(&str) -> Option<Json>) -> Result<String, String> {
    let mut writer = Writer { root: schema, of, out: "#set($inputRoot = $input.path('$'))\n".to_owned() };
    writer.value(schema, 0, 0)?;
    Ok(writer.out)
}

struct Writer<'s> {
    root: &'s Json,
    of: &'s dyn Fn(&str) -> Option<Json>,
    out: String,
}

impl Writer<'_> {
    fn value(&mut self, schema: &Json, indent: usize, depth: usize) -> Result<(), String> {
        if depth > MOST_DEEP || self.out.len() > MOST_BYTES {
            return Err("The model is too large for a template".to_owned());
        }
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let found = match model_of(reference) {
                Some(name) => (self.of)(name),
                None => self.root.pointer(reference.trim_start_matches('#')).cloned(),
            };
            let found = found.ok_or_else(|| format!("Invalid reference in the model: {reference}"))?;
            return self.value(&found, indent, depth + 1);
        }
        let pad = " ".repeat(indent);
        let kind = schema.get("type").and_then(Json::as_str);
        match kind {
            _ if schema.get("properties").is_some() || kind == Some("object") => {
                let properties = schema.get("properties").and_then(Json::as_object);
                self.out.push('{');
                for (index, (name, property)) in properties.into_iter().flatten().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    self.out.push_str(&format!("{comma}\n{pad}  {} : ", json!(name)));
                    self.value(property, indent + 2, depth + 1)?;
                }
                self.out.push_str(&format!("\n{pad}}}"));
            }
            Some("array") => {
                self.out.push_str(&format!("[\n{pad}#foreach($elem in $inputRoot)\n{pad}  "));
                self.value(schema.get("items").unwrap_or(&Json::Null), indent + 2, depth + 1)?;
                self.out.push_str(&format!("#if($foreach.hasNext),#end\n\n{pad}#end\n{pad}]"));
            }
            Some("integer") => self.out.push_str("42"),
            Some("number") => self.out.push_str("42.0"),
            Some("boolean") => self.out.push_str("true"),
            Some("null") => self.out.push_str("null"),
            _ => self.out.push_str("\"foo\""),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<Json> {
        let address = |name: &str| format!("https://apigateway.amazonaws.com/restapis/x/models/{name}");
        match name {
            "Pet" => Some(json!({ "type": "object", "properties": {
                "id": { "type": "integer" }, "owner": { "$ref": address("Owner") } } })),
            "Owner" => Some(json!({ "type": "object", "properties": { "pet": { "$ref": address("Pet") } } })),
            "Pets" => Some(json!({ "type": "array", "items": { "$ref": address("Leaf") } })),
            "Leaf" => {
                Some(json!({ "properties": { "name": { "type": "string" }, "price": { "type": "number" } } }))
            }
            _ => None,
        }
    }

    #[test]
    fn models_are_flattened() {
        let flat = flattened(&of("Pets").unwrap(), &of).unwrap();
        assert_eq!(flat["items"], json!({ "$ref": "#/definitions/Leaf" }));
        assert_eq!(flat["definitions"]["Leaf"], of("Leaf").unwrap());
        let flat = flattened(&of("Pet").unwrap(), &of).unwrap();
        assert_eq!(flat["definitions"]["Owner"]["properties"]["pet"], json!({ "$ref": "#/definitions/Pet" }));
        assert!(
            flattened(&json!({ "$ref": "https://apigateway.amazonaws.com/restapis/x/models/No" }), &of)
                .is_err()
        );
    }

    #[test]
    fn templates_have_samples() {
        let template = template(&of("Pets").unwrap(), &of).unwrap();
        assert!(template.starts_with("#set($inputRoot = $input.path('$'))\n[\n#foreach("), "{template}");
        assert!(template.contains(
            "#foreach($elem in $inputRoot)\n  {\n    \"name\" : \"foo\",\n    \"price\" : 42.0\n  }#if("
        ));
        assert!(super::template(&of("Pet").unwrap(), &of).is_err(), "a pet's owner's pet's owner");
    }
}
