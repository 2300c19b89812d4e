//! Templates that are made together with what they render, by a model of the language on plain values;
//! and arbitrary text, of which no template makes the engine fail other than by an error.

use proptest::prelude::*;

use crate::{Context, Dialect, Limits, Template, Value};

/// A value of the model.
#[derive(Debug, Clone, PartialEq)]
enum Model {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

impl Model {
    /// Whether it holds where it is a variable or the result of a comparison.
    fn holds(&self) -> bool {
        !matches!(self, Model::Null | Model::Bool(false))
    }

    fn text(&self) -> Option<String> {
        match self {
            Model::Null => None,
            Model::Bool(bool) => Some(bool.to_string()),
            Model::Int(number) => Some(number.to_string()),
            Model::Text(text) => Some(text.clone()),
        }
    }

    fn equals(&self, other: &Model) -> bool {
        self.text() == other.text()
    }
}

/// An expression's source, and its value.
type Made = (String, Model);

const VARIABLES: [(&str, &str); 6] =
    [("i", "7"), ("j", "-2"), ("zero", "0"), ("yes", "true"), ("no", "false"), ("s", "text")];

fn value_of(text: &str) -> Model {
    match text {
        "true" => Model::Bool(true),
        "false" => Model::Bool(false),
        text => text.parse().map_or_else(|_| Model::Text(text.into()), Model::Int),
    }
}

fn variable() -> impl Strategy<Value = Made> {
    prop_oneof![
        6 => prop::sample::select(&VARIABLES[..]).prop_map(|(name, value)| (format!("${name}"), value_of(value))),
        1 => Just(("$none".to_owned(), Model::Null)),
    ]
}

/// Numbers: what is not a number, or has no result, makes the whole null.
fn number() -> impl Strategy<Value = Made> {
    let leaf = prop_oneof![variable(), (0..50i64).prop_map(|n| (n.to_string(), Model::Int(n)))];
    leaf.prop_recursive(4, 16, 2, |inner| {
        (inner.clone(), prop::sample::select(&["+", "-", "*", "/", "%"][..]), inner).prop_map(
            |(left, operator, right)| {
                let value = match (&left.1, &right.1) {
                    (Model::Int(a), Model::Int(b)) => match operator {
                        "+" => Model::Int(a + b),
                        "-" => Model::Int(a - b),
                        "*" => Model::Int(a * b),
                        _ if *b == 0 => Model::Null,
                        "/" => Model::Int(a / b),
                        _ => Model::Int(a % b),
                    },
                    (a, b)
                        if operator == "+"
                            && (matches!(a, Model::Text(_)) || matches!(b, Model::Text(_))) =>
                    {
                        let side = |made: &Made| made.1.text().unwrap_or_else(|| made.0.clone());
                        Model::Text(side(&left) + &side(&right))
                    }
                    _ => Model::Null,
                };
                (format!("({} {operator} {})", left.0, right.0), value)
            },
        )
    })
}

fn condition() -> impl Strategy<Value = Made> {
    let compared = (number(), prop::sample::select(&["==", "!=", "<", "gt", "<=", "ge"][..]), number())
        .prop_map(|(left, operator, right)| {
            let numbers = match (&left.1, &right.1) {
                (Model::Int(a), Model::Int(b)) => Some(a.cmp(b)),
                _ => None,
            };
            let holds = match operator {
                "==" => left.1.equals(&right.1),
                "!=" => !left.1.equals(&right.1),
                "<" => numbers.is_some_and(|o| o.is_lt()),
                "gt" => numbers.is_some_and(|o| o.is_gt()),
                "<=" => numbers.is_some_and(|o| o.is_le()),
                _ => numbers.is_some_and(|o| o.is_ge()),
            };
            (format!("{} {operator} {}", left.0, right.0), Model::Bool(holds))
        });
    let leaf = prop_oneof![compared, variable()];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let negated =
            inner.clone().prop_map(|(source, value)| (format!("!({source})"), Model::Bool(!value.holds())));
        let joined = (inner.clone(), any::<bool>(), inner).prop_map(|(left, and, right)| {
            let holds =
                if and { left.1.holds() && right.1.holds() } else { left.1.holds() || right.1.holds() };
            let operator = if and { "&&" } else { "or" };
            (format!("({}) {operator} ({})", left.0, right.0), Model::Bool(holds))
        });
        prop_oneof![negated, joined]
    })
}

/// A piece of a template, and what it renders.
fn piece() -> impl Strategy<Value = (String, String)> {
    let text = "[a-z .,:{}\n]{0,8}".prop_map(|text| (format!("|{text}|"), format!("|{text}|")));
    let shown = variable().prop_map(|(name, value)| {
        let name = name.trim_start_matches('$').to_owned();
        let text = value.text();
        let shown = text.clone().unwrap_or_else(|| format!("${{{name}}}"));
        (format!("${{{name}}}$!{{{name}}}"), shown + &text.unwrap_or_default())
    });
    let set = number().prop_map(|(source, value)| {
        let text = value.text().unwrap_or_else(|| "unset".into());
        (format!("#set($r = 'unset')#set($r = {source})${{r}}"), text)
    });
    let leaf = prop_oneof![text, shown, set];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let chosen = (condition(), inner.clone(), condition(), inner.clone(), inner.clone()).prop_map(
            |((first, a), one, (second, b), two, three)| {
                let source =
                    format!("#if({first}){}#elseif({second}){}#{{else}}{}#end", one.0, two.0, three.0);
                let text = if a.holds() {
                    one.1
                } else if b.holds() {
                    two.1
                } else {
                    three.1
                };
                (source, text)
            },
        );
        let repeated = (0..5i64, inner.clone()).prop_map(|(n, body)| {
            let source =
                format!("#foreach($k in [0..{n}]){}$foreach.count#if($foreach.hasNext),#end#end", body.0);
            let each = |k: i64| format!("{}{}{}", body.1, k + 1, if k < n { "," } else { "" });
            (source, (0..=n).map(each).collect())
        });
        let joined = prop::collection::vec(inner, 1..4).prop_map(|pieces| {
            let (sources, texts): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
            (sources.concat(), texts.concat())
        });
        prop_oneof![chosen, repeated, joined]
    })
}

