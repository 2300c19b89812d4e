//! Where the statements of a document stand in its text.

/// A place in a document: line and column, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// From where a statement is read, to behind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Behind what comes before it: its own brace where it stands alone, the bracket of the list where it is
    /// the first, the end of the statement before it otherwise. So IAM's policy simulator counts (AWS CLI
    /// reference, examples of `simulate-custom-policy` and `simulate-principal-policy`).
    pub start: Position,
    /// Behind its last brace.
    pub end: Position,
}

impl Position {
    const FIRST: Position = Position { line: 1, column: 1 };

    fn behind(self, c: char) -> Self {
        match c {
            '\n' => Position { line: self.line.saturating_add(1), column: 1 },
            _ => Position { column: self.column.saturating_add(1), ..self },
        }
    }
}

/// The spans of a policy's statements, in their order. The text is JSON, and a policy.
pub(super) fn statements(json: &str) -> Box<[Span]> {
    let mut scan = Scan::default();
    let mut at = Position::FIRST;
    for (offset, c) in json.char_indices() {
        let behind = at.behind(c);
        match scan.string {
            Some(start) => scan.within_string(json, start, offset, c),
            None => scan.step(offset, c, behind),
        }
        at = behind;
    }
    scan.spans.into_boxed_slice()
}

/// What is known of the text so far.
#[derive(Default)]
struct Scan {
    depth: usize,
    /// Where the string began that is being read.
    string: Option<usize>,
    escaped: bool,
    /// The last string of the outermost object since its last comma is `Statement`.
    at_statement: bool,
    /// The statements stand in a list.
    list: bool,
    start: Option<Position>,
    spans: Vec<Span>,
}

impl Scan {
    fn within_string(&mut self, json: &str, start: usize, offset: usize, c: char) {
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => {
                self.string = None;
                if self.depth == 1 {
                    // A name may be written with escapes.
                    let name = json.get(start..=offset).and_then(|text| serde_json::from_str(text).ok());
                    self.at_statement = name.is_some_and(|name: String| name == "Statement");
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, offset: usize, c: char, behind: Position) {
        match c {
            '"' => self.string = Some(offset),
            '{' | '[' => {
                if self.depth == 1 && self.at_statement {
                    self.list = c == '[';
                    self.start = Some(behind);
                }
                self.depth += 1;
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                let around = if self.list { 2 } else { 1 };
                if c == '}'
                    && self.depth == around
                    && self.at_statement
                    && let Some(start) = self.start
                {
                    self.spans.push(Span { start, end: behind });
                    self.start = Some(behind);
                }
            }
            ',' if self.depth == 1 => self.at_statement = false,
            _ => {}
        }
    }
}
