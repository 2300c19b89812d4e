//! What is wrong with a request, and where.

use super::pattern;
use crate::Error;
use crate::codec::Result;
use crate::schema::{Constraints, Kind, Member, Operation, Service};

/// Most violations that are told, and most characters of a value that are shown.
const MAX_TOLD: usize = 100;
const MAX_SHOWN: usize = 1024;

/// A step from the root of a request to a value.
#[derive(Debug)]
enum Step {
    Member(&'static Member),
    Index(usize),
    Key(String),
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    path: Vec<Step>,
    violations: Vec<String>,
    refused: Option<String>,
    /// The first required member that is not there.
    missing: Option<&'static str>,
    /// The wire itself is at fault: its error comes before all that is told here.
    pub(super) broken: bool,
    elements: Elements,
}

/// The scalars of the list or map that is being read.
#[derive(Debug, Default)]
pub(super) struct Elements {
    shown: String,
    key: String,
    bad_key: bool,
    bad_value: bool,
}

/// A violated constraint's text, for a schema's constraints; nothing if they hold.
type Test<'t> = dyn FnMut(&Constraints, &mut dyn FnMut(String)) + 't;

pub(super) fn is_scalar(member: &Member) -> bool {
    !matches!(member.schema.kind, Kind::List { .. } | Kind::Map { .. } | Kind::Structure { .. })
}

/// Whether one of these shapes has a constraint, so that what they hold may have to be shown.
pub(super) fn constrained(members: &[&Member]) -> bool {
    members.iter().any(|member| {
        let c = &member.schema.constraints;
        c.min.is_some() || c.max.is_some() || c.pattern.is_some() || !c.values.is_empty()
    })
}

/// Checks a number against `min` and `max`.
pub(super) fn range(value: f64) -> impl FnMut(&Constraints, &mut dyn FnMut(String)) {
    move |constraints, tell| {
        if constraints.max.is_some_and(|max| value > max as f64) {
            tell(at_most("value", constraints));
        }
        if constraints.min.is_some_and(|min| value < min as f64) {
            tell(at_least("value", constraints));
        }
    }
}

/// Checks a length against `min` and `max`.
pub(super) fn length(value: usize) -> impl FnMut(&Constraints, &mut dyn FnMut(String)) {
    move |constraints, tell| {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        if constraints.max.is_some_and(|max| value > max) {
            tell(at_most("length", constraints));
        }
        if constraints.min.is_some_and(|min| value < min) {
            tell(at_least("length", constraints));
        }
    }
}

fn at_most(what: &str, constraints: &Constraints) -> String {
    format!("Member must have {what} less than or equal to {}", constraints.max.unwrap_or_default())
}

fn at_least(what: &str, constraints: &Constraints) -> String {
    format!("Member must have {what} greater than or equal to {}", constraints.min.unwrap_or_default())
}

fn one_of(constraints: &Constraints) -> String {
    format!("Member must satisfy enum value set: [{}]", constraints.values.join(", "))
}

/// Every constraint of a shape, as told for an element that violates one of them.
fn all(member: &Member) -> String {
    let constraints = &member.schema.constraints;
    let what = if matches!(member.schema.kind, Kind::Integer | Kind::Float) { "value" } else { "length" };
    let mut texts = Vec::new();
    if constraints.max.is_some() {
        texts.push(at_most(what, constraints));
    }
    if constraints.min.is_some() {
        texts.push(at_least(what, constraints));
    }
    texts.extend(constraints.pattern.map(pattern_text));
    if !constraints.values.is_empty() {
        texts.push(one_of(constraints));
    }
    texts.join(", ")
}

fn pattern_text(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

impl Report {
    pub(super) fn at_index<T>(&mut self, index: usize, run: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Step::Index(index), run)
    }

    pub(super) fn at_key<T>(&mut self, key: String, run: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Step::Key(key), run)
    }

    pub(super) fn at_member<T>(&mut self, member: &'static Member, run: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Step::Member(member), run)
    }

    fn at<T>(&mut self, step: Step, run: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = run(self);
        self.path.pop();
        result
    }

    /// The way to the value as AWS tells it: `entries.1.member.id`.
    fn path(&self) -> String {
        let step = |step: &Step| match step {
            Step::Member(member) => {
                let mut chars = member.name.chars();
                let first = chars.next().unwrap_or_default().to_ascii_lowercase();
                format!("{first}{}", chars.as_str())
            }
            Step::Index(index) => format!("{index}.member"),
            Step::Key(key) => format!("{}.member", clipped(key)),
        };
        self.path.iter().map(step).collect::<Vec<_>>().join(".")
    }

    fn violate(&mut self, value: Option<&str>, constraint: &str) {
        if self.violations.len() >= MAX_TOLD {
            return;
        }
        let shown = value.map(|v| format!(" '{}'", clipped(v))).unwrap_or_default();
        let path = self.path();
        self.violations.push(format!("Value{shown} at '{path}' failed to satisfy constraint: {constraint}"));
    }

    /// Notes that a required member is not there.
    pub(super) fn missing(&mut self) {
        if let (None, Some(Step::Member(member))) = (self.missing, self.path.last()) {
            self.missing = Some(member.name);
        }
        if self.violations.len() < MAX_TOLD {
            let text = format!(
                "Value null at '{}' failed to satisfy constraint: Member must not be null",
                self.path()
            );
            self.violations.push(text);
        }
    }