fn model_context() -> Context {
    let mut context = Context::default();
    for (name, text) in VARIABLES {
        let value = match value_of(text) {
            Model::Bool(bool) => Value::from(bool),
            Model::Int(number) => Value::from(number),
            _ => Value::from(text),
        };
        context.set(name, value);
    }
    context
}

/// Bits of templates, so that arbitrary sequences of them are often nearly right.
const BITS: &[&str] = &[
    "#if(",
    "#elseif(",
    "#else",
    "#end",
    "#foreach($i in ",
    "#set($a = ",
    "#define($d)",
    "#macro(m $p)",
    "#m(",
    "#@m(",
    "#evaluate(",
    "#break",
    "#stop",
    "#[[",
    "]]#",
    "#*",
    "*#",
    "##",
    "\n",
    " ",
    "$a",
    "$!{a",
    "}",
    "${d}",
    "$a.b",
    ".b(",
    "[",
    "]",
    "(",
    ")",
    "{",
    ":",
    ",",
    "..",
    "1",
    "-2",
    "2.5",
    "\"",
    "'",
    "\\",
    "$",
    "#",
    "==",
    "&&",
    "not ",
    "+",
    "/ ",
    "true",
    "$foreach.hasNext",
    ".add($a)",
    ".put(1, $a)",
    ".entrySet()",
    ".replaceAll(\"(x*)*\", \"$0\")",
    "é😀",
    ".format(\"%5$-9.3s\", 1)",
    ".substring(1)",
    "$input.path(\"$..a[?(@.b)]\")",
    "[1..3]",
    ".size()",
    "$bodyContent",
];

fn small() -> Limits {
    Limits { steps: 20_000, memory: 1 << 20, output: 1 << 16, ..Limits::default() }
}

proptest! {
    #[test]
    fn renders_what_the_model_says((source, expected) in piece()) {
        let template = Template::parse(&source).unwrap();
        prop_assert_eq!(template.render(&mut model_context()).unwrap(), expected, "{}", source);
    }

    #[test]
    fn expressions_have_the_models_value((source, value) in number()) {
        let template = Template::parse(&format!("#set($r = {source})$!r")).unwrap();
        prop_assert_eq!(template.render(&mut model_context()).unwrap(), value.text().unwrap_or_default());
    }

    #[test]
    fn text_without_marks_is_itself(text in "[^$#\\\\]*") {
        prop_assert_eq!(Template::parse(&text).unwrap().render(&mut Context::default()).unwrap(), text);
    }

    #[test]
    fn unparsed_text_is_itself(text in "[$#\\\\a-z({\"' ]{0,20}") {
        let source = format!("#[[{text}]]#");
        prop_assert_eq!(Template::parse(&source).unwrap().render(&mut Context::default()).unwrap(), text);
    }

    #[test]
    fn any_text_renders_or_fails(text in "\\PC{0,60}") {
        for dialect in [Dialect::velocity(), Dialect::api_gateway()] {
            if let Ok(template) = Template::parse_as(&text, dialect) {
                let _outcome = template.render(&mut Context::new(small()));
            }
        }
    }

    #[test]
    fn any_bits_render_or_fail(bits in prop::collection::vec(prop::sample::select(BITS), 0..40)) {
        let text = bits.concat();
        let input = crate::apigateway::Input { body: r#"{"a": [{"b": 1}]}"#.into(), ..Default::default() };
        for dialect in [Dialect::velocity(), Dialect::api_gateway()] {
            if let Ok(template) = Template::parse_as(&text, dialect) {
                let mut context = crate::apigateway::context(&input, small(), |_| true).unwrap();
                let Ok(rendered) = template.render(&mut context) else { continue };
                prop_assert!(rendered.len() <= small().output);
                // What a template does not mention is of no effect on it.
                if dialect == Dialect::api_gateway() {
                    let spared = crate::apigateway::render(&template, &input, small()).unwrap();
                    prop_assert_eq!(spared.body, rendered);
                }
            }
        }
    }

    #[test]
    fn any_path_finds_or_fails(path in "[$@.\\[\\]()?*:,'\"ab0-9<>=!&|~/ -]{0,30}", bits in prop::collection::vec(prop::sample::select(BITS), 0..6)) {
        let document = serde_json::json!({"a": [{"b": 1}, {"a": "b"}], "b": {"a": null}});
        let context = Context::new(small());
        for path in [format!("$.a[?(@.b {path})]"), path, bits.concat()] {
            if let Ok(path) = crate::jsonpath::Path::parse(&path) {
                let _outcome = path.find(&document, context.heap());
            }
        }
    }
}
