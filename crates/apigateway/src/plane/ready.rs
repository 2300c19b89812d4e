//! Texts of a deployment that have to be read before they serve: mapping templates and selection patterns. Each is
//! read once, when it is first needed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::Regex;
use ropeway_vtl::Template;

use crate::model::{Definition, Integration};

/// Texts, and what each is once it is read.
type Read<T> = BTreeMap<String, OnceLock<T>>;

/// The templates and patterns of integrations.
#[derive(Default)]
pub struct Ready {
    templates: Read<Result<Template, String>>,
    /// `None`: it is no pattern, and fits nothing.
    patterns: Read<Option<Regex>>,
}

impl Ready {
    /// Those of a deployment's methods.
    pub fn new(definition: &Definition) -> Self {
        let methods = definition.resources.values().flat_map(|resource| resource.methods.values());
        Ready::of(methods.filter_map(|method| method.integration.as_ref()))
    }

    /// Those of some integrations.
    pub fn of<'i>(integrations: impl IntoIterator<Item = &'i Integration>) -> Self {
        let mut ready = Ready::default();
        for integration in integrations {
            let responses = integration.responses.values();
            let templates = responses.clone().flat_map(|response| response.templates.values());
            for template in integration.request_templates.values().chain(templates) {
                ready.templates.entry(template.clone()).or_default();
            }
            for pattern in responses.filter_map(|response| response.selection_pattern.as_ref()) {
                ready.patterns.entry(pattern.clone()).or_default();
            }
        }
        ready
    }

    /// A mapping template.
    ///
    /// # Errors
    /// Why it is none.
    pub fn template(&self, text: &str) -> Result<&Template, &str> {
        let read = || ropeway_vtl::apigateway::parse(text).map_err(|error| error.to_string());
        let kept = self.templates.get(text).ok_or("a template of another deployment")?;
        kept.get_or_init(read).as_ref().map_err(String::as_str)
    }

    /// Whether a selection pattern fits all of a text, as Java's `matches` does.
    pub fn fits(&self, pattern: &str, text: &str) -> bool {
        let read = || Regex::new(&format!("^(?:{pattern})$")).ok();
        let kept = self.patterns.get(pattern).and_then(|kept| kept.get_or_init(read).as_ref());
        kept.is_some_and(|pattern| pattern.is_match(text))
    }
}
