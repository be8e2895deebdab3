//! Tests the program in a pseudo-terminal: what the screen shows, what keys do, and whether the terminal is restored.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Loadgen, ROOM, SmallSystem, eventually, open, signal};

/// A pseudo-terminal and the thread that reads it.
struct Terminal {
    keyboard: File,
    /// Held open, so that the terminal's settings can be read after the program has ended.
    inside: File,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All that was written.
    written: Arc<Mutex<Vec<u8>>>,
}

/// Both ends of a pseudo-terminal: the one outside, which is its keyboard, and the one for a program.
fn opened(more: OpenptFlags) -> (File, File) {
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | more).unwrap();
    grantpt(&outside).unwrap();
    unlockpt(&outside).unwrap();
    let name = ptsname(&outside, Vec::new()).unwrap();
    let inside = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    (outside.into(), inside)
}

impl Terminal {
    fn new(columns: u16, rows: u16) -> Self {
        let (keyboard, inside) = opened(OpenptFlags::empty());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            cells(rows),
            cells(columns),
            1_000,
        )));
        let (mut output, shown) = (keyboard.try_clone().unwrap(), screen.clone());
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = written.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            // Reading ends with an error when the last process in the terminal has ended.
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..read]);
                log.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        let terminal = Self {
            keyboard,
            inside,
            screen,
            written,
        };
        terminal.resize(columns, rows);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.inside, size).unwrap();
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// Starts the program in the terminal's foreground.
    fn start(&self, run: Loadgen) -> (Child, Loadgen) {
        self.start_in("xterm-256color", run)
    }

    fn start_in(&self, term: &str, run: Loadgen) -> (Child, Loadgen) {
        let run = run.through(&["setsid", "--ctty"]);
        let stdio = || Stdio::from(self.inside.try_clone().unwrap());
        let mut command = run.command();
        command.env_remove("TERM").env("NO_COLOR", "");
        if !term.is_empty() {
            command.env("TERM", term);
        }
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        (command.spawn().unwrap(), run)
    }

    /// Runs a program in the terminal, with these variables, and returns all that it wrote.
    fn output(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let stdio = || Stdio::from(self.inside.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "sh", "-c", "\"$@\"; echo; echo all of it", "sh"])
            .arg(program)
            .args(arguments)
            .env_remove("TERM")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio());
        command.status().unwrap();
        let text = || String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned();
        eventually("all of it", || text().contains("\nall of it"));
        text()
    }

    /// Whether the screen has a coloured cell.
    fn is_coloured(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            screen
                .cell(row, column)
                .is_some_and(|cell| [cell.fgcolor(), cell.bgcolor()] != [vt100::Color::Default; 2])
        })
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn shows(&self, text: &str) {
        let shown = || self.contents();
        let start = std::time::Instant::now();
        while !shown().contains(text) {
            assert!(
                start.elapsed().as_secs() < 20,
                "`{text}` is not shown:\n{}",
                shown()
            );
            std::thread::yield_now();
        }
    }

    /// Whether the terminal is restored as a shell needs it.
    fn is_as_before(&self) {
        let taken = || {
            let screen = self.screen.lock().unwrap();
            screen.screen().alternate_screen() || screen.screen().hide_cursor()
        };
        eventually("the screen is given back", || !taken());
        let modes = tcgetattr(&self.inside).unwrap();
        let shell = rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON;
        assert!(modes.local_modes.contains(shell), "{:?}", modes.local_modes);
    }
}

