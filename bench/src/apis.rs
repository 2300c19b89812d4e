//! APIs: what a proxy integration adds to an invocation, the round trip that asks for a pre-signed URL, a mock
//! integration beside the fixed-response ceiling, and how exactly throttles let pass.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::functions::{create, make_role, package, verdict};
use crate::load::{Measured, Plan, Work, drive};
use crate::scenario::{self, Scenario};
use crate::server::Process;

/// Connections of what is measured as a rate.
const CONNECTIONS: usize = 32;
/// Rounds of invocations and requests of the proxy, in turn: the median of their ratios counts.
const ROUNDS: usize = 5;
/// What a proxy may add to the cost of a warm invocation.
const PROXY_FLOOR: f64 = 0.25;
/// What the round trip for a pre-signed URL may take, in the median.
const PRESIGN_FLOOR_MS: f64 = 5.0;
/// Part of the ceiling that a mock integration must reach.
const MOCK_FLOOR: f64 = 0.30;
/// The throttle that is measured: requests a second, and at once.
const THROTTLE: (f64, f64) = (500.0, 100.0);
/// The server's own throttle, out of the way.
const NO_THROTTLE: &str = "100000000";
/// The function behind the proxy.
const FUNCTION: &str = "bench-presign";
/// What it is asked for.
const ASKED: &str = r#"{"object_key":"input/bench","action":"putObject"}"#;

/// What its answer has in it.
const OK: &[u8] = b"\"statusCode\":200";

/// Measures all of it.
pub async fn all(asked: crate::Apis) -> Result<(), String> {
    let folder = match &asked.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir_in("."),
    };
    let folder = folder.map_err(|e| e.to_string())?;
    let bootstrap = std::fs::read(&asked.function).map_err(|e| format!("{:?}: {e}", asked.function))?;
    let duration = Duration::from_secs(asked.seconds);

    let fixed = Process::fixed()?;
    let plan = Plan { connections: CONNECTIONS, duration, rate: 0.0 };
    let fixed_work = Scenario::Fixed(scenario::ANSWER);
    let ceiling = scenario::run(fixed_work, &fixed.endpoint, &plan, Some(fixed.pid())).await?;
    println!("{}", ceiling.line("C: fixed answer, 32"));
    drop(fixed);

    let settings = [("ROPEWAY_API_REQUESTS_PER_SECOND", std::path::Path::new(NO_THROTTLE))];
    let server = Process::server_with(&asked.server, &folder.path().join("data"), &settings)?;
    let mut connection = Connection::open(&server.endpoint).await?;
    let api = make(&mut connection, &bootstrap).await?;

    let mock = Asks { way: Way::Get(api.path("/mock")), accepts_refusals: false, passed: 0 };
    let mock = mock.measure("mock integration", &server, &plan).await?.0;
    let part = mock.rate() / ceiling.rate().max(1e-9);
    println!("  {:.1}% of C, floor {:.0}%{}", part * 100.0, MOCK_FLOOR * 100.0, verdict(part >= MOCK_FLOOR));
    proxy(&api, &server, duration).await?;
    throttle(&api, &server, duration).await
}

/// The API that was made.
struct Api {
    id: String,
}

impl Api {
    fn path(&self, path: &str) -> String {
        format!("/restapis/{}/bench/_user_request_{path}", self.id)
    }
}

/// Makes the function, and an API with a mock, a proxy and a throttled mock.
async fn make(connection: &mut Connection, bootstrap: &[u8]) -> Result<Api, String> {
    make_role(connection).await?;
    let code = package(&[("bootstrap", bootstrap)])?;
    let more = json!({ "Environment": { "Variables": { "BUCKET": "bench" } } });
    create(connection, FUNCTION, ("provided.al2023", "bootstrap"), &code, more).await?;
    let permission = json!({
        "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
    });
    let path = format!("/2015-03-31/functions/{FUNCTION}/policy");
    ask(connection, "lambda", "POST", &path, permission).await?;

    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{FUNCTION}");
    let mock = json!({ "responses": { "200": { "description": "" } }, "x-amazon-apigateway-integration": {
        "type": "mock", "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
        "responses": { "default": { "statusCode": "200", "responseTemplates": {
            "application/json": "m".repeat(scenario::ANSWER) } } } } });
    let proxy = json!({ "x-amazon-apigateway-integration": { "type": "aws_proxy", "httpMethod": "POST",
        "uri": format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations") } });
    let document = json!({ "swagger": "2.0", "info": { "title": "bench", "version": "1" }, "paths": {
        "/mock": { "get": mock }, "/throttled": { "get": mock }, "/proxy": { "post": proxy } } });
    let made = ask(connection, "apigateway", "POST", "/restapis?mode=import", document).await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/restapis/{id}/deployments");
    ask(connection, "apigateway", "POST", &path, json!({ "stageName": "bench" })).await?;
    let set = |name: &str, value: f64| {
        let path = format!("/~1throttled/GET/throttling/{name}");
        json!({ "op": "replace", "path": path, "value": value.to_string() })
    };
    let patches = json!({ "patchOperations": [set("rateLimit", THROTTLE.0), set("burstLimit", THROTTLE.1)] });
    ask(connection, "apigateway", "PATCH", &format!("/restapis/{id}/stages/bench"), patches).await?;
    Ok(Api { id })
}

async fn ask(
    connection: &mut Connection,
    service: &str,
    method: &str,
    path: &str,
    body: Value,
) -> Result<Value, String> {
    let headers = [("content-type", "application/json")];
    let (status, answer) = connection.send(service, method, path, &headers, body.to_string().into()).await?;
    if status >= 300 {
        return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer)));
    }
    serde_json::from_slice(&answer).map_err(|e| e.to_string())
}

