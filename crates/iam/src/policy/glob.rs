//! Wildcard matching: `*` stands for any run of characters, none included, and `?` for one character.

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// These characters.
    Text(&'a str),
    /// One character.
    One,
    /// Any number of characters.
    Many,
}

/// A part of a pattern that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnedPiece {
    Text(Box<str>),
    One,
    Many,
}

/// How letters are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Ignore,
}

/// Lets one matcher serve owned and borrowed pieces.
pub(super) trait AsPiece {
    fn as_piece(&self) -> Piece<'_>;
}

impl AsPiece for Piece<'_> {
    fn as_piece(&self) -> Piece<'_> {
        *self
    }
}

impl AsPiece for OwnedPiece {
    fn as_piece(&self) -> Piece<'_> {
        match self {
            OwnedPiece::Text(text) => Piece::Text(text),
            OwnedPiece::One => Piece::One,
            OwnedPiece::Many => Piece::Many,
        }
    }
}

/// Whether the pieces match the whole text. Takes at most pieces × characters steps: only the last `*` seen
/// is ever tried again.
pub(super) fn matches<P: AsPiece>(pieces: &[P], text: &str, case: Case) -> bool {
    let mut at = 0;
    let mut rest = text;
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let advanced = match pieces.get(at).map(AsPiece::as_piece) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Piece::Many) => {
                if at + 1 == pieces.len() {
                    return true;
                }
                retry = Some((at + 1, rest));
                Some(rest)
            }
            Some(Piece::One) => without_first(rest),
            Some(Piece::Text(prefix)) => without_prefix(rest, prefix, case),
        };
        if let Some(left) = advanced {
            at += 1;
            rest = left;
            continue;
        }
        let Some((back, from)) = retry else { return false };
        let Some(left) = without_first(from) else { return false };
        retry = Some((back, left));
        at = back;
        rest = left;
    }
}

fn without_first(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

fn without_prefix<'t>(text: &'t str, prefix: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Exact => text.strip_prefix(prefix),
        Case::Ignore => {
            let mut chars = text.chars();
            prefix
                .chars()
                .all(|wanted| chars.next().is_some_and(|c| same_letter(c, wanted)))
                .then_some(chars.as_str())
        }
    }
}

fn same_letter(a: char, b: char) -> bool {
    a.eq_ignore_ascii_case(&b) || (!a.is_ascii() && a.to_lowercase().eq(b.to_lowercase()))
}
