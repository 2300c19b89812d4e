//! What a template is once it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Nodes that render one after the other; shared, because `#define` and macros keep them.
pub(crate) type Block = Arc<[Node]>;

/// Macros by their names.
pub(crate) type Macros = BTreeMap<Arc<str>, Arc<Macro>>;

/// The names of the variables that a template refers to.
pub(crate) type Names = BTreeSet<Arc<str>>;

#[derive(Debug)]
pub(crate) enum Node {
    Text(Arc<str>),
    Reference(Reference),
    Set { target: Reference, value: Expr },
    If { branches: Vec<(Expr, Block)>, otherwise: Option<Block> },
    Foreach { variable: Arc<str>, items: Expr, body: Block },
    Define { name: Arc<str>, body: Block },
    Call(Call),
    Evaluate(Expr),
    Break(Option<Expr>),
    Stop,
}

/// `#name(args)`, and `#@name(args) body #end`: a macro, or else just its own text.
#[derive(Debug)]
pub(crate) struct Call {
    pub name: Arc<str>,
    pub args: Arc<[Argument]>,
    pub body: Option<Block>,
    pub literal: Arc<str>,
}

/// An argument of a macro, and its text, which the parameter shows where it is escaped or has no value.
#[derive(Debug)]
pub(crate) struct Argument {
    pub value: Expr,
    pub literal: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Macro {
    pub parameters: Vec<Arc<str>>,
    pub body: Block,
}

#[derive(Debug)]
pub(crate) struct Reference {
    /// Half of the backslashes before it: each pair renders as one.
    pub backslashes: usize,
    /// An odd backslash is left: the reference renders as its own text.
    pub escaped: bool,
    /// Further `$` and `#` that stand before it.
    pub prefix: Arc<str>,
    pub quiet: bool,
    pub root: Root,
    pub path: Vec<Step>,
    /// Its text in the template, that it renders as when it has no value.
    pub literal: Arc<str>,
}

#[derive(Debug)]
pub(crate) enum Root {
    Variable(Arc<str>),
    /// `$\!a`: never a reference, and renders as this text.
    Never(Arc<str>),
}

#[derive(Debug)]
pub(crate) enum Step {
    Property(Arc<str>),
    Method(Arc<str>, Vec<Expr>),
    Index(Expr),
}

#[derive(Debug)]
pub(crate) enum Expr {
    /// A bare word where Velocity's grammar takes one for a reference: it has no value.
    Null,
    Bool(bool),
    Int(i128),
    Double(f64),
    Str(Arc<str>),
    /// A string between double quotes with something to evaluate. It is read with a space at its end,
    /// which is taken off after rendering, unless a `##` in it hides that space.
    Interpolated {
        body: Block,
        trim: bool,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Range(Box<Expr>, Box<Expr>),
    Reference(Reference),
    Group(Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// An operation on numbers, with the text of both sides: `+` between a string and a null writes it.
    Math(Operation, Box<Operands>),
}

#[derive(Debug)]
pub(crate) struct Operands {
    pub left: Expr,
    pub right: Expr,
    pub left_literal: Arc<str>,
    pub right_literal: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}
