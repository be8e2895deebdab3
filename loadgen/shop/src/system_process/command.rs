//! The command that starts a system, as it is typed, and what it asks for. Starts nothing.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::SystemError;

const NAME: &str = "ordershop";
/// The program whose first arguments are variables.
const ENV: &str = "env";

/// What each run sets itself, and what to do instead of setting it.
const RESERVED: [(&str, &str); 3] = [
    ("listen", "each run has a free port of its own"),
    ("data-dir", "each run has a data folder of its own"),
    (
        "redis-url",
        "name the server with --redis, or in a comparison with --a-redis and --b-redis",
    ),
];

/// The command that starts a system: a program and its arguments. The address, durability and data folder are appended at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl SystemCommand {
    /// `ordershop up`, with the given program (checked at the start), or with `ordershop` beside this program or on PATH.
    ///
    /// # Errors
    /// If no program is given and none is found.
    pub fn ordershop(given: Option<&Path>) -> Result<Self, SystemError> {
        let program = match given {
            Some(given) => given.to_owned(),
            None => find().ok_or(SystemError::Missing)?,
        };
        Ok(Self::new(&program, &["up"]))
    }

    /// This program with these arguments.
    pub fn new(program: &Path, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
        }
    }

    /// Sets a variable of the system's environment.
    #[must_use]
    pub fn with_variable(self, name: &str, value: &str) -> Self {
        let arguments = [format!("{name}={value}").into(), self.program.into()];
        Self {
            program: ENV.into(),
            arguments: arguments.into_iter().chain(self.arguments).collect(),
        }
    }

    /// The program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The command, ready for more arguments.
    pub(super) fn to_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// The value that the command gives an option of `ordershop up`: as `--name value`, `--name=value`, or by the option's variable behind
    /// `env`. Empty for a switch.
    pub fn option(&self, name: &str) -> Option<String> {
        let words: Vec<_> = self.arguments.iter().map(|a| a.to_string_lossy()).collect();
        let flag = format!("--{name}");
        let by_flag = words.iter().enumerate().find_map(|(i, word)| {
            let value = match word.strip_prefix(&flag)? {
                "" => words.get(i + 1).map_or("", |next| next),
                rest => rest.strip_prefix('=')?,
            };
            Some(value.to_owned())
        });
        let variable = name.to_uppercase().replace('-', "_") + "=";
        let variables = words
            .iter()
            .take_while(|w| w.contains('=') || w.starts_with('-'));
        let is_env = self.program.file_name() == Some(OsStr::new(ENV));
        by_flag.or_else(|| {
            let values = variables.filter_map(|word| word.strip_prefix(&variable));
            values
                .last()
                .filter(|v| is_env && !v.is_empty())
                .map(str::to_owned)
        })
    }

    /// Parses a command as typed, with quotes, but without a shell. Its program must exist.
    ///
    /// # Errors
    /// If it is empty, a quote is open, the program does not exist, or it sets what each run sets itself.
    pub fn parse(text: &str) -> Result<Self, SystemError> {
        let mut words = shlex::split(text).unwrap_or_default().into_iter();
        let Some(program) = words.next() else {
            return Err(SystemError::NoCommand(text.to_owned()));
        };
        if !is_there(Path::new(&program)) {
            return Err(SystemError::NoProgram {
                command: text.to_owned(),
                program,
            });
        }
        let parsed = Self {
            program: program.into(),
            arguments: words.map(OsString::from).collect(),
        };
        refuse_reserved(&parsed, |name| parsed.option(name).is_some())?;
        Ok(parsed)
    }
}

/// Refuses the options that each run sets itself; `asked` is whether the system is asked for one.
pub(super) fn refuse_reserved(
    command: &SystemCommand,
    asked: impl Fn(&str) -> bool,
) -> Result<(), SystemError> {
    match RESERVED.iter().find(|(name, _)| asked(name)) {
        None => Ok(()),
        Some((name, instead)) => Err(SystemError::Reserved {
            command: command.to_string(),
            option: format!("--{name} ({})", name.to_uppercase().replace('-', "_")),
            instead,
        }),
    }
}

impl fmt::Display for SystemCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        let mut arguments = self.arguments.iter();
        arguments.try_for_each(|a| write!(f, " {}", a.to_string_lossy()))
    }
}

/// The path of `ordershop`: beside this program, or on PATH.
fn find() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|me| Some(me.parent()?.join(NAME)));
    beside.filter(|p| p.is_file()).or_else(|| on_path(NAME))
}

pub(super) fn is_there(program: &Path) -> bool {
    match program.to_str() {
        Some(name) if !name.contains(std::path::MAIN_SEPARATOR) => on_path(name).is_some(),
        _ => program.is_file(),
    }
}

pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_asks_for_is_read_from_its_options_and_from_variables_behind_env() {
        for (text, expected) in [
            ("true up --durability always", Some("always")),
            ("true up --durability=always", Some("always")),
            ("env A=1 DURABILITY=none true up", Some("none")),
            (
                "env DURABILITY=none true up --durability always",
                Some("always"),
            ),
            ("env DURABILITY= true up", None),
            ("true up DURABILITY=none", None),
            ("true up --durability-of-something x", None),
        ] {
            let command = SystemCommand::parse(text).unwrap();
            assert_eq!(command.option("durability").as_deref(), expected, "{text}");
        }
        let made = SystemCommand::new(Path::new("true"), &["up"]).with_variable("THREADS", "2");
        assert_eq!(made.to_string(), "env THREADS=2 true up");
        assert_eq!(made.option("threads").as_deref(), Some("2"));
    }

    #[test]
    fn what_each_run_sets_itself_is_refused_with_what_to_do_instead() {
        for (text, says) in [
            ("true up --listen 127.0.0.1:1", "free port"),
            ("env DATA_DIR=/tmp true up", "data folder of its own"),
            ("env REDIS_URL=redis://h true up", "--a-redis"),
        ] {
            let refused = SystemCommand::parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