fn cells(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

const CTRL_C: &str = "\x03";

fn report(run: &Loadgen) -> serde_json::Value {
    let text = std::fs::read_to_string(run.out().join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn in_terminal(terminal: &Terminal, system: &SmallSystem, scenario: &str) -> (Child, Loadgen) {
    terminal.start(Loadgen::scenario(scenario).target(system))
}

#[test]
fn keys_show_pages_and_help_hold_the_ramp_and_end_the_run_with_a_report() {
    let system = SmallSystem::start();
    let mut terminal = Terminal::new(80, 24);
    let (mut child, run) = in_terminal(&terminal, &system, &open(100, "60s", ""));

    terminal.shows("60 s");
    terminal.shows("PASS so far");
    terminal.press("?");
    terminal.shows("again: stop at once");
    terminal.press(" ");
    terminal.press("2");
    terminal.shows("get thing");
    terminal.resize(120, 40);
    terminal.shows("service time");
    terminal.press("p");
    terminal.shows("HELD at 100.0/s");
    terminal.press("p");
    terminal.shows("s left");
    terminal.press("q");

    assert_eq!(child.wait().unwrap().code(), Some(4));
    terminal.is_as_before();
    terminal.shows("verdict: INTERRUPTED");
    let report = report(&run);
    assert_eq!(report["holds"].as_array().unwrap().len(), 1);
    assert_eq!(report["holds"][0]["rate_per_s"], 100.0);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("was held at 100/s from"), "{warnings}");
}

#[test]
fn ctrl_c_as_a_key_stops_the_run_and_the_second_one_leaves_at_once() {
    let system = SmallSystem::start();
    let mut terminal = Terminal::new(80, 24);
    let (mut child, run) = in_terminal(&terminal, &system, &open(100, "60s", ""));
    terminal.shows("PASS so far");
    system.behaviour.stalled.store(true, Ordering::SeqCst);
    let answered = system.requests();
    eventually("a request that waits", || system.requests() > answered);

    terminal.press(CTRL_C);
    terminal.shows("STOPPING");
    terminal.press(CTRL_C);

    assert_eq!(child.wait().unwrap().code(), Some(4));
    terminal.is_as_before();
    terminal.shows("stopped at once");
    assert!(!run.out().join("report.json").exists());
}

#[test]
fn a_supervisors_signal_ends_the_run_with_a_report_and_gives_the_terminal_back() {
    let system = SmallSystem::start();
    let terminal = Terminal::new(100, 30);
    let (mut child, run) = in_terminal(&terminal, &system, &open(100, "60s", ""));
    terminal.shows("PASS so far");

    signal(&child, "TERM");

    assert_eq!(child.wait().unwrap().code(), Some(4));
    terminal.is_as_before();
    assert_eq!(report(&run)["verdict"]["result"], "INTERRUPTED");
}

#[test]
fn a_run_that_fails_gives_the_terminal_back_before_it_says_why() {
    let system = SmallSystem::start();
    let terminal = Terminal::new(80, 24);
    system.behaviour.failing.store(true, Ordering::SeqCst);
    let set_up = "[[setup]]\nname = \"first\"\nrequest = { method = \"GET\", path = \"/thing\" }\n";
    let scenario = open(10, "60s", "") + set_up;
    let (mut child, _run) = in_terminal(&terminal, &system, &scenario);

    assert_eq!(child.wait().unwrap().code(), Some(1));
    terminal.is_as_before();
    terminal.shows("set-up step `first`");
}

#[test]
fn a_closed_workload_can_not_be_held() {
    let system = SmallSystem::start();
    let mut terminal = Terminal::new(80, 24);
    let closed = open(1, "60s", "").replace(
        "kind = \"open\"\nrate = 1.0",
        "kind = \"closed\"\nusers = 2",
    );
    let (mut child, run) = in_terminal(&terminal, &system, &closed);
    terminal.shows("q end and report");
    terminal.shows("PASS so far");
    assert!(!terminal.contents().contains("p hold"));

    terminal.press("pq");

    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(report(&run).get("holds").is_none());
}

#[test]
fn a_terminal_that_knows_no_escape_sequences_gets_none() {
    let system = SmallSystem::start();
    for (term, more) in [
        ("", &[][..]),
        ("dumb", &[]),
        ("xterm", &["--progress", "plain"]),
    ] {
        let terminal = Terminal::new(80, 24);
        let run = Loadgen::scenario(&open(20, "1s", ROOM)).target(&system);
        let run = run.arguments(more);
        // With a TERM that is able, only colours are forbidden.
        let run = match term {
            "xterm" => run.through(&["env", "NO_COLOR=1"]),
            _ => run,
        };
        let (mut child, _run) = terminal.start_in(term, run);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        terminal.shows("verdict: PASS");
        let written = terminal.written.lock().unwrap();
        assert!(
            !written.contains(&0x1b),
            "TERM={term}: {}",
            String::from_utf8_lossy(&written)
        );
    }
}

#[test]
fn no_color_takes_the_colours_from_the_full_screen_and_leaves_the_screen() {
    let system = SmallSystem::start();
    for (no_color, coloured) in [("", true), ("0", false)] {
        let mut terminal = Terminal::new(80, 24);
        let run = Loadgen::scenario(&open(20, "60s", ROOM)).target(&system);
        let run = run.through(&["env", &format!("NO_COLOR={no_color}")]);
        let (mut child, _run) = terminal.start(run);
        terminal.shows("PASS so far");
        assert_eq!(terminal.is_coloured(), coloured, "NO_COLOR={no_color}");
        terminal.press("q");
        assert_eq!(child.wait().unwrap().code(), Some(4));
    }
}

#[test]
fn both_programs_colour_what_they_say_only_where_that_is_wanted() {
    let system = SmallSystem::start();
    let run = || {
        Loadgen::scenario(&open(20, "1s", ROOM))
            .target(&system)
            .run()
    };
    let (one, other) = (run(), run());
    let [a, b] = [&one, &other].map(|run| run.out.to_str().unwrap());
    let wrong = one.out.with_file_name("wrong.toml");
    std::fs::write(&wrong, "nmae = 1\n").unwrap();
    let loadgen = env!("CARGO_BIN_EXE_loadgen");
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_compare-report"), &[a, b][..]),
        (env!("CARGO_BIN_EXE_compare-report"), &["--help"]),
        (loadgen, &["compare", a, b]),
        (loadgen, &["check", wrong.to_str().unwrap()]),
        (loadgen, &["run", "--nonsense"]),
    ] {
        let written = |variables: &[(&str, &str)]| {
            let terminal = Terminal::new(80, 24);
            terminal.output(program, arguments, variables)
        };
        for variables in [
            &[("TERM", "xterm")][..],
            &[("TERM", "xterm"), ("NO_COLOR", "")],
        ] {
            let text = written(variables);
            assert!(
                text.contains("\x1b["),
                "{arguments:?} {variables:?}: {text}"
            );
        }
        for variables in [
            &[("TERM", "xterm"), ("NO_COLOR", "1")][..],
            &[("TERM", "xterm"), ("NO_COLOR", "false")],
            &[("TERM", "dumb")],
            &[("TERM", "")],
            &[],
        ] {
            let text = written(variables);
            assert!(
                !text.contains('\x1b'),
                "{arguments:?} {variables:?}: {text}"
            );
        }
    }
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_with_its_report() {
    let system = SmallSystem::start();
    // The program must not hold this end itself.
    let (outside, inside) = opened(OpenptFlags::CLOEXEC);
    let run = Loadgen::scenario(&open(100, "60s", "")).target(&system);
    // However the tests were started, the signal isn't ignored.
    let run = run.through(&["env", "--default-signal=HUP", "setsid", "--ctty"]);
    let stdio = || Stdio::from(inside.try_clone().unwrap());
    let mut command = run.command();
    command.env("TERM", "xterm");
    command.stdin(stdio()).stdout(stdio()).stderr(stdio());
    let mut child = command.spawn().unwrap();
    eventually("the first requests", || system.requests() > 10);

    drop((inside, command, outside));

    let status = child.wait().unwrap();
    assert!(status.code().is_some(), "{status}");
    assert_eq!(report(&run)["verdict"]["result"], "INTERRUPTED");
}

#[test]
fn what_is_no_terminal_gets_plain_lines_and_is_refused_a_screen() {
    let system = SmallSystem::start();
    let plain = Loadgen::scenario(&open(50, "2s", "")).target(&system).run();
    assert!(plain.stderr.contains("in flight"), "{}", plain.stderr);
    assert!(!plain.stderr.contains('\x1b'), "{}", plain.stderr);

    let asked = Loadgen::scenario(&open(50, "2s", ""))
        .target(&system)
        .arguments(&["--progress", "tui"])
        .run();
    assert_eq!(asked.code, 2);
    assert!(
        asked.stderr.contains("must be a terminal"),
        "{}",
        asked.stderr
    );

    let none = Loadgen::scenario(&open(50, "1s", ""))
        .target(&system)
        .arguments(&["--progress", "none"])
        .run();
    assert!(!none.stderr.contains("in flight"), "{}", none.stderr);
}
