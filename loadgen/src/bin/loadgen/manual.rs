//! `loadgen completions` and `loadgen man`: what shells and `man` know of the command lines, made from them.

use std::path::Path;
use std::process::ExitCode;

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use loadgen::terminal::print;

use crate::ending::bad_input;

/// A program of this package.
#[derive(Clone, Copy, ValueEnum)]
pub enum Program {
    Loadgen,
    CompareReport,
}

/// Prints a program's completion script of the shell.
pub fn completions(shell: Shell, mut program: Command) -> ExitCode {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Writes a man page for each program and one for each of its commands into a folder, which is created.
pub fn man(folder: &Path, programs: impl IntoIterator<Item = Command>) -> ExitCode {
    let mut programs = programs.into_iter();
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| programs.try_for_each(|program| clap_mangen::generate_to(program, folder)));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => bad_input(format!(
            "man pages can't be written to {}: {e}",
            folder.display()
        )),
    }
}
