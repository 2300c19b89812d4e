//! JSONPath. The expected results were taken from Jayway's JsonPath 2.4; the document is after the one of
//! <https://goessner.net/articles/JsonPath/>.

use crate::jsonpath::Path;
use crate::{Context, RenderError};

const DOCUMENT: &str = r#"{
    "store": {
        "book": [
            {"category": "reference", "author": "Nigel", "title": "S", "price": 8.95},
            {"category": "fiction", "author": "Evelyn", "title": "Sw", "price": 12.99, "isbn": "0-1"},
            {"category": "fiction", "author": "Herman", "title": "M", "isbn": "0-2", "price": 8.99}
        ],
        "bicycle": {"color": "red", "price": 19.95}
    },
    "expensive": 10, "a b": {"c.d": 1}, "n": null, "arr": [0, 1, 2, 3, 4, 5], "t": true, "s": "str"
}"#;

fn find(path: &str) -> Result<Option<String>, RenderError> {
    let document = serde_json::from_str(DOCUMENT).unwrap();
    let context = Context::default();
    Ok(Path::parse(path)?.find(&document, context.heap())?.map(|found| found.to_string()))
}

#[test]
fn finds_what_jayway_finds() {
    for (path, expected) in [
        ("$.store.book[*].author", r#"["Nigel","Evelyn","Herman"]"#),
        ("$..author", r#"["Nigel","Evelyn","Herman"]"#),
        ("$.store..price", "[8.95,12.99,8.99,19.95]"),
        ("$..book[-1].title", r#"["M"]"#),
        ("$..book[0,1].title", r#"["S","Sw"]"#),
        ("$..book[:2].title", r#"["S","Sw"]"#),
        ("$..book[?(@.isbn)].title", r#"["Sw","M"]"#),
        ("$.store.book[?(@.price < 10)].title", r#"["S","M"]"#),
        ("$..book[?(@.price <= $['expensive'])].title", r#"["S","M"]"#),
        ("$..book[?(@.author =~ /.*man/i)].title", r#"["M"]"#),
        ("$.store.book[?(@.category == 'fiction' && @.price > 10)].title", r#"["Sw"]"#),
        ("$.store.book[?(@.price>8 && (@.price<9 || @.isbn))].title", r#"["S","Sw","M"]"#),
        ("$.store.book[?(!@.isbn)].title", r#"["S"]"#),
        ("$.store.book[?(@.isbn == null)].title", "[]"),
        ("$.store.book[?(@.category in ['fiction','x'])].title", r#"["Sw","M"]"#),
        ("$.store.book[?(@.category nin ['fiction','x'])].title", r#"["S"]"#),
        ("$.store.book[?(@.title contains 'S')].title", r#"["S","Sw"]"#),
        ("$.store.book[?(@.title size 1)].title", r#"["S","M"]"#),
        ("$.store.book[?(@.price == '8.95')].title", r#"["S"]"#),
        ("$.store.book[0]['title','price']", r#"{"title":"S","price":8.95}"#),
        ("$.arr[?(@ > 2)]", "[3,4,5]"),
        ("$.arr[1:4]", "[1,2,3]"),
        ("$.arr[-2:]", "[4,5]"),
        ("$.arr[:-2]", "[0,1,2,3]"),
        ("$.arr[0:5:2]", "[0,1,2,3,4]"),
        ("$.arr[ 0 ]", "0"),
        ("$.arr.length()", "6"),
        ("$.arr.sum()", "15.0"),
        ("$.arr.avg()", "2.5"),
        ("$['a b'][\"c.d\"]", "1"),
        ("$.n", "null"),
        ("store.book[0].title", r#""S""#),
        ("@.t", "true"),
        ("$..missing", "[]"),
        ("$.store.book[*].missing", "[]"),
        ("$..[0].title", r#"["S"]"#),
        ("$.store.book[?(@.isbn)][0]", "[]"),
    ] {
        assert_eq!(find(path).unwrap().as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn finds_nothing() {
    for path in [
        "$.missing",
        "$.missing.x",
        "$.missing[*]",
        "$.n.x",
        "$.s.x",
        "$.arr[9]",
        "$.arr[-9]",
        "$.store.book.title",
    ] {
        assert_eq!(find(path).unwrap(), None, "{path}");
    }
}

#[test]
fn refuses_what_is_no_path() {
    for path in [
        "",
        "$.",
        "$.store.",
        "$[",
        "$.arr[a]",
        "$$",
        "$.store.keys()",
        "$.arr[?(@ anyof [1])]",
        "$[?(@.a",
        "$[0",
    ] {
        assert!(matches!(find(path), Err(RenderError::Path(_))), "{path}");
    }
}
