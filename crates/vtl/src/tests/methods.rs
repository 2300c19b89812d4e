//! The methods of Java's classes. The expected texts were taken from Velocity 1.7 on Java 17.

use super::table;

#[test]
fn of_strings() {
    table(&[
        (
            "$a.concat('x').toLowerCase() $a.length() $a.equals('A') $a.equalsIgnoreCase('a')",
            "ax 1 true true",
        ),
        (
            "#set($s='Grüße 😀!')$s.length() $s.substring(2,4) $s.indexOf('!') $s.toUpperCase()",
            "9 üß 8 GRÜSSE 😀!",
        ),
        ("#set($s='a,b,,')$s.split(',').size() $s.split(',', -1).size() $s.split(',', 2).get(1)", "2 4 b,,"),
        ("#set($s='a,b')$s.replace(',', ';') $s.split('').size() $s.split('q')[0]", "a;b 3 a,b"),
        (
            "#set($s='foobar')$s.replaceAll('(o+)', '<$1>') $s.replaceFirst('o', '\\$') $s.matches('f.*')",
            "f<oo>bar f$obar true",
        ),
        (
            "#set($s=' x ')[$s.trim()] $s.isEmpty() $s.contains('x') $s.startsWith(' ') $s.charAt(1)",
            "[x] false true true x",
        ),
        (
            "#set($s='abcb')$s.lastIndexOf('b') $s.indexOf('b',2) $s.compareTo('abd') $s.hashCode()",
            "3 3 -1 2987072",
        ),
        (
            "$a.format('%5d|%-4s|%05.1f|%x|%,d|%%|%b', 42, 'ab', 3.14159, 255, 1234567, true)",
            "   42|ab  |003.1|ff|1,234,567|%|true",
        ),
        ("$a.concat(5)$a.nope('x')", "$a.concat(5)$a.nope('x')"),
        ("$a.format('%.2f %.0f %.1f %.3f', 1.005, 0.5, 99.95, 2.0)", "1.01 1 100.0 2.000"),
        (
            "#set($s='aé1.b')$s.replaceAll('\\w', 'x') $s.replaceAll('[^\\d]', '') $s.split('\\Q.\\E').size()",
            "xéx.x 1 2",
        ),
        ("$a.substring(9)", "RENDER begin 9, end 1, length 1"),
    ]);
}

#[test]
fn of_lists() {
    table(&[
        (
            "$l.size() $l.isEmpty() $l.contains(2) $l.indexOf(3) $l.get(0) $l.subList(0,2)",
            "3 false true 2 1 [1, 2]",
        ),
        (
            "$l.add(4)$l $l.remove(0)$l $l.set(0,'s')$l $l.addAll([7,8])$l $l.clear()$l",
            "true[1, 2, 3, 4] 1[2, 3, 4] 2[s, 3, 4] true[s, 3, 4, 7, 8] []",
        ),
        (
            "$l.remove('x') $l.hashCode() $l.equals([1,2,3]) $l.toString() $l.iterator().next()",
            "false 30817 true [1, 2, 3] 1",
        ),
        ("$l.get(9)", "RENDER Index 9 out of bounds for length 3"),
        ("$l[9]", "RENDER Index 9 out of bounds for length 3"),
        ("$l.join(',')$l.get('0')", "$l.join(',')$l.get('0')"),
    ]);
}

#[test]
fn of_maps() {
    table(&[
        (
            "$m.put('a',1)|$m.put('a',2)|$m|$m.remove('a')|$m.containsKey('x')|$m.containsValue(1)",
            "$m.put('a',1)|1|{x=1, y=Y, a=2}|2|true|true",
        ),
        (
            "$m.keySet() $m.values() $m.entrySet() $m.size() $m.getOrDefault('q', 3) $m.isEmpty() $m.hashCode()",
            "[x, y] [1, Y] [x=1, y=Y] 2 3 false 153",
        ),
        ("$m.putAll({'p':1})$m $m.entrySet().iterator().next().getKey()", "{x=1, y=Y, p=1} x"),
        ("$m.put('n', $q)$m $m.get('n')", "$m.put('n', $q){x=1, y=Y, n=null} $m.get('n')"),
    ]);
}

#[test]
fn of_numbers() {
    table(&[
        (
            "$n.intValue() $n.toString().length() $n.equals(5) $n.compareTo(3) $n.parseInt('7') $n.doubleValue()",
            "5 1 true 1 7 5.0",
        ),
        ("#set($d=2.75)$d.intValue() $d.toString() $t.toString() $t.booleanValue()", "2 2.75 true true"),
        ("$n.parseInt('x')", "RENDER For input string: \"x\""),
    ]);
}