    /// Notes that a member is given that is not implemented.
    pub(super) fn refuse(&mut self) {
        let names = self.path.iter().filter_map(|step| match step {
            Step::Member(member) => Some(member.name),
            _ => None,
        });
        let name = names.collect::<Vec<_>>().join(".");
        self.refused.get_or_insert(name);
    }

    /// Checks a scalar.
    pub(super) fn scalar(
        &mut self,
        member: &Member,
        element: bool,
        shown: &dyn Fn() -> String,
        test: &mut Test<'_>,
    ) {
        let mut told = Vec::new();
        test(&member.schema.constraints, &mut |text| told.push(text));
        if element {
            self.elements.bad_value |= !told.is_empty();
            self.elements.show(shown);
            return;
        }
        for text in told {
            self.violate(Some(&shown()), &text);
        }
    }

    /// Checks a string.
    ///
    /// # Errors
    /// 500 if the schema's pattern is none.
    pub(super) fn string(&mut self, member: &Member, element: bool, value: &str) -> Result<()> {
        let mut told = Vec::new();
        // Enough is told: matching goes no further, however many values there are.
        if self.violations.len() < MAX_TOLD && !(element && self.elements.bad_value) {
            text_violations(&member.schema.constraints, value, &mut told)?;
        }
        self.scalar(member, element, &|| value.to_owned(), &mut |_, tell| {
            told.drain(..).for_each(&mut *tell)
        });
        Ok(())
    }

    /// Checks a map's key.
    pub(super) fn key(&mut self, member: &Member, key: &str) -> Result<()> {
        let mut told = Vec::new();
        if !self.elements.bad_key {
            text_violations(&member.schema.constraints, key, &mut told)?;
        }
        self.elements.bad_key |= !told.is_empty();
        self.elements.key = format!("{}=", clipped(key));
        Ok(())
    }

    /// Begins a list or map; what is returned goes to [`Report::leave`].
    pub(super) fn enter(&mut self) -> Elements {
        std::mem::take(&mut self.elements)
    }

    pub(super) fn leave(&mut self, outer: Elements) {
        self.elements = outer;
    }

    /// Checks a list that has been read.
    pub(super) fn list(&mut self, member: &Member, element: &Member, count: usize) {
        let shown = is_scalar(element).then(|| format!("[{}]", self.elements.shown));
        if self.elements.bad_value {
            let text = format!("Member must satisfy constraint: [{}]", all(element));
            self.violate(shown.as_deref(), &text);
        }
        self.count(member, shown, count);
    }

    /// Checks a map that has been read.
    pub(super) fn map(&mut self, member: &Member, key: &Member, value: &Member, count: usize) {
        let shown = is_scalar(value).then(|| format!("{{{}}}", self.elements.shown));
        if self.elements.bad_key {
            let text = format!("Map keys must satisfy constraint: [{}]", all(key));
            self.violate(shown.as_deref(), &text);
        }
        if self.elements.bad_value {
            let text = format!("Map value must satisfy constraint: [{}]", all(value));
            self.violate(shown.as_deref(), &text);
        }
        self.count(member, shown, count);
    }

    fn count(&mut self, member: &Member, shown: Option<String>, count: usize) {
        let empty = if matches!(member.schema.kind, Kind::Map { .. }) { "{}" } else { "[]" };
        let shown = shown.or_else(|| (count == 0).then(|| empty.to_owned()));
        let mut told = Vec::new();
        length(count)(&member.schema.constraints, &mut |text| told.push(text));
        for text in told {
            self.violate(shown.as_deref(), &text);
        }
    }

    /// The one error for everything found, if anything is.
    pub(super) fn finish(self, service: &Service, operation: &Operation) -> Result<()> {
        if let Some(name) = self.refused {
            let (code, status) = service.refusal;
            let message = format!("Ropeway does not implement the parameter {name} of {}", operation.name);
            return Err(Error::new(status, code, message));
        }
        // SQS tells the first one alone, in words of its own.
        if let (Some(name), "MissingParameter") = (self.missing, service.validation.0) {
            let message = format!("The request must contain the parameter {name}.");
            return Err(super::violation(service, message));
        }
        let plural = match self.violations.len() {
            0 => return Ok(()),
            1 => "",
            _ => "s",
        };
        let all = self.violations.join("; ");
        let message = format!("{} validation error{plural} detected: {all}", self.violations.len());
        Err(super::violation(service, message))
    }
}

impl Elements {
    fn show(&mut self, text: &dyn Fn() -> String) {
        let key = std::mem::take(&mut self.key);
        if self.shown.len() > MAX_SHOWN {
            return;
        }
        let separator = if self.shown.is_empty() { "" } else { ", " };
        self.shown.push_str(&format!("{separator}{key}{}", text()));
    }
}

fn text_violations(constraints: &Constraints, value: &str, told: &mut Vec<String>) -> Result<()> {
    if let Some(pattern) = constraints.pattern
        && !pattern::matches(pattern, value)?
    {
        told.push(pattern_text(pattern));
    }
    if constraints.min.is_some() || constraints.max.is_some() {
        length(value.chars().count())(constraints, &mut |text| told.push(text));
    }
    if !constraints.values.is_empty() && !constraints.values.contains(&value) {
        told.push(one_of(constraints));
    }
    Ok(())
}

fn clipped(text: &str) -> &str {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}
