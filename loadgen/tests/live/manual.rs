//! Tests what shells and `man` are told of the command line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn loadgen(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = loadgen(&["--help"]);
    let listed = help.lines().skip_while(|l| *l != "Commands:").skip(1);
    let listed = listed.take_while(|l| !l.is_empty());
    // A description that is wrapped is indented further.
    let names = listed.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let names = names.filter_map(|l| l.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Whether a program takes a text without complaint; `None` if it isn't installed.
fn accepts(program: &[&str], text: &[u8]) -> Option<bool> {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let silent = output.stderr.is_empty();
    assert!(silent, "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.status.success() && silent)
}

#[test]
fn completion_scripts_know_every_command_and_are_shell() {
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for (shell, check) in [
        ("bash", ["bash", "-n"]),
        ("zsh", ["zsh", "-n"]),
        ("fish", ["fish", "--no-execute"]),
    ] {
        let script = loadgen(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: no {command}");
        }
        assert!(script.contains("junit"), "{shell}: no option of run");
        let accepted = accepts(&check, script.as_bytes());
        assert_ne!(accepted, Some(false), "{shell}");
        assert!(shell != "bash" || accepted.is_some(), "there is no bash");
    }
}

#[test]
fn compare_report_is_completed_and_described_by_loadgen() {
    for (shell, check) in [("bash", ["bash", "-n"]), ("fish", ["fish", "--no-execute"])] {
        let script = loadgen(&["completions", shell, "compare-report"]);
        let knows = script.contains("compare-report") && script.contains("fail-on");
        assert!(knows && !script.contains("junit"), "{shell}: {script}");
        assert_ne!(accepts(&check, script.as_bytes()), Some(false), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    loadgen(&["man", folder.path().to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.path().join("compare-report.1")).unwrap();
    // What the program itself says with --help.
    let help = Command::new(env!("CARGO_BIN_EXE_compare-report"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options = help.split_whitespace().filter_map(|w| w.strip_prefix("--"));
    let mut options: Vec<&str> = options
        .map(|o| o.trim_matches(['.', ',', ']', '`']))
        .collect();
    options.retain(|o| o.chars().all(|c| c.is_ascii_alphabetic() || c == '-') && !o.is_empty());
    assert!(options.contains(&"noise-band"), "{options:?}");
    for option in options {
        let roff = format!("\\-\\-{}", option.replace('-', "\\-"));
        assert!(page.contains(&roff), "{option}: {page}");
    }
}

#[test]
fn every_command_has_a_man_page_that_can_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    loadgen(&["man", man.to_str().unwrap()]);

    let mut pages: Vec<String> = commands().into_iter().filter(|c| c != "help").collect();
    pages = pages.iter().map(|c| format!("loadgen-{c}.1")).collect();
    pages.push("loadgen.1".to_owned());
    for page in pages {
        let path = man.join(&page);
        let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
        // groff's own check of what it can't set; without it the pages are only there.
        let checked = accepts(&["groff", "-man", "-Tutf8", "-ww", "-z"], &text);
        assert_ne!(checked, Some(false), "{page}");
    }
    assert!(!Path::new("loadgen.1").exists());
}
