//! Tokens: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents};
use ropeway_core::Time;
use serde_json::{Map, Value as Json};

use super::authorize::identity;
use super::hit::{Hit, Pass};
use super::refusal::Refusal;
use crate::model::Texts;
use crate::plane::Plane;
use crate::v2::model::{Jwt, Route};

/// Seconds that an issuer's keys are kept: "API Gateway can cache the public key for two hours".
const KEPT_SECS: i64 = 2 * 60 * 60;
/// Issuers whose keys are kept; beyond, all are fetched again.
const MOST_ISSUERS: usize = 1_000;
/// Keys of an issuer that are looked at.
const MOST_KEYS: usize = 100;
/// Bytes of an issuer's documents.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// An RSA key of an issuer.
#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

type Keys = Arc<Vec<Key>>;

/// The keys of issuers, and until when they are kept.
#[derive(Default)]
pub struct Issuers(Mutex<BTreeMap<String, (Time, Keys)>>);

impl Issuers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Time, Keys)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A token that has been read, and not been believed.
struct Token<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    header: Json,
    claims: Map<String, Json>,
}

/// A refusal that says why, as AWS does in `www-authenticate`.
fn invalid(why: &str) -> Refusal {
    let challenge = format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{why}\"");
    Refusal { challenge: Some(challenge), why: why.to_owned().into(), ..Refusal::unauthorized() }
}

fn read(token: &str) -> Option<Token<'_>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Json>(&BASE64.decode(part).ok()?).ok();
    let Json::Object(claims) = json(claims)? else { return None };
    Some(Token { signed, signature: BASE64.decode(signature).ok()?, header: json(header)?, claims })
}

/// The keys of a JWKS that can sign with RSA.
fn keys(document: &Json) -> Vec<Key> {
    let all = document.get("keys").and_then(Json::as_array).into_iter().flatten();
    let text = |key: &Json, name: &str| key.get(name).and_then(Json::as_str).map(str::to_owned);
    let of_rsa = |key: &Json| {
        let number = |name| BASE64.decode(text(key, name)?.trim_end_matches('=')).ok();
        let usable = text(key, "kty")? == "RSA" && text(key, "use").is_none_or(|used| used == "sig");
        let (modulus, exponent) = (number("n")?, number("e")?);
        usable.then(|| Key { id: text(key, "kid"), modulus, exponent })
    };
    all.take(MOST_KEYS).filter_map(of_rsa).collect()
}

