//! YAML, as far as documents use it: what JSON can say, in YAML's words. Scalars resolve by YAML 1.2's core schema
//! (<https://yaml.org/spec/1.2.2/#103-core-schema>).

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value as Json};

/// Nodes that lie within each other: what JSON's reader takes too.
const MAX_DEPTH: usize = 127;
/// Bytes of memory that a document may take, with what its aliases repeat.
const MAX_COST: usize = 64 * 1024 * 1024;
/// Bytes of a node without its text.
const NODE: usize = 64;
/// Characters that a key may have to stand before a colon: YAML's readers look no further than 1,024.
const SHORT_KEY: usize = 500;

/// Reads a document.
///
/// # Errors
/// What is wrong, and where: broken YAML, or what JSON cannot say.
pub fn read(text: &str) -> Result<Json, String> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| error.to_string())?;
        builder.event(event).map_err(|why| format!("{why} at line {}", span.start.line()))?;
    }
    Ok(builder.root.unwrap_or_default())
}

/// A list or mapping whose end has not come yet, and the number of its anchor.
enum Frame {
    List(Vec<Json>, usize),
    Mapping(Map<String, Json>, Option<String>, usize),
}

/// Builds the tree from events, without recursion.
#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Json>,
    root: Option<Json>,
    cost: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref()),
            Event::SequenceStart(anchor, tag) => self.open(Frame::List(Vec::new(), anchor), tag.as_deref()),
            Event::MappingStart(anchor, tag) => {
                self.open(Frame::Mapping(Map::new(), None, anchor), tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::List(items, anchor)) => self.finish(Json::Array(items), anchor),
                Some(Frame::Mapping(members, _, anchor)) => self.finish(Json::Object(members), anchor),
                None => Err("an end without a beginning".to_owned()),
            },
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned().ok_or("an alias of a node around it")?;
                self.charge(cost(&value))?;
                self.add(value)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err("a second document".to_owned()),
            _ => Ok(()),
        }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.cost = self.cost.saturating_add(bytes);
        if self.cost > MAX_COST { Err("a document that grows too large".to_owned()) } else { Ok(()) }
    }

    fn open(&mut self, frame: Frame, tag: Option<&Tag>) -> Result<(), String> {
        if self.frames.len() >= MAX_DEPTH {
            return Err("nesting too deep".to_owned());
        }
        if let Some(Frame::Mapping(_, None, _)) = self.frames.last() {
            return Err("a key that is no scalar".to_owned());
        }
        if tag.is_some_and(|tag| !matches!(tag.suffix.as_str(), "map" | "seq")) {
            return Err("a tag".to_owned());
        }
        self.charge(NODE)?;
        self.frames.push(frame);
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), String> {
        self.charge(NODE + text.len())?;
        let plain = style == ScalarStyle::Plain;
        if let Some(Frame::Mapping(members, key @ None, _)) = self.frames.last_mut() {
            if plain && text == "<<" {
                return Err("a merge key".to_owned());
            }
            if members.contains_key(text) {
                return Err(format!("a second {text}"));
            }
            *key = Some(text.to_owned());
            return Ok(());
        }
        let value = match tag.map(|tag| tag.suffix.as_str()) {
            Some("str") => Json::String(text.to_owned()),
            None if !plain => Json::String(text.to_owned()),
            None | Some("null" | "bool" | "int" | "float") => plain_scalar(text),
            Some(_) => return Err("a tag".to_owned()),
        };
        self.finish(value, anchor)
    }

    fn finish(&mut self, value: Json, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.charge(cost(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        self.add(value)
    }

    fn add(&mut self, value: Json) -> Result<(), String> {
        match self.frames.last_mut() {
            None => self.root = Some(value),
            Some(Frame::List(items, _)) => items.push(value),
            Some(Frame::Mapping(members, key, _)) => {
                let key = key.take().ok_or("a key that is no scalar")?;
                members.insert(key, value);
            }
        }
        Ok(())
    }
}

/// Bytes of memory that a value takes.
fn cost(value: &Json) -> usize {
    NODE + match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(cost).sum(),
        Json::Object(members) => members.iter().map(|(name, value)| NODE + name.len() + cost(value)).sum(),
        _ => 0,
    }
}

/// What a scalar without quotes stands for. Digits behind a zero stay a text: they name something.
fn plain_scalar(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches('-');
    let named = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let number = match named || !digits.starts_with(|first: char| first.is_ascii_digit()) {
        true => None,
        false => text.parse::<Number>().ok(),
    };
    number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

/// Writes a document.
pub fn write(value: &Json) -> String {
    let mut out = String::new();
    node(value, 0, &mut out);
    out
}

/// A text between quotes, with what YAML does not take as it is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for letter in Json::from(text).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Whether a list or mapping is written below its name.
fn is_block(value: &Json) -> bool {
    match value {
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
        _ => false,
    }
}

fn node(value: &Json, indent: usize, out: &mut String) {
    let before = " ".repeat(indent);
    match value {
        Json::Array(items) if is_block(value) => {
            for item in items {
                // The item's first line begins behind the dash.
                let mut text = String::new();
                node(item, indent + 2, &mut text);
                out.push_str(&format!("{before}- {}", text.trim_start_matches(' ')));
            }
        }
        Json::Object(members) if is_block(value) => {
            for (name, value) in members {
                let plain =
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                let plain =
                    plain && !name.starts_with('-') && Json::String(name.clone()) == plain_scalar(name);
                let name = if plain { name.clone() } else { quoted(name) };
                let mark = if name.len() > SHORT_KEY { format!("? {name}\n{before}") } else { name };
                out.push_str(&format!("{before}{mark}:"));
                if is_block(value) {
                    out.push('\n');
                    node(value, indent + 2, out);
                } else {
                    out.push(' ');
                    node(value, 0, out);
                }
            }
        }
        Json::String(text) => out.push_str(&format!("{before}{}\n", quoted(text))),
        // Numbers, booleans, null, and what is empty: as in JSON.
        other => out.push_str(&format!("{before}{other}\n")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Json> {
        let word = || prop_oneof![any::<String>(), "[a-z0-9~:# -]{0,8}", Just("true".to_owned()), "x{600}"];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (-1e9..1e9f64).prop_map(Json::from),
            word().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map(word(), inner, 0..4).prop_map(|all| all.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(value in values()) {
            let text = write(&value);
            prop_assert_eq!(read(&text), Ok(value), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z&*!<>{}:, \n\t#'\"|?-]{0,60}") {
            let _ = read(&text);
        }
    }

    #[test]
    fn scalars_are_what_they_look_like() {
        let text =
            "a: 1\nb: '1'\nc: 1.5\nd: yes\ne: 012\nf: 2017-04-20\ng: !!str 1\nh:\n200: ~\ni: |\n  x\n  y\n";
        let value = json!({
            "a": 1, "b": "1", "c": 1.5, "d": "yes", "e": "012", "f": "2017-04-20", "g": "1", "h": null,
            "200": null, "i": "x\ny\n",
        });
        assert_eq!(read(text), Ok(value));
        assert_eq!(read("a: &x [1]\nb: *x"), Ok(json!({ "a": [1], "b": [1] })));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        for text in ["? [a]\n: b", "a: !x b", "<<: {a: b}", "a: 1\na: 2", "a\n---\nb", "a: &x [*x]"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"[".repeat(200)).is_err());
        // Aliases of aliases.
        let bomb: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
        assert!(read(&format!("a0: &a0 lol\n{bomb}")).is_err());
    }
}
