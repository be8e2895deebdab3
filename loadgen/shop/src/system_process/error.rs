//! Why a system could not be started, each with what to do.

/// The system could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The program was not found.
    #[error(
        "the program `ordershop` was not found beside this one or on PATH; give a running system (--target URL), give its path (--system-bin), or build it (cargo build --release)"
    )]
    Missing,
    /// The command can't be parsed.
    #[error(
        "`{0}` is not a command: give a program and its arguments, as in `target/release/ordershop up`, with quotes closed"
    )]
    NoCommand(String),
    /// The command's program was not found.
    #[error(
        "`{command}`: there is no program `{program}`, neither as a file nor on PATH; name one that is there (--system-bin, --a, --b), or a running system (--target URL)"
    )]
    NoProgram {
        /// The command.
        command: String,
        /// Its first word.
        program: String,
    },
    /// The command could not be run.
    #[error("{command} could not be started: {error}")]
    Start {
        /// The build command.
        command: String,
        /// The cause.
        error: std::io::Error,
    },
    /// The command has an option that each run sets itself.
    #[error("`{command}`: {option} can't be set here; {instead}")]
    Reserved {
        /// The command.
        command: String,
        /// The option or variable.
        option: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The option that is varied is set besides.
    #[error("--vary {option}: the system is given this option besides; leave one of them out")]
    Varied {
        /// The option.
        option: String,
    },
    /// The durability is asked for twice, differently.
    #[error(
        "`{command}` asks for durability {by_command}, and --durability for {by_option}; leave one of them out"
    )]
    TwoDurabilities {
        /// The command.
        command: String,
        /// The durability that the command names.
        by_command: String,
        /// The durability that the option names.
        by_option: String,
    },
    /// The Redis whose network this run disturbs could not be started.
    #[error("a Redis behind a proxy could not be started: {0}")]
    Redis(String),
    /// The Redis that was asked for can't be used.
    #[error("{server}: {problem}")]
    Server {
        /// The server as it was given, without its password.
        server: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The system ended, or printed no ready line in time.
    #[error("{command} did not become ready ({problem}); {log_end}")]
    NotReady {
        /// The build command.
        command: String,
        /// What happened instead.
        problem: String,
        /// Where its log is, and its last lines.
        log_end: String,
    },
    /// The system says that it is not what was asked for.
    #[error("{command}: {differs}")]
    Another {
        /// The command.
        command: String,
        /// What was asked for, and what the system says.
        differs: String,
    },
}