/// The algorithms: "currently, only RSA-based algorithms are supported".
fn algorithm(name: &str) -> Option<&'static RsaParameters> {
    Some(match name {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

impl Token<'_> {
    /// Whether one of the keys signed it.
    fn is_signed(&self, keys: &[Key]) -> Result<(), &'static str> {
        let text = |name| self.header.get(name).and_then(Json::as_str);
        let algorithm = text("alg").and_then(algorithm).ok_or("signing method is invalid")?;
        let id = text("kid").ok_or("kid is missing")?;
        let key =
            keys.iter().find(|key| key.id.as_deref() == Some(id)).ok_or("unable to find a key of the kid")?;
        let key = RsaPublicKeyComponents { n: trimmed(&key.modulus), e: trimmed(&key.exponent) };
        let good = key.verify(algorithm, self.signed.as_bytes(), &self.signature);
        good.map_err(|_| "signature is invalid")
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.claims.get(name).and_then(Json::as_f64)
    }

    /// Whether a claim's texts have one of these; `None` without the claim.
    fn has_one(&self, name: &str, wanted: &[String]) -> Option<bool> {
        let is = |text: &Json| text.as_str().is_some_and(|text| wanted.iter().any(|one| one == text));
        match self.claims.get(name)? {
            Json::Array(all) => Some(all.iter().any(is)),
            one => Some(is(one)),
        }
    }

    /// Whether it is for this API, and now.
    fn is_good(&self, jwt: &Jwt, now: Time) -> Result<(), &'static str> {
        let now = now.millis() as f64 / 1000.0;
        if self.claims.get("iss").and_then(Json::as_str) != jwt.issuer.as_deref() {
            return Err("the token does not have a valid issuer");
        }
        if self.has_one("aud", &jwt.audience).or_else(|| self.has_one("client_id", &jwt.audience))
            != Some(true)
        {
            return Err("the token does not have a valid audience");
        }
        if self.seconds("exp").is_none_or(|until| until <= now) {
            return Err("the token has expired");
        }
        if self.seconds("nbf").is_some_and(|from| from > now) {
            return Err("the token is not valid yet");
        }
        match self.seconds("iat").is_some_and(|at| at > now) {
            true => Err("the token was issued in the future"),
            false => Ok(()),
        }
    }

    /// `scope` or `scp`.
    fn scopes(&self) -> Vec<String> {
        match self.claims.get("scope").or_else(|| self.claims.get("scp")) {
            Some(Json::String(all)) => all.split_whitespace().map(str::to_owned).collect(),
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// The claims as events have them: texts, lists as `[a b]`.
    fn texts(&self) -> Texts {
        self.claims.iter().map(|(name, value)| (name.clone(), claim(value))).collect()
    }
}

/// A number without zeros before it, as the signature's check wants it.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn claim(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(all) => format!("[{}]", all.iter().map(claim).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

impl Plane {
    /// Whether the route's token is good.
    pub async fn token(&self, hit: &Hit<'_>, route: &Route) -> Result<Pass, Refusal> {
        let id = route.authorizer.as_deref().unwrap_or_default();
        let authorizer = hit.stage.definition.authorizers.get(id).ok_or_else(Refusal::internal)?;
        let jwt = authorizer.jwt.as_ref().ok_or_else(Refusal::internal)?;
        let bearer = || Refusal { challenge: Some("Bearer".to_owned()), ..Refusal::unauthorized() };
        let given = identity(hit, authorizer).map_err(|_| bearer())?;
        let given = given.first().map(String::as_str).unwrap_or_default();
        let given = match given.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => given,
        };
        let token = read(given).ok_or_else(|| invalid("the token is malformed"))?;
        let now = hit.request.cx.now;
        let keys = self.issuer_keys(jwt.issuer.as_deref().unwrap_or_default(), now).await.map_err(|why| {
            tracing::info!(api = hit.api.name.id, why, "the keys of an issuer could not be had");
            invalid("OIDC discovery endpoint communication error")
        })?;
        token.is_signed(&keys).map_err(invalid)?;
        token.is_good(jwt, now).map_err(invalid)?;
        let scopes = token.scopes();
        if !route.scopes.is_empty() && !route.scopes.iter().any(|scope| scopes.contains(scope)) {
            let why = "the token does not have any of the required scopes";
            let wanted = route.scopes.join(" ");
            let challenge =
                format!("Bearer scope=\"{wanted}\" error=\"insufficient_scope\" error_description=\"{why}\"");
            return Err(Refusal { challenge: Some(challenge), why: why.into(), ..Refusal::forbidden() });
        }
        let scopes = (!route.scopes.is_empty()).then_some(scopes);
        Ok(Pass::Jwt(token.texts(), scopes))
    }

    /// An issuer's keys, kept for a while.
    async fn issuer_keys(&self, issuer: &str, now: Time) -> Result<Keys, String> {
        if let Some((until, keys)) = self.issuers.lock().get(issuer)
            && *until > now
        {
            return Ok(Arc::clone(keys));
        }
        let about = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let about = self.document(&about).await?;
        let address = about.get("jwks_uri").and_then(Json::as_str).ok_or("there is no jwks_uri")?;
        let keys: Keys = Arc::new(keys(&self.document(address).await?));
        let mut issuers = self.issuers.lock();
        if issuers.len() >= MOST_ISSUERS {
            issuers.clear();
        }
        issuers.insert(issuer.to_owned(), (now.plus_secs(KEPT_SECS), Arc::clone(&keys)));
        Ok(keys)
    }

    /// A JSON document from outside.
    async fn document(&self, address: &str) -> Result<Json, String> {
        let request = http::Request::get(address).header(http::header::ACCEPT, "application/json");
        let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = self.outgoing.call(request).await?;
        if !answer.status().is_success() || answer.body().len() > MAX_DOCUMENT {
            return Err(format!("{address} answered {} with {} bytes", answer.status(), answer.body().len()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| format!("{address}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn token(claims: Json) -> String {
        let part = |json: Json| BASE64.encode(json.to_string());
        format!("{}.{}.AA", part(json!({ "alg": "RS256", "kid": "k" })), part(claims))
    }

    #[test]
    fn claims_decide() {
        let jwt = Jwt { issuer: Some("https://i".to_owned()), audience: vec!["a".to_owned()] };
        let good = |claims: Json| read(&token(claims)).unwrap().is_good(&jwt, Time(10_000));
        assert_eq!(good(json!({ "iss": "https://i", "aud": "a", "exp": 11 })), Ok(()));
        assert_eq!(
            good(json!({ "iss": "https://i", "aud": ["b", "a"], "exp": 11, "nbf": 9, "iat": 9 })),
            Ok(())
        );
        assert_eq!(good(json!({ "iss": "https://i", "client_id": "a", "exp": 11 })), Ok(()));
        for wrong in [
            json!({ "iss": "https://other", "aud": "a", "exp": 11 }),
            json!({ "iss": "https://i", "aud": "b", "client_id": "a", "exp": 11 }),
            json!({ "iss": "https://i", "aud": "a", "exp": 10 }),
            json!({ "iss": "https://i", "aud": "a" }),
            json!({ "iss": "https://i", "aud": "a", "exp": 11, "nbf": 10.5 }),
            json!({ "iss": "https://i", "aud": "a", "exp": 11, "iat": 10.5 }),
        ] {
            assert!(good(wrong.clone()).is_err(), "{wrong}");
        }
        assert_eq!(claim(&json!(["a", 1])), "[a 1]");
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "\\PC{0,60}(\\.[A-Za-z0-9_-]{0,20}){0,3}") {
            if let Some(token) = read(&text) {
                prop_assert!(token.is_signed(&[]).is_err());
            }
        }
    }
}
