//! Websites of buckets: index and error documents, and redirections.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html>. An address is
//! `http://BUCKET.s3-website.REGION.localhost:PORT` or `http://BUCKET.s3-website-REGION.localhost:PORT`. Whoever asks is
//! nobody: an object is shown if the bucket's policy lets everybody read it.

mod page;

use std::sync::Arc;

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ropeway_api::s3::{self, GetObjectInput, GetObjectOutput};
use ropeway_wire::gateway::{Known, Site, SiteRequest};
use ropeway_wire::protocol::{self, RequestBody, ResponseBody};
use ropeway_wire::schema::Protocol;
use ropeway_wire::{Answer, BoxFuture, Cx, Error};

use crate::commands::{Command, Output};
use crate::configuration::{RoutingRule, Website};
use crate::error;
use crate::front::{self, Place, S3Front, log};
use crate::ops::no_website;
use crate::target;

/// What stands between a bucket and a region in an address.
const MARKS: [&str; 2] = [".s3-website.", ".s3-website-"];
/// What is known as the operation.
const OPERATION: &str = "WebsiteGet";
/// Conditions of requests that are an object's business.
const CONDITIONS: [HeaderName; 5] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, RANGE];

/// Serves the websites.
pub struct Websites(pub Arc<S3Front>);

/// The bucket and the region of a host, `BUCKET.s3-website.REGION.…` or `BUCKET.s3-website-REGION.…`.
fn address(host: &str) -> Option<(&str, &str)> {
    let (bucket, rest) = MARKS.iter().find_map(|mark| host.rsplit_once(mark))?;
    let region = rest.split('.').next()?;
    (!bucket.is_empty() && !region.is_empty()).then_some((bucket, region))
}

/// A request of a website.
struct Visit<'r> {
    cx: &'r Cx,
    bucket: &'r str,
    website: &'r Website,
    /// The key that the path says.
    key: &'r str,
    path: &'r str,
    query: &'r str,
    headers: &'r HeaderMap,
}

/// Why a website has no object to show.
struct Failed {
    error: Error,
    /// The error document, and why that cannot be shown.
    document: Option<(String, Error)>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, document: None }
    }
}

impl Site for Websites {
    fn owns(&self, host: &str, _path: &str) -> bool {
        host.contains(".s3-website") && address(host).is_some()
    }

    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let Some((bucket, region)) = address(&request.host) else {
                return page::error(&error::no_such_bucket(&request.host), None, &request.cx.request_id);
            };
            let place = Place::of(&request.path, Some(bucket));
            let uri = match request.query.as_str() {
                "" => request.path.clone(),
                query => format!("{}?{query}", request.path),
            };
            let asked = log::Asked {
                method: &request.method,
                uri: &uri,
                headers: &request.headers,
                request_id: &request.cx.request_id,
                remote: request.cx.source_ip,
                website: true,
            };
            let configured = self.0.live.get(bucket);
            let watch = place
                .as_ref()
                .zip(configured.as_ref())
                .and_then(|(place, configured)| self.0.watch_place(configured, place, asked));
            let mut answer = match self.serve(&request, place.as_ref(), region).await {
                Ok(answer) => answer,
                Err(Failed { error, document }) => {
                    page::error(&error, document.as_ref(), &request.cx.request_id)
                }
            };
            if request.method == Method::HEAD {
                *answer.body_mut() = ResponseBody::Bytes(bytes::Bytes::new());
            }
            match watch {
                Some(watch) => watch.end(&Known { operation: OPERATION, principal: None }, answer),
                None => answer,
            }
        })
    }
}

impl Websites {
    async fn serve(
        &self,
        request: &SiteRequest,
        place: Option<&Place>,
        region: &str,
    ) -> Result<Answer, Failed> {
        let bucket = place.map_or("", |place| &place.bucket);
        if request.method == Method::OPTIONS {
            return Ok(self.0.preflight(&request.cx, place, &request.headers).await?);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let message = "The specified method is not allowed against this resource.";
            let error = Error::new(405, "MethodNotAllowed", message);
            return Err(error
                .with_member("Method", request.method.as_str())
                .with_member("ResourceType", "OBJECT")
                .with_header("allow", "GET, HEAD, OPTIONS")
                .into());
        }
        let configured = self.0.live.get(bucket);
        let Some(website) = configured.as_ref().and_then(|configured| configured.website()) else {
            return Err(self.without(&request.cx, bucket).await.into());
        };
        let lies_in = configured.as_ref().map_or("", |configured| &configured.region);
        if lies_in != region {
            let message = "The specified bucket exists in another region. Please direct requests to the specified endpoint.";
            let endpoint = format!("{bucket}.s3-website-{lies_in}.amazonaws.com");
            return Err(Error::new(400, "IncorrectEndpoint", message)
                .with_member("Endpoint", endpoint)
                .into());
        }
        let mut cx = request.cx.clone();
        cx.principal = Arc::new(ropeway_wire::Principal::anonymous());
        region.clone_into(&mut cx.region);
        let visit = Visit {
            cx: &cx,
            bucket,
            website,
            key: place.and_then(|place| place.key.as_deref()).unwrap_or_default(),
            path: &request.path,
            query: &request.query,
            headers: &request.headers,
        };
        self.visit(&visit).await
    }

