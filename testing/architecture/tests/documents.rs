//! What the documents name exists: links and their headings, files, the functions and tests that stand behind a file.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that only an example names.
const EXAMPLE: &str = "voucher";
/// What may stand before a name that a file declares.
const DECLARATIONS: [&str; 7] = [
    "fn ",
    "struct ",
    "enum ",
    "trait ",
    "const ",
    "type ",
    "macro_rules! ",
];
/// Folders of the repository in which a backticked path begins.
const FOLDERS: [&str; 8] = [
    "benches/",
    "deploy/",
    "docs/",
    "loadgen/",
    "reports/",
    "scenarios/",
    "system/",
    "testing/",
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().unwrap()
}

/// Every Markdown file of the repository, generated folders left out.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "runs" {
                folders.push(path);
            } else if name.ends_with(".md") && name != "CHANGELOG.md" {
                found.push(path);
            }
        }
    }
    found
}

/// A document's lines outside of code blocks, each with its number.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The names under which a document's headings are linked.
fn anchors(text: &str) -> HashSet<String> {
    let headings = prose(text)
        .into_iter()
        .filter_map(|(_, line)| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn declares(text: &str, name: &str) -> bool {
    DECLARATIONS.iter().any(|declaration| {
        let wanted = format!("{declaration}{name}");
        text.match_indices(&wanted).any(|(at, _)| {
            let after = text[at + wanted.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    })
}

/// What one line names and does not exist: paths, names in backticks right behind a path, and names of tests behind a path.
fn missing_names(line: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut file: Option<(&str, String)> = None;
    let mut check = |file: &Option<(&str, String)>, name: &str| {
        if let Some((path, text)) = file
            && !declares(text, name)
        {
            missing.push(format!("{path} declares no {name}"));
        }
    };
    let mut absent = Vec::new();
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 0 {
            let words = part.split(|c: char| !c.is_alphanumeric() && c != '_');
            for test in words.filter(|word| word.matches('_').count() >= 3) {
                check(&file, test);
            }
            if !matches!(part, " " | ", ") {
                file = None;
            }
        } else if FOLDERS.iter().any(|folder| part.starts_with(folder)) {
            let path = root().join(part);
            if !part.contains(EXAMPLE) && !part.contains(['{', '*', '<']) && !path.exists() {
                absent.push(format!("{part} does not exist"));
            }
            file = fs::read_to_string(path).ok().map(|text| (part, text));
        } else if is_identifier(part) {
            check(&file, part);
        } else {
            file = None;
        }
    }
    missing.extend(absent);
    missing
}

/// The targets of a line's links within the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

fn missing_target(document: &Path, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    if !file.exists() {
        return Some(format!("the link {target} leads nowhere"));
    }
    let has_heading =
        anchor.is_empty() || anchors(&fs::read_to_string(file).unwrap()).contains(anchor);
    (!has_heading).then(|| format!("the link {target} names no heading"))
}

#[test]
fn every_link_path_and_name_in_the_documents_exists() {
    let documents = documents();
    assert!(documents.len() > 10, "{documents:?}");
    let mut missing = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for (number, line) in prose(&text) {
            let dead = links(line).filter_map(|target| missing_target(document, target));
            let found = dead.chain(missing_names(line));
            missing.extend(found.map(|what| format!("{}:{number}: {what}", document.display())));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn a_name_that_a_file_does_not_declare_is_found() {
    let here = "testing/architecture/tests/documents.rs";
    let rows = [
        (format!("see `{here}` `missing_names`, `declares`."), 0),
        (format!("see `{here}` `missing_names`, `missing_n`."), 1),
        (format!("see `{here}`, and elsewhere `missing_n`."), 0),
        (
            format!("| `{here}` a_name_that_a_file_does_not_declare_is_found |"),
            0,
        ),
        (format!("| `{here}` a_name_that_nobody_has |"), 1),
        ("`system/nowhere.rs`".to_owned(), 1),
    ];
    for (line, count) in rows {
        assert_eq!(missing_names(&line).len(), count, "{line}");
    }
}
