//! API Gateway's variables, after the samples of its developer guide ("API Gateway mapping template and
//! access logging variable reference", "Models and mapping template examples", "Override your API's request
//! and response parameters and status codes").

use serde_json::{Value as Json, json};

use crate::apigateway::{Input, Params, Rendered, parse, render};
use crate::{Limits, RenderError};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn run(template: &str, body: &str) -> Result<Rendered, RenderError> {
    let input = Input {
        body: body.into(),
        params: Params {
            path: pairs(&[("id", "7"), ("both", "path")]),
            querystring: pairs(&[("q", "a b"), ("both", "query")]),
            header: pairs(&[("Content-Type", "text/plain"), ("both", "header")]),
        },
        context: json!({"stage": "prod", "identity": {"sourceIp": "127.0.0.1"}}),
        stage_variables: pairs(&[("url", "example.com")]),
    };
    render(&parse(template).unwrap(), &input, Limits::default())
}

fn text(template: &str, body: &str) -> String {
    run(template, body).unwrap().body
}

const PHOTOS: &str = r#"{"photos": {"page": 1, "pages": "1234", "photo": [
    {"id": "12345678901", "owner": "23456789@A12", "title": "Sample photo 1", "ispublic": 1},
    {"id": "23456789012", "owner": "34567890@B23", "title": "Sample photo 2", "ispublic": 0}]}}"#;

#[test]
fn maps_the_photos_of_the_guide() {
    let template = r#"#set($inputRoot = $input.path('$'))
{
  "photos": [
#foreach($elem in $inputRoot.photos.photo)
    {
      "id": "$elem.id",
      "photographedBy": "$elem.owner",
      "title": "$elem.title",
      "ispublic": $elem.ispublic
    }#if($foreach.hasNext),#end

#end
  ]
}"#;
    let mapped: Json = serde_json::from_str(&text(template, PHOTOS)).unwrap();
    let expected = json!({"photos": [
        {"id": "12345678901", "photographedBy": "23456789@A12", "title": "Sample photo 1", "ispublic": 1},
        {"id": "23456789012", "photographedBy": "34567890@B23", "title": "Sample photo 2", "ispublic": 0},
    ]});
    assert_eq!(mapped, expected);
}

#[test]
fn passes_all_parameters_through_as_the_guide_does() {
    let template = r#"#set($allParams = $input.params())
{
  "params" : {
    #foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
    "$type" : {
      #foreach($paramName in $params.keySet())
      "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
      #if($foreach.hasNext),#end
      #end
    }
    #if($foreach.hasNext),#end
    #end
  },
  "stage" : "$context.stage", "ip" : "$context.identity.sourceIp", "url" : "$stageVariables.url"
}"#;
    let mapped: Json = serde_json::from_str(&text(template, "")).unwrap();
    let expected = json!({
        "params": {
            "path": {"id": "7", "both": "path"},
            "querystring": {"q": "a b", "both": "query"},
            "header": {"Content-Type": "text/plain", "both": "header"},
        },
        "stage": "prod", "ip": "127.0.0.1", "url": "example.com",
    });
    assert_eq!(mapped, expected);
}

#[test]
fn reads_the_input() {
    let body = r#"{"a": 1, "b": [{"c": "x/y"}], "s": "q\"", "d": 1.50, "n": null, "o": {"k": [1, 2]}}"#;
    for (template, expected) in [
        ("$input.json('$')", r#"{"a":1,"b":[{"c":"x/y"}],"s":"q\"","d":1.5,"n":null,"o":{"k":[1,2]}}"#),
        ("$input.json('$.s') $input.json('$.b[0].c') $input.json('$.n')", r#""q\"" "x/y" null"#),
        // Objects render as Java's maps, the JSON library's arrays as JSON.
        ("$input.path('$.o') $input.path('$.b') $input.path('$.s')", r#"{k=[1,2]} [{"c":"x/y"}] q""#),
        ("$input.path('$').o.k.size() $input.path('$.o.k')[1] $input.path('$.b[0]').c", "2 2 x/y"),
        ("$input.json('$.missing')|$input.path('$.missing')|$input.path('$').missing.x|", "\"\"|||"),
        (
            "$input.params('id') $input.params('both') $input.params('q') [$input.params('none')]",
            "7 path a b []",
        ),
        ("$input.params().header.get('Content-Type') $input.params().path.id", "text/plain 7"),
        ("#if($input.params('none') == '')none#end#if($input.path('$.missing') == '')gone#end", "nonegone"),
        ("$input.body.length() $input.nope()", "83 "),
    ] {
        assert_eq!(text(template, body), expected, "{template}");
    }
    assert_eq!(text("$input.body $input.json('$')", ""), "{} {}");
    assert_eq!(text("$input.body", "no json"), "no json");
    assert!(matches!(run("$input.json('$')", "no json"), Err(RenderError::Body(_))));
    assert!(matches!(run("$input.path('$[')", "{}"), Err(RenderError::Path(_))));
}

#[test]
fn offers_utilities() {
    for (template, expected) in [
        (r#"$util.escapeJavaScript('it''s "a" \ / é')"#, r#"it\'s \"a\" \\ \/ \u00E9"#),
        ("$util.urlEncode('a b&c=ü*~') $util.urlDecode('a+b%26%C3%BC')", "a+b%26c%3D%C3%BC*%7E a b&ü"),
        ("$util.base64Encode('Hi') $util.base64Decode('SGk=')", "SGk= Hi"),
        ("$util.parseJson('{\"a\": {\"b\": [1, 2.0, true]}}').a.b[1]", "2.0"),
        ("$util.parseJson($input.body).a.get(0) $util.nope('x')|", "5 |"),
    ] {
        assert_eq!(text(template, r#"{"a": [5]}"#), expected, "{template}");
    }
    for template in ["$util.parseJson('{')", "$util.base64Decode('*')"] {
        assert!(matches!(run(template, ""), Err(RenderError::Method(_))), "{template}");
    }
}

#[test]
fn overrides_are_read_back() {
    let rendered = run(
        "#set($context.requestOverride.header.h = \"1\")\n\
         #set($context.requestOverride.header.multi = [\"1\", \"2\"])\n\
         #set($context.requestOverride.path.id = \"$input.params('id')0\")\n\
         #set($context.responseOverride.status = 400)\n\
         #set($context.responseOverride.header['x-a'] = $input.path('$.a'))\n{}",
        r#"{"a": "v"}"#,
    )
    .unwrap();
    assert_eq!(rendered.body, "{}");
    assert_eq!(
        rendered.request_override,
        json!({"header": {"h": "1", "multi": ["1", "2"]}, "path": {"id": "70"}, "querystring": {}})
    );
    assert_eq!(rendered.response_override, json!({"header": {"x-a": "v"}, "status": 400}));
}
