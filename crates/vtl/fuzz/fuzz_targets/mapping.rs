#![no_main]
#![doc = "Fuzzes mapping templates: the first line is the body, the rest the template."]

use ropeway_vtl::Limits;
use ropeway_vtl::apigateway::{Input, parse, render};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (body, source) = text.split_once('\n').unwrap_or(("{}", text));
    let limits = Limits { steps: 50_000, memory: 1 << 20, output: 1 << 16, ..Limits::default() };
    let Ok(template) = parse(source) else { return };
    let _outcome = render(&template, &Input { body: body.into(), ..Input::default() }, limits);
});
