//! The language. The expected texts were taken from Apache Velocity 1.7 itself; where a comment says
//! *recorded*, API Gateway's own answer is in the snapshots of <https://github.com/localstack/airspeed>.

use super::{check, refused, table};
use crate::Dialect;

#[test]
fn references() {
    table(&[
        ("$a ${a} $!a $!{a}", "A A A A"),
        ("$q ${q} $!q$!{q}|", "$q ${q} |"),
        ("$m.x ${m.y} $m.q ${m.q.r} $!m.q|", "1 Y $m.q ${m.q.r} |"),
        ("$m['x'] $m[\"y\"] $l[0] $l[-1] $m.y.length()", "1 Y 1 3 1"),
        ("$a. $a.. $a- $a-b ($a)", "A. A.. $a- $a-b (A)"),
        ("${a}text $a$a $a}x", "Atext AA A}x"),
        ("$ $5 $.x ${} ${ a} $[x] $![x]", "$ $5 $.x ${} ${ a} $[x] $![x]"),
        ("$! x", "$ x"),
        ("$a.nope() $a.nope $q.foo() $l.foo", "$a.nope() $a.nope $q.foo() $l.foo"),
        ("$m.empty $l.empty $a.empty", "$m.empty false false"),
        ("$a{x} $a{ x}", "A{ A{ x}"),
        ("$$a $$q #$a", "$A $$q #A"),
    ]);
}

