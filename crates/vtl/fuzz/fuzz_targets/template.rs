#![no_main]
#![doc = "Fuzzes the language: what is read renders within its limits, or fails by an error."]

use ropeway_vtl::{Context, Limits, Template};

libfuzzer_sys::fuzz_target!(|source: &str| {
    let limits = Limits { steps: 50_000, memory: 1 << 20, output: 1 << 16, ..Limits::default() };
    let Ok(template) = Template::parse(source) else { return };
    if let Ok(rendered) = template.render(&mut Context::new(limits)) {
        assert!(rendered.len() <= limits.output);
    }
});
