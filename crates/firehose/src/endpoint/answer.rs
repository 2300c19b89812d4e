//! What an HTTP endpoint's answer says.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>, "Response format"; the names of
//! errors, and their words: <https://docs.aws.amazon.com/firehose/latest/dev/http_troubleshooting.html>, and for the
//! records of errors <https://docs.aws.amazon.com/firehose/latest/dev/retry.html>.

use bytes::Bytes;
use serde::Deserialize;

/// Most bytes of an answer, its headers included.
const MAX_ANSWER: usize = 1024 * 1024;
/// Bytes of an answer that are told of.
const MAX_SAID: usize = 1024;
/// Largest record batch that an endpoint takes is its own affair: it says so by this status.
const TOO_LARGE: u16 = 413;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint has the records.
    Taken,
    /// It will never take them: they are given up, and are not put under the prefix of errors either.
    TooLarge(Refusal),
    /// It may take them later.
    Refused(Refusal),
}

/// Why an endpoint did not take records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `errorCode`
    pub code: &'static str,
    /// What the log says.
    pub said: String,
    /// `errorMessage` of the records of errors.
    pub record: String,
}

impl Refusal {
    fn new(code: &'static str, said: impl Into<String>) -> Refusal {
        let said = said.into();
        Refusal { code, record: said.clone(), said }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    request_id: String,
    #[serde(rename = "timestamp")]
    _timestamp: serde_json::Number,
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..MAX_SAID).unwrap_or(body)).into_owned()
}

/// The endpoint did not answer in time.
pub fn late() -> Verdict {
    Verdict::Refused(Refusal::new(
        "HttpEndpoint.RequestTimeout",
        "The endpoint took longer than 3 minutes to respond.",
    ))
}

/// There was no answer; `why` is what the client says.
pub fn none(why: &str) -> Verdict {
    let refusal = match why {
        why if why.contains("length limit") => too_long(),
        // The client's own word for all that comes before a request, TLS included.
        why if why.contains("(Connect)") => Refusal::new(
            "HttpEndpoint.ConnectionFailed",
            format!("A connection could not be established with the configured endpoint: {why}"),
        ),
        why => Refusal::new(
            "HttpEndpoint.ConnectionReset",
            format!("The connection was reset or prematurely closed by the endpoint: {why}"),
        ),
    };
    Verdict::Refused(refusal)
}

fn too_long() -> Refusal {
    let why = "The response from the endpoint is too large. The response must be less than 1 MiB including headers.";
    Refusal::new("HttpEndpoint.ResponseTooLarge", why)
}

/// What an answer to the request of an id says.
pub fn read(id: &str, answer: &http::Response<Bytes>) -> Verdict {
    let (status, body) = (answer.status().as_u16(), answer.body());
    let lines = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if body.len() + lines.sum::<usize>() > MAX_ANSWER {
        return Verdict::Refused(too_long());
    }
    if status != 200 {
        let body = shown(body);
        let refusal = Refusal {
            code: "HttpEndpoint.DestinationException",
            said: format!(
                "The following response was received from the endpoint destination. {status}: {body}"
            ),
            record: format!("Received the following response from the endpoint destination. {body}"),
        };
        return if status == TOO_LARGE { Verdict::TooLarge(refusal) } else { Verdict::Refused(refusal) };
    }
    match conforms(id, answer) {
        Ok(()) => Verdict::Taken,
        Err(why) => Verdict::Refused(Refusal::new(
            "HttpEndpoint.InvalidResponseFromDestination",
            format!(
                "The response received from the specified endpoint is invalid. Contact the owner of the endpoint to \
                 resolve the issue. Response for request {id} {why}. Raw response received: {status} {}",
                shown(body)
            ),
        )),
    }
}

