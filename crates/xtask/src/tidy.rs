//! `cargo xtask tidy`: what compilers and linters do not look at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codegen;
use crate::run::cargo;

/// Most lines of a file.
const MAX_FILE: usize = 800;
/// Most lines of a function.
const MAX_FUNCTION: usize = 80;
/// Licences that dependencies may have.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "0BSD",
    "MIT-0",
    "BlueOak-1.0.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
    "Apache-2.0 WITH LLVM-exception",
    "NCSA",
];

/// Runs every check and lists all that is wrong.
pub fn run(root: &Path) -> Result<(), String> {
    let mut problems = Vec::new();
    let files = tracked(root)?;
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
        if !file.starts_with("crates/api/src") && !is_test(file) {
            lengths(root, file, &mut problems)?;
        }
    }
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "md")) {
        links(root, file, &mut problems)?;
    }
    unread_inputs(root, &mut problems)?;
    licences(root, &mut problems)?;
    if problems.is_empty() { Ok(()) } else { Err(format!("not tidy:\n  {}", problems.join("\n  "))) }
}

/// Tests may hold long tables.
fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs")
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("git: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(PathBuf::from).filter(|file| root.join(file).is_file()).collect())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Files and functions that are too long. Functions are recognised by rustfmt's indentation.
fn lengths(root: &Path, file: &Path, problems: &mut Vec<String>) -> Result<(), String> {
    let text = read(&root.join(file))?;
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > MAX_FILE {
        problems.push(format!("{}: {} lines, more than {MAX_FILE}", file.display(), lines.len()));
    }
    for (number, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        if !declares_function(trimmed) || trimmed.ends_with(';') {
            continue;
        }
        let indent = &line[..line.len() - trimmed.len()];
        let end = format!("{indent}}}");
        let Some(length) = lines[number..].iter().position(|l| **l == end) else { continue };
        if length > MAX_FUNCTION {
            problems.push(format!(
                "{}:{}: a function of {length} lines, more than {MAX_FUNCTION}",
                file.display(),
                number + 1
            ));
        }
    }
    Ok(())
}

fn declares_function(line: &str) -> bool {
    let words = line.split_whitespace();
    let mut rest = words
        .skip_while(|word| word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(word));
    rest.next() == Some("fn")
}

/// Links between documents that lead nowhere.
fn links(root: &Path, file: &Path, problems: &mut Vec<String>) -> Result<(), String> {
    let text = read(&root.join(file))?;
    for part in text.split("](").skip(1) {
        let Some(target) = part.split(')').next() else { continue };
        let path = target.split('#').next().unwrap_or_default();
        if path.is_empty() || path.contains("://") {
            continue;
        }
        let base = file.parent().unwrap_or(Path::new(""));
        if !root.join(base).join(path).exists() {
            problems.push(format!("{}: the link to {target} leads nowhere", file.display()));
        }
    }
    Ok(())
}

/// Members of generated inputs that the service's crate never reads: to be read, or refused in the
/// overlay.
fn unread_inputs(root: &Path, problems: &mut Vec<String>) -> Result<(), String> {
    for entry in std::fs::read_dir(root.join("crates/api/services")).map_err(|e| e.to_string())?.flatten() {
        let path = entry.path();
        let Some(id) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        let api = read(&root.join(format!("crates/api/src/{id}.rs")))?;
        let crate_dir = root.join("crates").join(match id {
            "sts" => "iam",
            "apigatewayv2" => "apigateway",
            "cloudcontrol" => "cloudformation",
            id => id,
        });
        let mut code = String::new();
        collect(&crate_dir.join("src"), &mut code)?;
        // What an overlay makes condition keys and resources of is read by generated code.
        let generated = api.lines().filter(|line| line.contains("keys.add") || line.contains("resource::"));
        generated.for_each(|line| code.push_str(line));
        if code.contains("let _ = input.") {
            problems.push(format!(
                "crates/{id}: `let _ = input.` reads nothing: name the member in `without_effect`"
            ));
        }
        let unread = codegen::without_effect(root, id)?;
        for (owner, field) in input_fields(&api).into_iter().filter(|pair| !unread.contains(pair)) {
            let read = [format!(".{field}"), format!("{field},"), format!("{field} }}"), format!("{field}:")];
            if !read.iter().any(|form| contains_word(&code, form, &field)) {
                problems.push(format!("crates/{id}: {owner}.{field} is neither read nor refused"));
            }
        }
    }
    Ok(())
}

fn contains_word(code: &str, form: &str, field: &str) -> bool {
    code.match_indices(form).any(|(at, found)| {
        let before = code[..at].chars().next_back();
        let after = code[at + found.len()..].chars().next();
        let starts = form.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let ends = !form.ends_with(field) || !after.is_some_and(|c| c.is_alphanumeric() || c == '_');
        starts && ends
    })
}

fn collect(dir: &Path, out: &mut String) -> Result<(), String> {
    for entry in std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&read(&path)?);
        }
    }
    Ok(())
}

/// Fields of the structures that inputs are made of, however deep.
fn input_fields(api: &str) -> Vec<(String, String)> {
    let mut structures = std::collections::BTreeMap::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for line in api.lines() {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            current = Some((rest.split([' ', '<', '(']).next().unwrap_or_default().to_owned(), Vec::new()));
        } else if line == "}" {
            structures.extend(current.take());
        } else if let (Some((_, fields)), Some(rest)) = (&mut current, line.strip_prefix("    pub "))
            && let Some((field, kind)) = rest.split_once(':')
        {
            fields.push((field.to_owned(), kind.to_owned()));
        }
    }
    let mut todo: Vec<String> = structures.keys().filter(|name| name.ends_with("Input")).cloned().collect();
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    while let Some(name) = todo.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        for (field, kind) in structures.get(&name).into_iter().flatten() {
            out.push((name.clone(), field.clone()));
            todo.extend(
                kind.split(|c: char| !c.is_alphanumeric())
                    .filter(|w| structures.contains_key(*w))
                    .map(str::to_owned),
            );
        }
    }
    out.sort();
    out
}

/// Dependencies whose licence is not one of the list.
fn licences(root: &Path, problems: &mut Vec<String>) -> Result<(), String> {
    let output = cargo(root, &["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            problems.push(format!("{} {} has the licence {licence:?}", package["name"], package["version"]));
        }
    }
    Ok(())
}

/// `A OR B`: one of them is enough; `A AND B`: both are needed.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|name| LICENCES.contains(&name.trim())))
}
