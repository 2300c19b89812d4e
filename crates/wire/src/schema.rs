//! Schemas: what the generated API says of each shape, as constants.
//!
//! A codec never knows a shape and a shape never knows a codec: both meet in these
//! descriptions. `ropeway-api` holds one constant for each shape of the service models.

/// A service: how its requests are recognised and its answers written.
#[derive(Debug)]
pub struct Service {
    /// Short name, as in `crates/<id>` and in endpoints (`sqs`).
    pub id: &'static str,
    /// The service's name in its own words (`SQS`).
    pub name: &'static str,
    /// The name in the credential scope of a signature (`sqs`).
    pub signing_name: &'static str,
    /// `Version` of the Query protocol (`2012-11-05`).
    pub api_version: &'static str,
    /// Before the dot in `X-Amz-Target` (`AmazonSQS`), if the service speaks a JSON protocol.
    pub target_prefix: Option<&'static str>,
    /// Every protocol that it speaks; the first is the model's own.
    pub protocols: &'static [Protocol],
    /// Its JSON errors carry the code that the Query protocol had (`x-amzn-query-error`).
    pub query_compatible: bool,
    /// XML namespace of its answers.
    pub xml_namespace: Option<&'static str>,
    /// Error code for a parameter that Ropeway does not implement, with its HTTP status.
    pub refusal: (&'static str, u16),
    /// Error code for a violated constraint, with its HTTP status.
    pub validation: (&'static str, u16),
    /// Error code of a denied request, with its HTTP status.
    pub denial: (&'static str, u16),
    /// Every operation that is implemented.
    pub operations: &'static [Operation],
    /// The model's other operations: refused by name.
    pub refused_operations: &'static [RefusedOperation],
}

/// An operation of the model that is not implemented: enough to know its requests and say so.
#[derive(Debug)]
pub struct RefusedOperation {
    /// The operation's name.
    pub name: &'static str,
    /// HTTP method of its binding.
    pub method: &'static str,
    /// URI template of its binding.
    pub uri: &'static str,
}

/// A wire protocol, by the name that the service models give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `application/x-amz-json-1.0`
    AwsJson10,
    /// `application/x-amz-json-1.1`
    AwsJson11,
    /// Form-encoded requests, XML answers.
    AwsQuery,
    /// HTTP bindings with JSON bodies.
    RestJson,
    /// HTTP bindings with XML bodies.
    RestXml,
    /// `smithy-protocol: rpc-v2-cbor`
    RpcV2Cbor,
}

/// One operation of a service.
#[derive(Debug)]
pub struct Operation {
    /// The operation's name (`SendMessage`).
    pub name: &'static str,
    /// HTTP method of its binding (`POST`).
    pub method: &'static str,
    /// URI template of its binding (`/{Bucket}/{Key+}?uploads`).
    pub uri: &'static str,
    /// HTTP status of its success.
    pub status: u16,
    /// The input: the root of decoding.
    pub input: Member,
    /// The output: the root of encoding.
    pub output: Member,
    /// Element around the output in the Query protocol (`SendMessageResult`).
    pub result_wrapper: Option<&'static str>,
    /// IAM action that it needs (`sqs:SendMessage`); `None`: anyone may call it, as documented.
    pub action: Option<&'static str>,
    /// `httpChecksumRequired`: the body must come with a checksum.
    pub checksum_required: bool,
}

/// A shape.
#[derive(Debug)]
pub struct Schema {
    /// Its name in the model.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// What its values must satisfy.
    pub constraints: Constraints,
}

/// What a shape is made of.
#[derive(Debug)]
pub enum Kind {
    /// true or false
    Boolean,
    /// `integer`, `long`, `short`, `byte`: carried as `i64`
    Integer,
    /// `float`, `double`: carried as `f64`
    Float,
    /// text
    String,
    /// bytes
    Blob,
    /// bytes that are not held in memory: an HTTP body
    Stream,
    /// a moment
    Timestamp,
    /// free-form JSON
    Document,
    /// elements, in order
    List {
        /// the element
        element: Member,
    },
    /// string keys to values
    Map {
        /// the key
        key: Member,
        /// the value
        value: Member,
    },
    /// named members
    Structure {
        /// in the model's order; codecs speak of a member by its index here
        members: &'static [Member],
        /// the member that is the whole HTTP body in a rest protocol
        payload: Option<usize>,
    },
}

/// Constraints, checked with AWS's messages.
#[derive(Debug)]
pub struct Constraints {
    /// Smallest length (characters, bytes, elements) or value.
    pub min: Option<i64>,
    /// Largest length or value.
    pub max: Option<i64>,
    /// A regular expression that the whole string must match.
    pub pattern: Option<&'static str>,
    /// The values of an enumeration; empty: not an enumeration.
    pub values: &'static [&'static str],
}

impl Constraints {
    /// No constraint.
    pub const NONE: Constraints = Constraints { min: None, max: None, pattern: None, values: &[] };
}

/// Where a shape is used: in a structure, as an element, key, value, or as an operation's root.
#[derive(Debug)]
pub struct Member {
    /// Name in the model.
    pub name: &'static str,
    /// Name in JSON and CBOR bodies.
    pub json_name: &'static str,
    /// Name in XML bodies and in the Query protocol.
    pub xml_name: &'static str,
    /// The shape.
    pub schema: &'static Schema,
    /// Must be given.
    pub required: bool,
    /// Not implemented: its presence is refused, by name.
    pub refused: bool,
    /// Where a rest protocol carries it.
    pub location: Location,
    /// XML: an attribute of the enclosing element rather than an element.
    pub xml_attribute: bool,
    /// XML and Query: a list or map without an enclosing element.
    pub flattened: bool,
    /// XML namespace: prefix (empty for the default one) and URI.
    pub xml_namespace: Option<(&'static str, &'static str)>,
    /// Format of a timestamp, where it is not the protocol's own.
    pub timestamp: Option<TimestampFormat>,
    /// A string member that carries JSON, base64-encoded when in a header.
    pub json_value: bool,
}

/// Where a rest protocol carries a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// In the URI's path, at the label of this name.
    Label(&'static str),
    /// In the query string, under this name.
    Query(&'static str),
    /// Every parameter of the query string that no other member takes.
    QueryParams,
    /// In the header of this name (lower case).
    Header(&'static str),
    /// In every header with this prefix (lower case).
    PrefixHeaders(&'static str),
    /// The HTTP status code.
    StatusCode,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2015-01-25T08:00:00Z`, with a fraction where there is one
    Iso8601,
    /// `Sun, 25 Jan 2015 08:00:00 GMT`
    Rfc822,
    /// seconds since 1970, as a number
    UnixTimestamp,
}

macro_rules! plain {
    ($(#[$doc:meta] $name:ident = $kind:ident,)*) => {
        $(#[$doc] pub static $name: Schema = Schema {
            name: stringify!($kind), kind: Kind::$kind, constraints: Constraints::NONE,
        };)*
    };
}

plain! {
    /// A boolean.
    BOOLEAN = Boolean,
    /// An integer without constraints.
    INTEGER = Integer,
    /// A float without constraints.
    FLOAT = Float,
    /// Text without constraints.
    STRING = String,
    /// Bytes without constraints.
    BLOB = Blob,
    /// A streaming body.
    STREAM = Stream,
    /// A moment.
    TIMESTAMP = Timestamp,
    /// Free-form JSON.
    DOCUMENT = Document,
}

/// A structure without members: the input or output of an operation that has none.
pub static EMPTY: Schema = Schema {
    name: "Empty",
    kind: Kind::Structure { members: &[], payload: None },
    constraints: Constraints::NONE,
};

impl Member {
    /// A member in the body, under its own name in every protocol.
    pub const fn new(name: &'static str, schema: &'static Schema) -> Self {
        Member {
            name,
            json_name: name,
            xml_name: name,
            schema,
            required: false,
            refused: false,
            location: Location::Body,
            xml_attribute: false,
            flattened: false,
            xml_namespace: None,
            timestamp: None,
            json_value: false,
        }
    }

    /// Another name in JSON and CBOR.
    #[must_use]
    pub const fn json(mut self, name: &'static str) -> Self {
        self.json_name = name;
        self
    }

    /// Another name in XML and Query.
    #[must_use]
    pub const fn xml(mut self, name: &'static str) -> Self {
        self.xml_name = name;
        self
    }

    /// Must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Not implemented.
    #[must_use]
    pub const fn refused(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Without an enclosing element.
    #[must_use]
    pub const fn flattened(mut self) -> Self {
        self.flattened = true;
        self
    }

    /// An attribute of the enclosing element.
    #[must_use]
    pub const fn xml_attribute(mut self) -> Self {
        self.xml_attribute = true;
        self
    }

    /// A string that carries JSON.
    #[must_use]
    pub const fn json_value(mut self) -> Self {
        self.json_value = true;
        self
    }

    /// Carried elsewhere than in the body.
    #[must_use]
    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// In an XML namespace.
    #[must_use]
    pub const fn namespace(mut self, prefix: &'static str, uri: &'static str) -> Self {
        self.xml_namespace = Some((prefix, uri));
        self
    }

    /// With a timestamp format of its own.
    #[must_use]
    pub const fn format(mut self, format: TimestampFormat) -> Self {
        self.timestamp = Some(format);
        self
    }
}

impl Schema {
    /// The members of a structure; none for other shapes.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure { members, .. } => members,
            _ => &[],
        }
    }
}
