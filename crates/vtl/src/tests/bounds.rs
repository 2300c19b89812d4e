//! What no template can do.

use super::{context, context_within};
use crate::{Context, Limits, RenderError, Template, Value};

fn fails(template: &str) -> RenderError {
    let limits = Limits { steps: 500_000, memory: 64 << 20, output: 1 << 20, ..Limits::default() };
    Template::parse(template).unwrap().render(&mut context_within(limits)).unwrap_err()
}

#[test]
fn loops_end() {
    let counted =
        Template::parse("#foreach($i in [1..5000])#if($velocityHasNext)#end#set($x = $i)#end$x").unwrap();
    assert_eq!(counted.render(&mut context()).unwrap(), "1000");
    let loops = format!("#set($l = [1..1000]){}{}", "#foreach($i in $l)".repeat(4), "#end".repeat(4));
    assert_eq!(fails(&loops), RenderError::Limit("steps"));
    assert_eq!(fails("#set($r = [0..2000000000])"), RenderError::Limit("a million elements in a range"));
}

#[test]
fn texts_lists_and_maps_stay_small() {
    let doubled = "#set($s = 'xxxxxxxxxxxxxxxx')#foreach($i in [1..100])#set($s = \"$s$s\")#end";
    assert!(matches!(fails(doubled), RenderError::Limit("memory" | "output")));
    let listed = "#set($s = [1])#foreach($i in [1..100])#if($s.addAll($s))#end#end";
    assert_eq!(fails(listed), RenderError::Limit("memory"));
    let written = "#foreach($i in [1..1000])#foreach($j in [1..1000])xxxxxxxxxxxxxxxxxxxxxxxx#end#end";
    assert_eq!(fails(written), RenderError::Limit("output"));
    assert!(matches!(fails("$a.repeat(2000000000)"), RenderError::Limit(_)));
}

#[test]
fn circles_and_towers_end() {
    assert_eq!(fails("#if($l.add($l))$l#end"), RenderError::Limit("the depth of lists and maps"));
    assert_eq!(fails("#set($m.me = $m)$m.hashCode()"), RenderError::Limit("the depth of lists and maps"));
    let tower =
        "#set($x = [])#foreach($i in [1..1000])#foreach($j in [1..100])#set($x = [$x])#end#end$x.size()";
    assert_eq!(Template::parse(tower).unwrap().render(&mut context()).unwrap(), "1");
    let shared =
        "#set($x = [])#set($y = [])#foreach($i in [1..90])#set($x = [$x, $x])#set($y = [$y, $y])#end";
    assert_eq!(fails(&format!("{shared}#if($x == $y)#end")), RenderError::Limit("steps"));
    assert!(matches!(fails(&format!("{shared}$x")), RenderError::Limit("output")));
}

#[test]
fn depth_is_bounded() {
    for (start, repeated) in [
        ("", "#if(true)"),
        ("#set($x = ", "["),
        ("#set($x = ", "("),
        ("", "$a.b("),
        ("#set($x = ", "!"),
        ("", "$a["),
    ] {
        assert!(Template::parse(&(start.to_owned() + &repeated.repeat(10_000))).is_err(), "{repeated}");
    }
    let quoted = (0..10).fold("x".to_owned(), |inner, _| format!("\"$a {}\"", inner.replace('"', "\"\"")));
    assert!(Template::parse(&format!("#set($x = {quoted})")).is_ok());
    let nested = format!("#set($x = {}1{})", "(".repeat(10_000), ")".repeat(10_000));
    assert!(Template::parse(&nested).unwrap_err().message.contains("within each other"));
    let evaluated = "#set($x = '#evaluate($x)')#evaluate($x)";
    assert_eq!(fails(evaluated), RenderError::Limit("depth"));
    // Within the stack of a thread, whatever it is that goes deep.
    for towering in [
        "#set($x = '#foreach($i in [1])#if(true)#evaluate($x)#end#end')#evaluate($x)",
        "#set($x = '#set($y = \"#evaluate($x)\")')#evaluate($x)",
        "#set($x = '#define($d)#foreach($i in [1])#evaluate($x)#end#end$d')#evaluate($x)",
        "#set($x = '#if(!(true && (1 + 1 == $a.length(\"#evaluate($x)\"))))#end')#evaluate($x)",
    ] {
        assert_eq!(fails(towering), RenderError::Limit("depth"), "{towering}");
    }
    let deep = format!("#set($x = {}{}{})$x", "[".repeat(40), 1, "]".repeat(40));
    assert!(Template::parse(&deep).unwrap().render(&mut context()).is_ok());
    let chain = format!("#set($x = 1{})$x", " + 1".repeat(90));
    assert_eq!(Template::parse(&chain).unwrap().render(&mut context()).unwrap(), "91");
}

#[test]
fn limits_are_the_callers() {
    let mut small = Context::new(Limits { output: 3, ..Limits::default() });
    small.set("a", Value::from("abc"));
    assert_eq!(Template::parse("$a").unwrap().render(&mut small).unwrap(), "abc");
    assert_eq!(Template::parse("$a.").unwrap().render(&mut small), Err(RenderError::Limit("output")));
    assert_eq!(small.limits().output, 3);
}

#[test]
fn regular_expressions_end() {
    let text = "a".repeat(5000);
    let template = format!("#set($s = '{text}b')$s.matches('(a*)*\\1c')");
    assert!(matches!(fails(&template), RenderError::Limit(_) | RenderError::Method(_)));
}
