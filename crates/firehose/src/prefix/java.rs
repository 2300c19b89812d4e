//! Patterns of Java's `DateTimeFormatter`, as far as they make sense in an object's key:
//! <https://docs.oracle.com/javase/8/docs/api/java/time/format/DateTimeFormatter.html>.

use std::fmt::Write as _;

use jiff::Zoned;

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Vec<Item>);

#[derive(Debug, Clone)]
enum Item {
    Literal(String),
    /// A letter, and how many of it.
    Field(char, usize),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Letters, and how many of each there may be.
const FIELDS: &[(&str, usize)] = &[
    ("yuY", 9),
    ("ML", 5),
    ("D", 3),
    ("dHhKkms", 2),
    ("a", 1),
    ("E", 5),
    ("S", 9),
    ("Q", 2),
    ("z", 3),
    ("Z", 3),
];

impl Pattern {
    /// `yyyy/MM/dd/HH/`: what Firehose adds where a prefix has no timestamp.
    pub fn hourly() -> Pattern {
        let field = |letter, count| [Item::Field(letter, count), Item::Literal("/".to_owned())];
        Pattern([field('y', 4), field('M', 2), field('d', 2), field('H', 2)].into_iter().flatten().collect())
    }

    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let bad = |why: &str| format!("The timestamp pattern {text} is not valid: {why}");
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    let literal = quoted(&mut chars).ok_or_else(|| bad("a quote is not closed"))?;
                    items.push(Item::Literal(literal));
                }
                c if c.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    let most = FIELDS.iter().find(|(letters, _)| letters.contains(c)).map(|(_, most)| *most);
                    match most {
                        Some(most) if count <= most => items.push(Item::Field(c, count)),
                        Some(_) => return Err(bad(&format!("too many pattern letters: {c}"))),
                        None => return Err(bad(&format!("the pattern letter {c} is not supported"))),
                    }
                }
                '{' | '}' | '[' | ']' | '#' => return Err(bad("it includes a reserved character")),
                c => items.push(Item::Literal(c.to_string())),
            }
        }
        Ok(Pattern(items))
    }

    /// Writes a moment in the pattern's form.
    pub fn write(&self, at: &Zoned, out: &mut String) {
        for item in &self.0 {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field(letter, count) => field(*letter, *count, at, out),
            }
        }
    }
}

/// What stands between quotes; two quotes in a row are one, and nothing between quotes is one too.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut literal = String::new();
    loop {
        match chars.next()? {
            '\'' if chars.next_if_eq(&'\'').is_some() => literal.push('\''),
            '\'' if literal.is_empty() => return Some("'".to_owned()),
            '\'' => return Some(literal),
            c => literal.push(c),
        }
    }
}

fn field(letter: char, count: usize, at: &Zoned, out: &mut String) {
    let hour = i64::from(at.hour());
    let number = match letter {
        'y' | 'u' => return year(i64::from(at.year()), count, out),
        'Y' => return year(week_based_year(at), count, out),
        'M' | 'L' if count > 2 => return name(&MONTHS, at.month() as usize - 1, count, out),
        'E' => return name(&DAYS, at.weekday().to_sunday_zero_offset() as usize, count, out),
        'a' => return out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'S' => return fraction(at.subsec_nanosecond(), count, out),
        'z' => return push(out, format_args!("{}", at.strftime("%Z"))),
        'Z' => return push(out, format_args!("{}", at.strftime("%z"))),
        'M' | 'L' => i64::from(at.month()),
        'Q' => i64::from((at.month() + 2) / 3),
        'D' => i64::from(at.day_of_year()),
        'd' => i64::from(at.day()),
        'h' => (hour + 11) % 12 + 1,
        'K' => hour % 12,
        'k' => (hour + 23) % 24 + 1,
        'm' => i64::from(at.minute()),
        's' => i64::from(at.second()),
        _ => hour,
    };
    push(out, format_args!("{number:0count$}"));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = out.write_fmt(text);
}

/// Two letters: the last two digits.
fn year(year: i64, count: usize, out: &mut String) {
    match count {
        2 => push(out, format_args!("{:02}", year.rem_euclid(100))),
        _ => push(out, format_args!("{year:0count$}")),
    }
}

/// The year that a week belongs to, weeks beginning on Sundays and the first being that of January 1.
fn week_based_year(at: &Zoned) -> i64 {
    let to_saturday = 6 - i64::from(at.weekday().to_sunday_zero_offset());
    let days = jiff::Span::new().try_days(to_saturday).unwrap_or_default();
    i64::from(at.date().saturating_add(days).year())
}

/// Up to three letters: short; four: in full; five: the first letter.
fn name(names: &[&str], index: usize, count: usize, out: &mut String) {
    let full = names.get(index).copied().unwrap_or_default();
    let length = match count {
        4 => full.len(),
        5 => 1,
        _ => 3,
    };
    out.push_str(full.get(..length).unwrap_or(full));
}

fn fraction(nanoseconds: i32, count: usize, out: &mut String) {
    let digits = format!("{nanoseconds:09}");
    out.push_str(digits.get(..count).unwrap_or(&digits));
}