/// Whether an answer is as the specification wants it. `Err`: what it is not.
fn conforms(id: &str, answer: &http::Response<Bytes>) -> Result<(), &'static str> {
    let kind = answer.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err("does not contain a \"content-type: application/json\" header");
    }
    if answer.headers().contains_key(http::header::CONTENT_ENCODING) {
        return Err("is content-encoded");
    }
    let read = serde_json::from_slice::<Answer>(answer.body());
    let read = read.map_err(|_| "is not recognized as valid JSON or has unexpected fields")?;
    if read.request_id == id { Ok(()) } else { Err("has a requestId that does not match") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> http::Response<Bytes> {
        let mut answer = http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const GOOD: &str = r#"{"requestId": "id", "timestamp": 1578090903599}"#;

    /// What is refused, and how: "Invalid Response" in the developer guide's "Troubleshooting HTTP endpoints".
    #[test]
    fn answers_must_be_as_the_specification_wants_them() {
        let utf8 = ("Content-Type", "Application/JSON; charset=utf-8");
        for taken in [
            answer(200, &[JSON], GOOD),
            answer(200, &[utf8], r#"{"requestId":"id","timestamp":0,"more":[]}"#),
        ] {
            assert_eq!(read("id", &taken), Verdict::Taken);
        }
        let gzip = ("content-encoding", "gzip");
        for (headers, body, why) in [
            (
                vec![JSON],
                r#"{"requestId": null}"#,
                "is not recognized as valid JSON or has unexpected fields",
            ),
            (vec![JSON], r#"{"requestId": "id"}"#, "is not recognized"),
            (vec![JSON], r#"{"requestId": "id", "timestamp": "1578090903599"}"#, "is not recognized"),
            (vec![JSON], r#"{"timestamp": 1}"#, "is not recognized"),
            (vec![JSON], "", "is not recognized"),
            (vec![JSON], r#"{"requestId": "other", "timestamp": 1}"#, "a requestId that does not match"),
            (vec![JSON, gzip], GOOD, "is content-encoded"),
            (vec![("content-type", "text/plain")], GOOD, "content-type: application/json"),
            (vec![], GOOD, "content-type: application/json"),
        ] {
            let Verdict::Refused(refusal) = read("id", &answer(200, &headers, body)) else {
                panic!("{body}")
            };
            assert_eq!(refusal.code, "HttpEndpoint.InvalidResponseFromDestination");
            assert!(
                refusal.said.contains(why) && refusal.said.contains("Response for request id"),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn statuses_decide_first() {
        for status in [201, 204, 301, 400, 401, 429, 500, 503] {
            let Verdict::Refused(refusal) = read("id", &answer(status, &[JSON], GOOD)) else {
                panic!("{status}")
            };
            assert_eq!(refusal.code, "HttpEndpoint.DestinationException");
        }
        let body = r#"{"requestId":"id","timestamp":1,"errorMessage":"Payload too large"}"#;
        let Verdict::TooLarge(refusal) = read("id", &answer(413, &[JSON], body)) else { panic!() };
        let said = format!("The following response was received from the endpoint destination. 413: {body}");
        assert_eq!(refusal.said, said);
        let record = format!("Received the following response from the endpoint destination. {body}");
        assert_eq!(refusal.record, record);
    }

    #[test]
    fn what_is_no_answer_has_its_name() {
        let code = |verdict| match verdict {
            Verdict::Refused(refusal) => refusal.code,
            other => panic!("{other:?}"),
        };
        let long = format!("{GOOD}{}", " ".repeat(MAX_ANSWER));
        assert_eq!(code(read("id", &answer(200, &[JSON], &long))), "HttpEndpoint.ResponseTooLarge");
        assert_eq!(code(none("length limit exceeded")), "HttpEndpoint.ResponseTooLarge");
        assert_eq!(code(none("client error (Connect)")), "HttpEndpoint.ConnectionFailed");
        assert_eq!(code(none("client error (SendRequest)")), "HttpEndpoint.ConnectionReset");
        assert_eq!(code(late()), "HttpEndpoint.RequestTimeout");
    }

    proptest! {
        #[test]
        fn arbitrary_answers_do_no_harm(status in 100..600u16, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut answer = answer(status, &[JSON], "");
            *answer.body_mut() = Bytes::from(body);
            prop_assert!(read("id", &answer) != Verdict::Taken);
        }
    }
}
