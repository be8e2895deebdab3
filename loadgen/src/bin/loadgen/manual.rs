//! `loadgen completions` and `loadgen man`: what shells and `man` know of the command line, made from it.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use loadgen::terminal::print;

use crate::ending::bad_input;

/// Prints the shell's completion script.
pub fn completions<C: CommandFactory>(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), "loadgen", &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Writes a man page for the program and one for each command into a folder, which is created.
pub fn man<C: CommandFactory>(folder: &Path) -> ExitCode {
    let written = std::fs::create_dir_all(folder);
    match written.and_then(|()| clap_mangen::generate_to(C::command(), folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => bad_input(format!(
            "man pages can't be written to {}: {e}",
            folder.display()
        )),
    }
}