/// Invocations of a function, and the same through a proxy integration; then one request at a time.
async fn proxy(api: &Api, server: &Process, duration: Duration) -> Result<(), String> {
    let direct = Asks { way: Way::Invoke(event()), accepts_refusals: false, passed: 0 };
    let proxied = Asks { way: Way::Post(api.path("/proxy")), accepts_refusals: false, passed: 0 };
    let plan = Plan { connections: CONNECTIONS, duration, rate: 0.0 };
    let mut added = Vec::new();
    for _ in 0..ROUNDS {
        let invoked = direct.clone().measure("warm invoke, directly", server, &plan).await?.0;
        let asked = proxied.clone().measure("the same by proxy", server, &plan).await?.0;
        added.push(invoked.rate() / asked.rate().max(1e-9) - 1.0);
    }
    added.sort_by(f64::total_cmp);
    let added = added.get(ROUNDS / 2).copied().unwrap_or_default();
    let (shown, floor) = (added * 100.0, PROXY_FLOOR * 100.0);
    println!(
        "  the proxy adds {shown:.0}% (median of {ROUNDS} rounds), floor {floor:.0}%{}",
        verdict(added < PROXY_FLOOR)
    );

    let alone = Plan { connections: 1, duration, rate: 0.0 };
    direct.measure("warm invoke, one connection", server, &alone).await?;
    let asked = proxied.measure("pre-signing, one connection", server, &alone).await?.0;
    let median = asked.latencies.value_at_quantile(0.5) as f64 / 1000.0;
    println!("  p50 {median:.2} ms, floor {PRESIGN_FLOOR_MS} ms{}", verdict(median < PRESIGN_FLOOR_MS));
    Ok(())
}

/// Far more requests than a throttle lets pass: what passes, beside what should.
async fn throttle(api: &Api, server: &Process, duration: Duration) -> Result<(), String> {
    let asks = Asks { way: Way::Get(api.path("/throttled")), accepts_refusals: true, passed: 0 };
    let plan = Plan { connections: CONNECTIONS, duration, rate: THROTTLE.0 * 4.0 };
    let (measured, passed) = asks.measure("throttled, four times as fast", server, &plan).await?;
    let right = THROTTLE.1 + THROTTLE.0 * measured.elapsed.as_secs_f64();
    println!(
        "  {passed} passed, {right:.0} should: {:+.2}%",
        (passed as f64 / right.max(1e-9) - 1.0) * 100.0
    );
    Ok(())
}

/// The event that the proxy makes of the request that is measured, about: as many members, and as long.
fn event() -> Bytes {
    let headers: Value = (0..8).map(|n| (format!("X-Header-{n}"), json!("x".repeat(20)))).collect();
    let many: Value = (0..8).map(|n| (format!("X-Header-{n}"), json!(["x".repeat(20)]))).collect();
    json!({
        "resource": "/proxy", "path": "/proxy", "httpMethod": "POST", "headers": headers,
        "multiValueHeaders": many, "queryStringParameters": null, "pathParameters": null, "stageVariables": null,
        "requestContext": { "resourceId": "abcdefgh", "resourcePath": "/proxy", "httpMethod": "POST",
            "identity": { "sourceIp": "127.0.0.1", "userAgent": "x".repeat(40) }, "requestId": "r".repeat(36),
            "domainName": "d".repeat(40), "more": "m".repeat(500) },
        "body": ASKED, "isBase64Encoded": false,
    })
    .to_string()
    .into()
}

#[derive(Clone)]
enum Way {
    Get(String),
    Post(String),
    Invoke(Bytes),
}

/// One connection's requests.
#[derive(Clone)]
struct Asks {
    way: Way,
    /// 429 is an answer too.
    accepts_refusals: bool,
    passed: u64,
}

impl Asks {
    /// What was seen, and how many requests passed.
    async fn measure(self, name: &str, server: &Process, plan: &Plan) -> Result<(Measured, u64), String> {
        let works = vec![self; plan.connections];
        let (measured, works) = drive(&server.endpoint, plan, works, Some(server.pid())).await?;
        println!("{}", measured.line(name));
        Ok((measured, works.iter().map(|work| work.passed).sum()))
    }
}

impl Work for Asks {
    async fn prepare(&mut self, connection: &mut Connection) -> Result<(), String> {
        // The first request of each connection may start a process.
        if self.accepts_refusals { Ok(()) } else { self.step(connection).await.map(drop) }
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<bool, String> {
        let (status, answer) = match &self.way {
            Way::Get(path) => connection.get(path).await?,
            Way::Post(path) => connection.post(path, Bytes::from_static(ASKED.as_bytes())).await?,
            Way::Invoke(event) => {
                let path = format!("/2015-03-31/functions/{FUNCTION}/invocations");
                connection.send("lambda", "POST", &path, &[], event.clone()).await?
            }
        };
        let good = match &self.way {
            Way::Get(_) => answer.len() == scenario::ANSWER,
            Way::Post(_) => answer.starts_with(b"http"),
            Way::Invoke(_) => answer.windows(OK.len()).any(|part| part == OK),
        };
        match status {
            200 if good => self.passed += 1,
            429 if self.accepts_refusals => {}
            _ => return Err(format!("{status} {}", String::from_utf8_lossy(&answer))),
        }
        Ok(true)
    }
}
