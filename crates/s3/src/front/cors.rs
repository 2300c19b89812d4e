//! Cross-origin resource sharing: which rule is for a request, and what it puts on the answer.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>. What that leaves open is as Amazon S3
//! answers: the method that a request asks for counts before its own, preflight or not; the headers of a rule
//! stand on every answer, whatever its status.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ropeway_wire::Error;

use crate::configuration::CorsRule;

/// What an answer depends on.
const DEPENDS_ON: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// What a request from another origin says.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// `Origin`
    pub origin: &'r str,
    /// `Access-Control-Request-Method`, or else the method.
    pub method: &'r str,
    /// `Access-Control-Request-Headers`
    headers: &'r str,
}

impl<'r> Asked<'r> {
    /// Of a request's head; `None`: it is from no other origin.
    pub fn of(method: &'r Method, headers: &'r HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Some(Asked {
            origin: text(ORIGIN).filter(|origin| !origin.is_empty())?,
            method: text(ACCESS_CONTROL_REQUEST_METHOD).unwrap_or(method.as_str()),
            headers: text(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default(),
        })
    }

    /// The headers that are asked for, in lower case.
    fn headers(&self) -> impl Iterator<Item = String> {
        let names = self.headers.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::to_ascii_lowercase)
    }

    fn fits(&self, rule: &CorsRule) -> bool {
        let allows = |name: &str| rule.headers.iter().any(|one| matches(&one.to_ascii_lowercase(), name));
        rule.methods.iter().any(|method| method == self.method)
            && rule.origins.iter().any(|one| matches(one, self.origin))
            && self.headers().all(|name| allows(&name))
    }

    /// What the first rule that fits puts on an answer.
    pub fn allowed(&self, rules: &[CorsRule]) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let rule = rules.iter().find(|rule| self.fits(rule))?;
        let anybody = rule.origins.iter().any(|origin| origin == "*");
        let origin = if anybody { "*" } else { self.origin };
        let mut out = vec![(ACCESS_CONTROL_ALLOW_ORIGIN, origin.to_owned())];
        if !anybody {
            out.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, "true".to_owned()));
        }
        out.push((ACCESS_CONTROL_ALLOW_METHODS, rule.methods.join(", ")));
        out.push((ACCESS_CONTROL_ALLOW_HEADERS, self.headers().collect::<Vec<_>>().join(", ")));
        out.push((ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose.join(", ")));
        out.push((ACCESS_CONTROL_MAX_AGE, rule.max_age.map(|age| age.to_string()).unwrap_or_default()));
        out.push((VARY, DEPENDS_ON.to_owned()));
        let said = out.into_iter().filter(|(_, value)| !value.is_empty());
        // What no header can hold was never a header's name: no browser asks for it.
        Some(said.filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))).collect())
    }
}

/// Whether a text is one of those that a pattern with at most one asterisk stands for.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

/// A preflight that is answered with no. `object`: it asks about an object; otherwise about a bucket.
pub fn forbidden(message: &str, method: &str, object: bool) -> Error {
    Error::new(403, "AccessForbidden", format!("CORSResponse: {message}"))
        .with_member("Method", method)
        .with_member("ResourceType", if object { "OBJECT" } else { "BUCKET" })
}

/// No rule allows what is asked for.
pub fn not_allowed(asked: &Asked<'_>, object: bool) -> Error {
    let message = "This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    forbidden(message, asked.method, object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    fn rules() -> Vec<CorsRule> {
        let first = CorsRule {
            headers: list(&["x-amz-*", "Content-Type"]),
            methods: list(&["PUT", "POST"]),
            origins: list(&["https://*.example.com", "http://localhost:3000"]),
            expose: list(&["ETag", "x-amz-request-id"]),
            max_age: Some(3000),
            id: None,
        };
        let second = CorsRule { methods: list(&["GET"]), origins: list(&["*"]), ..CorsRule::default() };
        vec![first, second]
    }

    fn allowed(method: &str, said: &[(&'static str, &'static str)]) -> Option<Vec<(String, String)>> {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let found = Asked::of(&method, &headers)?.allowed(&rules())?;
        let text = |(name, value): (HeaderName, HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        Some(found.into_iter().map(text).collect())
    }

    #[test]
    fn the_first_rule_that_fits_says_what() {
        let said = |items: &[(&str, &str)]| {
            Some(items.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
        };
        let put = [
            ("origin", "https://a.example.com"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "X-Amz-Date, content-type"),
        ];
        let answer = said(&[
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT, POST"),
            ("access-control-allow-headers", "x-amz-date, content-type"),
            ("access-control-expose-headers", "ETag, x-amz-request-id"),
            ("access-control-max-age", "3000"),
            ("vary", DEPENDS_ON),
        ]);
        assert_eq!(allowed("OPTIONS", &put), answer);
        let got = said(&[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET"),
            ("vary", DEPENDS_ON),
        ]);
        assert_eq!(allowed("GET", &[("origin", "https://a.example.com")]), got);
        // The method that is asked for counts before the request's own.
        let asks = ("access-control-request-method", "GET");
        assert_eq!(allowed("OPTIONS", &[("origin", "null"), asks]), got);
        let asks = ("access-control-request-method", "DELETE");
        assert_eq!(allowed("GET", &[("origin", "null"), asks]), None);
    }

    #[test]
    fn what_no_rule_allows_gets_nothing() {
        for said in [
            &[("origin", "https://example.com")][..],
            &[("origin", "http://localhost:3001")],
            &[("origin", "http://localhost:3000"), ("access-control-request-headers", "x-own")],
            &[("origin", "https://a.example.org")],
            &[("origin", "")],
            &[],
        ] {
            assert_eq!(allowed("PUT", said), None, "{said:?}");
        }
        assert!(allowed("PUT", &[("origin", "https://.example.com")]).is_some());
    }
}
