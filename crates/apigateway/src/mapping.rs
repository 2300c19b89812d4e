//! Mapping expressions: where parameters come from, and what they set.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html>

use ropeway_wire::Error;

use crate::errors::bad;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `'text'`
    Literal(String),
    /// `method.request.<place>.<name>`, `integration.response.<place>.<name>`
    Named(Place, String),
    /// `….body`, or a value in it by a JSON path
    Body(Option<String>),
    /// `context.<path>`
    Context(String),
    /// `stageVariables.<name>`
    Variable(String),
}

/// Places of named values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// the path's variables
    Path,
    /// the query string; the last of a name
    Query,
    /// the query string; all of a name
    Queries,
    /// headers; the last of a name
    Header,
    /// headers; all of a name
    Headers,
}

fn place(name: &str) -> Option<Place> {
    Some(match name {
        "path" => Place::Path,
        "querystring" => Place::Query,
        "multivaluequerystring" => Place::Queries,
        "header" => Place::Header,
        "multivalueheader" => Place::Headers,
        _ => return None,
    })
}

/// Reads an expression; `owner` is `method.request` or `integration.response`.
pub fn parse(text: &str, owner: &str) -> Option<Source> {
    if let Some(literal) = text.strip_prefix('\'') {
        return literal.strip_suffix('\'').map(|literal| Source::Literal(literal.to_owned()));
    }
    if let Some(path) = text.strip_prefix("context.") {
        return Some(Source::Context(path.to_owned()));
    }
    if let Some(name) = text.strip_prefix("stageVariables.") {
        return Some(Source::Variable(name.to_owned()));
    }
    let rest = text.strip_prefix(owner)?.strip_prefix('.')?;
    if rest == "body" {
        return Some(Source::Body(None));
    }
    if let Some(path) = rest.strip_prefix("body.") {
        return Some(Source::Body(Some(format!("$.{path}"))));
    }
    let (kind, name) = rest.split_once('.')?;
    Some(Source::Named(place(kind)?, name.to_owned())).filter(|_| !name.is_empty())
}

fn invalid(text: &str) -> Error {
    bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping \
         expression specified: {text}]"
    ))
}

/// What a mapping of a request sets: `integration.request.<place>.<name>`.
pub fn request_target(text: &str) -> Option<(Place, &str)> {
    let (kind, name) = text.strip_prefix("integration.request.")?.split_once('.')?;
    let place = place(kind).filter(|place| matches!(place, Place::Path | Place::Query | Place::Header))?;
    (!name.is_empty()).then_some((place, name))
}

/// Checks a mapping of a request.
pub fn check_request(target: &str, source: &str) -> Result<(), Error> {
    request_target(target).ok_or_else(|| invalid(target))?;
    parse(source, "method.request").map(drop).ok_or_else(|| invalid(source))
}

/// The header that a mapping of a response sets: `method.response.header.<name>`.
pub fn response_target(text: &str) -> Option<&str> {
    text.strip_prefix("method.response.header.").filter(|name| !name.is_empty())
}

/// Checks a mapping of a response.
pub fn check_response(target: &str, source: &str) -> Result<(), Error> {
    response_target(target).ok_or_else(|| invalid(target))?;
    parse(source, "integration.response").map(drop).ok_or_else(|| invalid(source))
}

/// Checks that a mapping template can be read.
pub fn check_template(template: &str) -> Result<(), Error> {
    let parsed = ropeway_vtl::apigateway::parse(template).map(drop);
    parsed.map_err(|why| bad(format!("Invalid mapping template specified: {why}")))
}

/// The function that an integration's or an authoriser's address invokes: what is between `functions/` and
/// `/invocations`.
pub fn function_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(":lambda:path/")?;
    let rest = rest.trim_start_matches('/').strip_prefix("2015-03-31/functions/")?;
    rest.strip_suffix("/invocations").filter(|function| !function.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read() {
        let request = |text| parse(text, "method.request");
        assert_eq!(request("'a b'"), Some(Source::Literal("a b".to_owned())));
        assert_eq!(
            request("method.request.header.X-A"),
            Some(Source::Named(Place::Header, "X-A".to_owned()))
        );
        assert_eq!(request("method.request.body"), Some(Source::Body(None)));
        assert_eq!(request("method.request.body.a.b"), Some(Source::Body(Some("$.a.b".to_owned()))));
        assert_eq!(
            request("context.identity.sourceIp"),
            Some(Source::Context("identity.sourceIp".to_owned()))
        );
        assert_eq!(request("stageVariables.v"), Some(Source::Variable("v".to_owned())));
        for wrong in
            ["true", "'a", "method.request.cookie.a", "method.request.header.", "integration.response.body"]
        {
            assert_eq!(request(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn functions_are_found_in_addresses() {
        let arn = "arn:aws:lambda:eu-west-1:000000000000:function:f";
        for slash in ["", "/"] {
            let uri = format!(
                "arn:aws:apigateway:eu-west-1:lambda:path/{slash}2015-03-31/functions/{arn}/invocations"
            );
            assert_eq!(function_of(&uri), Some(arn));
        }
        assert_eq!(
            function_of("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions//invocations"),
            None
        );
        assert_eq!(function_of("arn:aws:apigateway:eu-west-1:s3:path/b/k"), None);
    }
}
