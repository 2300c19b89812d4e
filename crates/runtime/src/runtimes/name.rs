//! The runtimes by their names.

/// What a runtime's functions are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The package brings its own program.
    Provided,
    /// Node of a major version.
    Node(u32),
    /// Python 3 of a minor version.
    Python(u32),
    /// Java of a major version.
    Java(u32),
}

/// A runtime's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// As functions say it.
    pub text: &'static str,
    /// What it stands for.
    pub language: Language,
    /// When AWS deprecated it, for a name that AWS no longer takes for new functions ("Lambda runtimes:
    /// deprecated runtimes").
    pub deprecated: Option<&'static str>,
}

const fn current(text: &'static str, language: Language) -> Name {
    Name { text, language, deprecated: None }
}

const fn old(text: &'static str, language: Language, since: &'static str) -> Name {
    Name { text, language, deprecated: Some(since) }
}

/// Every runtime that can be run here. What AWS has beside them (containers, .NET, Ruby, Go, Java 8 and 11,
/// Python 2, Node 6 and older) is refused by name.
pub const NAMES: [Name; 24] = [
    current("provided.al2023", Language::Provided),
    current("provided.al2", Language::Provided),
    old("provided", Language::Provided, "2024-01-08"),
    current("nodejs24.x", Language::Node(24)),
    current("nodejs22.x", Language::Node(22)),
    current("nodejs20.x", Language::Node(20)),
    current("nodejs18.x", Language::Node(18)),
    old("nodejs16.x", Language::Node(16), "2024-06-12"),
    old("nodejs14.x", Language::Node(14), "2023-12-04"),
    old("nodejs12.x", Language::Node(12), "2023-03-31"),
    old("nodejs10.x", Language::Node(10), "2021-07-30"),
    old("nodejs8.10", Language::Node(8), "2020-03-06"),
    current("python3.14", Language::Python(14)),
    current("python3.13", Language::Python(13)),
    current("python3.12", Language::Python(12)),
    current("python3.11", Language::Python(11)),
    current("python3.10", Language::Python(10)),
    current("python3.9", Language::Python(9)),
    old("python3.8", Language::Python(8), "2024-10-14"),
    old("python3.7", Language::Python(7), "2023-12-04"),
    old("python3.6", Language::Python(6), "2022-07-18"),
    current("java25", Language::Java(25)),
    current("java21", Language::Java(21)),
    current("java17", Language::Java(17)),
];

impl Name {
    /// The runtime of this name.
    pub fn find(text: &str) -> Option<Name> {
        NAMES.into_iter().find(|name| name.text == text)
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Language::Provided => f.write_str("the package's own program"),
            Language::Node(major) => write!(f, "Node {major}"),
            Language::Python(minor) => write!(f, "Python 3.{minor}"),
            Language::Java(major) => write!(f, "Java {major}"),
        }
    }
}