    /// Why a bucket is no website.
    async fn without(&self, cx: &Cx, bucket: &str) -> Error {
        let mut anywhere = target(cx, bucket, None);
        anywhere.region = None;
        match self.0.service.submit(cx, bucket, Command::HeadBucket(anywhere)).await {
            Ok(Output::Bucket(_)) => no_website(bucket),
            Ok(_) => error::internal("a command with another one's answer"),
            Err(error) => error,
        }
    }

    async fn visit(&self, visit: &Visit<'_>) -> Result<Answer, Failed> {
        if let Some((host, protocol)) = &visit.website.elsewhere {
            let location = visit.location(Some(host), protocol.as_ref(), None);
            return Ok(moved(301, &location, &visit.cx.request_id));
        }
        if let Some(rule) = visit.rule(None) {
            return Ok(visit.follow(rule));
        }
        let index = visit.website.index.as_deref().unwrap_or_default();
        let is_folder = visit.key.is_empty() || visit.key.ends_with('/');
        let key = if is_folder { format!("{}{index}", visit.key) } else { visit.key.to_owned() };
        let error = match self.get(visit, &key, visit.headers).await {
            Ok(found) => return Ok(shown(found, visit, StatusCode::OK)?),
            Err(error) => error,
        };
        let missing = matches!(error.status, 403 | 404);
        let folder = format!("{key}/{index}");
        if missing && !is_folder && self.get(visit, &folder, &HeaderMap::new()).await.is_ok() {
            return Ok(moved(302, &format!("/{}/", front::encoded(&key)), &visit.cx.request_id));
        }
        if let Some(rule) = visit.rule(Some(error.status)) {
            return Ok(visit.follow(rule));
        }
        let document = visit.website.error.as_ref().filter(|_| (400..500).contains(&error.status));
        let Some(document) = document else { return Err(error.into()) };
        match self.get(visit, document, &HeaderMap::new()).await {
            Ok(found) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::NOT_FOUND);
                let mut answer = shown(found, visit, status)?;
                page::name(&mut answer, &error);
                Ok(answer)
            }
            Err(why) => Err(Failed { error, document: Some((document.clone(), why)) }),
        }
    }

    /// An object, as nobody gets it.
    async fn get(&self, visit: &Visit<'_>, key: &str, headers: &HeaderMap) -> Result<GetObjectOutput, Error> {
        let mut conditions = HeaderMap::new();
        for name in CONDITIONS {
            if let Some(value) = headers.get(&name) {
                conditions.insert(name, value.clone());
            }
        }
        let body = RequestBody::Bytes(bytes::Bytes::new());
        let input: GetObjectInput = front::decoded("GetObject", (visit.bucket, key), &conditions, body)?;
        self.0.service.services.call(visit.cx.clone(), input).await
    }
}

impl Visit<'_> {
    /// The routing rule for the key, and for a status, if there is one.
    fn rule(&self, status: Option<u16>) -> Option<&RoutingRule> {
        self.website.rules.iter().find(|rule| {
            rule.prefix.as_ref().is_none_or(|prefix| self.key.starts_with(prefix.as_str()))
                && rule.status.is_none_or(|wanted| status == Some(wanted))
        })
    }

    fn follow(&self, rule: &RoutingRule) -> Answer {
        let to = &rule.to;
        let key = match (&to.key, &to.prefix) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(prefix)) => {
                let rest = self.key.strip_prefix(rule.prefix.as_deref().unwrap_or_default());
                Some(format!("{prefix}{}", rest.unwrap_or(self.key)))
            }
            (None, None) => None,
        };
        let location = self.location(to.host.as_ref(), to.protocol.as_ref(), key.as_deref());
        moved(to.status.unwrap_or(301), &location, &self.cx.request_id)
    }

    /// An address; what is not given is as in the request.
    fn location(&self, host: Option<&String>, protocol: Option<&String>, key: Option<&str>) -> String {
        let (own_protocol, own_host) =
            self.cx.endpoint.split_once("://").unwrap_or(("http", &self.cx.endpoint));
        let path = key.map_or_else(|| self.path.to_owned(), |key| format!("/{}", front::encoded(key)));
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let host = host.map_or(own_host, String::as_str);
        format!("{}://{host}{path}{query}", protocol.map_or(own_protocol, String::as_str))
    }
}

fn moved(status: u16, location: &str, request_id: &str) -> Answer {
    let mut answer = http::Response::new(ResponseBody::Bytes(bytes::Bytes::new()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    front::name(&mut answer, request_id);
    answer
}

/// An object as an answer, or the way to where it says that it has moved.
fn shown(mut found: GetObjectOutput, visit: &Visit<'_>, status: StatusCode) -> Result<Answer, Error> {
    let id = &visit.cx.request_id;
    if let Some(location) = found.website_redirect_location.take() {
        return Ok(moved(301, &location, id));
    }
    let operation = front::operation("GetObject")?;
    let mut answer = protocol::encode_output(&s3::SERVICE, operation, Protocol::RestXml, &found, id);
    if status != StatusCode::OK {
        *answer.status_mut() = status;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_websites() {
        for (host, found) in [
            ("site.s3-website.eu-west-1.localhost", Some(("site", "eu-west-1"))),
            ("site.s3-website-us-east-1.localhost", Some(("site", "us-east-1"))),
            ("www.example.com.s3-website.us-east-1.amazonaws.com", Some(("www.example.com", "us-east-1"))),
            ("s3-website.us-east-1.localhost", None),
            ("site.s3.us-east-1.localhost", None),
            ("site.localhost", None),
        ] {
            assert_eq!(address(host), found, "{host}");
        }
    }
}