/// "Escaping Valid VTL References" and "Escaping VTL Directives" in the reference.
#[test]
fn escapes() {
    table(&[
        (r"\$a \\$a \\\$a", r"$a \A \$a"),
        (r"\$q \\$q \\\$q", r"\$q \\$q \\$q"),
        (r"\$!a \$!q \${a}", r"$!a \$!q ${a}"),
        (r"$\!a $\!q|", "$!a $!q|"),
        (r"\#if \#foo \#set( \#{if}", r"#if \#foo #set( #{if}"),
        (r"\\#if(true)x#end \\\#if \\#foo", r"\x \#if \\#foo"),
        (r"\\\foo \n \", r"\\\foo \n \"),
    ]);
}

#[test]
fn strings() {
    table(&[
        (r#"#set($k='it''s "x" $a \u0041')$k"#, r#"it's "x" $a \u0041"#),
        (r#"#set($k="a""b $a \u0041\n")$k"#, r#"a"b A A\n"#),
        (r##"#set($k="#if($t)yes#{else}no#end")$k"##, "yes"),
        (r##"#set($k="x $a ## c")$k|"##, "x A |"),
        (r#"#set($k="$")$k#set($k="$q")$k"#, "$$q"),
        (r#"#set($k = "{ ""k"": ""$a"" }")$k"#, r#"{ "k": "A" }"#),
    ]);
    refused(&[("#set($k=\"a\\\"b\")", 1, 13), ("x\n #set($k=\"a)", 2, 10)]);
}

#[test]
fn conditions() {
    table(&[
        ("#if($t)1#{else}2#end#if($f)1#{else}2#end", "12"),
        ("#if($f)1#elseif($t) 2 #else 3#end", " 2 "),
        ("#if($f)1#elseif($f)2#{else}3#end", "3"),
        ("#if($e)e#end#if($z)z#end#if($el)l#end#if($q)q#end", "ezl"),
        // Literals and arithmetic hold for nothing.
        ("#if(\"x\")1#end#if(1)2#end#if(1+1)3#end#if([1])4#end#if((\"x\"))5#end", ""),
        (
            "#if($n == \"5\")a#end#if($n == 5.0)b#end#if($t == \"true\")c#end#if($l == \"[1, 2, 3]\")d#end",
            "abcd",
        ),
        ("#if($q == $r)a#end#if($q == \"\")b#end#if($q != \"\")c#end#if($l == [1,2,3])d#end", "acd"),
        ("#if($n > \"4\")a#end#if($q > 1)b#end#if(!($q > 1))c#end", "c"),
        ("#if($n gt 4 and $n le 5 or not $t)a#end#if($n>4&&$n<6)b#end#if($n ne 5)c#end", "ab"),
        ("#set($x = $n > 3 && $t)$x #set($y = !$t)$y #set($v = not $q)$v", "truefalsetrue"),
    ]);
    refused(&[("#if($t)", 1, 8), ("#end", 1, 5), ("#if $t", 1, 5), ("#if($t)#else x#else#end", 1, 20)]);
}

#[test]
fn arithmetic() {
    table(&[
        ("#set($x = 5 - 3)$x#set($x=$n/2)$x#set($x=$n%2)$x#set($x=-5/2)$x#set($x=-5%2)$x", "221-2-1"),
        ("#set($w=$n/0)$w#set($w=1.5/0)$w#set($w=$n%$z)$w", "$w$w$w"),
        ("#set($x = 2 + 3 * 4 - 6 / 2 % 2)$x #set($y = (2 + 3) * 4)$y", "1320"),
        (
            "#set($x=1.0)$x#set($x=1.5e10)$x#set($x=1e-5)$x#set($x=123456789.5)$x",
            "1.01.5E101.0E-51.234567895E8",
        ),
        (
            "#set($x=100.0/50)$x#set($x=0.1+0.2)$x#set($x=.5*.1)$x#set($x=7.0%4)$x",
            "2.00.300000000000000040.053.0",
        ),
        ("#set($x=2147483647+1)$x#set($x=9223372036854775807+1)$x", "21474836489223372036854775808"),
        ("#set($x=\"a\"+1)$x#set($x=1+\"a\")$x#set($x=\"a\"+$q)$x#set($x=$q+\"a\")$x", "a11aa$q$qa"),
        ("#set($w=$q+1)$w#set($w=$t+1)$w#set($w=\"a\" - 1)$w", "$w$w$w"),
        ("#set($x = $n-1)$x", "$x"),
    ]);
    refused(&[("#set($x = 5-3)", 1, 12)]);
}

#[test]
fn white_space() {
    table(&[
        ("a\n#set($x = 1)  \nb $x", "a\nb 1"),
        ("  #set($x = 1)b", "b"),
        // Spaces after text are text.
        ("a\n  #set($x = 1)\nb", "a\n  b"),
        ("#if($t)\n  y\n#end\nz", "  y\nz"),
        ("#if($t) \n\n  y\n  #end  \nz", "\n  y\n  z"),
        ("#if($t)y#end x\nz", "y x\nz"),
        ("a ## c\n  ## d\nb", "a   b"),
        ("a #* c\n *#\nb #* d", "a \nb "),
        ("#foreach($i in $l)\n  $i\n#end\n.", "  1\n  2\n  3\n."),
        ("#[[ $a #if ]]#|", " $a #if |"),
    ]);
    // Recorded: what stands before a #set after text stays.
    check(&[("\n   #set( $o = {\n \"u\": \"v\"\n } )\n {$o.u}", "\n    {v}")], Dialect::api_gateway());
}

#[test]
fn loops() {
    table(&[
        ("#foreach($i in $l)$i#if($foreach.hasNext),#end#end", "1,2,3"),
        (
            "#foreach($i in $l)$foreach.index$foreach.count$foreach.first$foreach.last #end",
            "01truefalse 12falsefalse 23falsetrue ",
        ),
        ("#foreach($i in $l)$velocityCount#if($velocityHasNext)-#end#end", "1-2-3"),
        ("#foreach($i in $m)$i#end #foreach($e in $m.entrySet())$e.key=$e.value #end", "1Y x=1 y=Y "),
        (
            "#foreach($i in [1..3])$i#end#foreach($i in [2..-1])$i#end#foreach($i in [1..$n])$i#end",
            "123210-112345",
        ),
        ("#foreach($i in $nl)[$i]#end", "[$i][1]"),
        ("#foreach($i in $a)x#end#foreach($i in $q)x#end#foreach($i in $el)x#end|", "|"),
        ("#set($i=9)#foreach($i in $l)#set($i=7)#end$i", "9"),
        ("#foreach($i in $l)$i#end$i", "123$i"),
        (
            "#foreach($i in $l)#foreach($j in [1,2])$foreach.parent.count$foreach.topmost.index #end#end",
            "10 10 21 21 32 32 ",
        ),
        ("#foreach($i in $l)$i#if($i==2)#break#end.#end|", "1.2|"),
        ("#foreach($i in $l)#foreach($j in $l)$i$j#break($foreach.parent)#end#end", "11"),
        ("a#foreach($i in $l)$i#stop#end b", "a1"),
        ("a#break b", "a"),
        ("$foreach.index#foreach($i in [1])$foreach#end", "$foreach.index{}"),
    ]);
    refused(&[
        ("#foreach($i in $l)", 1, 19),
        ("#foreach(1 in $l)#end", 1, 18),
        ("#foreach($i of $l)#end", 1, 19),
    ]);
}

#[test]
fn collections() {
    table(&[
        ("#set($x={\"b\":1,\"a\":{\"c\":[1,\"d\"]}})$x $x.a.c", "{b=1, a={c=[1, d]}} [1, d]"),
        ("#set($x={1:\"a\",true:\"b\"})$x.get(1)$x[true]", "ab"),
        ("#set($x=[1,\"a\",$a,[2],1.5,true,$q])$x", "[1, a, A, [2], 1.5, true, null]"),
        ("#set($x={ })$x#set($x=[])$x#set($x=[\"a\" ,\"b\" ])$x", "{}[][a, b]"),
        (
            "#set($m.k=\"v\")$m#set($m[\"z z\"]=1)$m.get(\"z z\")#set($l[0]=\"q\")$l",
            "{x=1, y=Y, k=v}1[q, 2, 3]",
        ),
        ("#set($q.x=1)$q#set($a.x=1)$a#set($m.x.y=1)$m", "$qA{x=1, y=Y}"),
        ("#set($a=$q)$a", "A"),
    ]);
    refused(&[("#set($x=[ ])", 1, 11), ("#set($x=[1,])", 1, 12), ("#set($x=[1+2])", 1, 11)]);
}

#[test]
fn definitions() {
    table(&[
        ("#define($d)hi $a#end$d $d() #set($a=2)$d #if($d)y#end", "hi A hi A() hi 2 y"),
        ("#define($r)x$r#end$r", "xx$r"),
        ("#evaluate(\"$a#set($b=3)$b\") $b #evaluate('#foreach($i in [1..3])$i#end')", "A3 3 123"),
        (
            "#macro(m $p $o)[$p|$o|$!p]#set($p=9)$p#end#m($n \"s\")$n #m($zz) #m(\"lit\" 5)",
            "[5|s|5]95 [$zz|$o|]9 [lit|5|lit]9",
        ),
        ("#macro(b $x)<$bodyContent|$x>#end#@b(\"1\")BODY $a#end #@b(2)#end", "<BODY A|1> <|2>"),
        ("#macro(m $p)\\$p #end#m('l')#m(5)#m($a)#m([1,$q])", "'l' $p $a [1,$q] "),
        ("$m.x## c\n$a## c\n${m.x}## c\n.", "1## c\nA1."),
        ("#x()#macro(x)d#end#macro(y)1#end#macro(y)2#end#y", "d2"),
        ("#macro(r $i)#if($i>0)$i#set($j=$i - 1)#r($j)#end#end#r(3)", "321"),
        (
            "#foo(1,\"a\" $q bar) #foo x #{foo} #@foo(1) b #end #@foo #set $x = 1",
            "#foo(1,\"a\" $q bar) #foo x #{foo} #@foo(1) b #end #@foo #set $x = 1",
        ),
        ("#13ff93 #1 # x #-", "#13ff93 #1 # x #-"),
        ("#literal() $a #if #end|", "PARSE Encountered \"#\", was expecting \"(\" at line 1, column 19"),
        ("#literal() $a #end|", " $a |"),
        (
            "#macro(r $x)$x#r($x)#end#r(1)",
            "RENDER the template goes over the limit of 20 macros within each other",
        ),
    ]);
}

#[test]
fn what_stands_outside_is_refused_by_name() {
    for name in ["include", "parse"] {
        let error = crate::Template::parse(&format!("a #{name}(\"x\")")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("#{name} is not supported: a template stands alone at line 1, column 3")
        );
    }
    refused(&[
        ("a $", 1, 4),
        ("#", 1, 1),
        ("${a.}", 1, 4),
        ("${a|'x'}", 1, 4),
        ("$a[", 1, 4),
        ("$a[b]", 1, 4),
        ("$true", 1, 2),
        ("#[[ a", 1, 1),
        ("#foreach", 1, 9),
    ]);
}

/// What differs in API Gateway; all of it recorded.
#[test]
fn api_gateway() {
    check(
        &[
            ("Hello $name", "Hello "),
            ("$!q${q.r}$q.s()", ""),
            ("#if($undefined)true#end", "true"),
            ("#if(${q.b.c})yes!#end#if($!q.b)yes!#end", "yes!yes!"),
            ("#if(!$undefined)x#end#if($f)y#end", ""),
            ("#set($m2 = {})#set($i = $m2.put('k', null))#if(\"$m2.k\" == \"\")none#end", "none"),
            ("#macro(try)$a#end#try()", "#try()"),
            ("#evaluate($a) #return($a)", "#evaluate($a) #return($a)"),
            ("#foreach($i in $undefined)x#end", ""),
            ("#foreach($i in $l)$velocityCount,#end", "1,2,3,"),
            ("#define( $x )$foreach.index#end#foreach($i in $l)$x#end", "012"),
            ("#set($x = '123456789')$x.matches('[0-9]*') $x.replaceAll('1.', 'foo')", "true foo3456789"),
            ("#set($x = 100.0 / 50)$x", "2.0"),
        ],
        Dialect::api_gateway(),
    );
}
