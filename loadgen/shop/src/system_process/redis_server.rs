//! Which Redis or Valkey a system is measured on: the one that it finds, a program, or a running server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::command::{is_there, on_path};
use super::environment;
use super::error::SystemError;
use super::product::Product;
use super::running_redis::RunningRedis;
use crate::processes::REDIS_PROGRAMS;

/// The server that a system runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RedisServer {
    /// The system starts the one that it finds.
    #[default]
    Own,
    /// The system starts this program.
    Program {
        /// Its absolute path.
        path: PathBuf,
        /// What it says that it is.
        product: Product,
    },
    /// A server that runs already.
    Running {
        /// Its address, with its password.
        url: String,
        /// Its address as it may be shown.
        shown: String,
    },
}

impl RedisServer {
    /// A server as it is named: a program's path or name, or a running server's address.
    ///
    /// # Errors
    /// The program is no Redis or Valkey, or the address can't be read.
    pub fn parse(text: &str) -> Result<Self, SystemError> {
        if text.contains("://") {
            let shown = RunningRedis::shown(text)?;
            let url = text.to_owned();
            return Ok(Self::Running { url, shown });
        }
        let wrong = |problem: &str| SystemError::Server {
            server: text.to_owned(),
            problem: problem.to_owned(),
        };
        if !is_there(Path::new(text)) {
            return Err(wrong(
                "there is no such program, neither as a file nor on PATH; give the path of a redis-server or valkey-server, or the address of a running one, redis://host:port",
            ));
        }
        let found = match text.contains(std::path::MAIN_SEPARATOR) {
            true => None,
            false => on_path(text),
        };
        // Not the real path: Debian's redis-server is a link to a program that does what its name says.
        let path = std::path::absolute(found.unwrap_or_else(|| text.into()));
        let path = path.map_err(|e| wrong(&e.to_string()))?;
        let product = product(&path).map_err(|problem| wrong(&problem))?;
        Ok(Self::Program { path, product })
    }

    /// A folder in which the names that a system looks for lead to the program; `None` if it is no program.
    pub(super) fn programs(&self) -> std::io::Result<Option<TempDir>> {
        let Self::Program { path, .. } = self else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        for name in REDIS_PROGRAMS {
            std::os::unix::fs::symlink(path, folder.path().join(name))?;
        }
        Ok(Some(folder))
    }

    /// The program, if it is one.
    pub(super) fn program(&self) -> Option<&Path> {
        match self {
            Self::Program { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("a Redis of its own"),
            Self::Program { path, product } => write!(f, "{product} ({})", path.display()),
            Self::Running { shown, .. } => f.write_str(shown),
        }
    }
}

/// What a server program says of itself, as in `Redis server v=7.0.15 sha=…`.
fn product(path: &Path) -> Result<Product, String> {
    let output = Command::new(path)
        .arg("--version")
        .env_clear()
        .envs(environment::made(None))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("it can't be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let server = text.split_whitespace().next().unwrap_or_default();
    let version = text.split_whitespace().find_map(|w| w.strip_prefix("v="));
    match (server, version) {
        ("Redis" | "Valkey", Some(version)) => Ok(Product {
            server: server.to_lowercase(),
            version: version.to_owned(),
        }),
        _ => {
            let line = text.lines().next().unwrap_or_default();
            Err(format!(
                "it is no Redis or Valkey server: with --version it says `{line}`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_server_is_refused_and_an_address_is_shown_without_its_password() {
        for (text, says) in [
            ("no-such-server", "no such program"),
            ("/bin/echo", "no Redis or Valkey server"),
            ("http://127.0.0.1:1", "redis://"),
        ] {
            let refused = RedisServer::parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
        let running = RedisServer::parse("redis://ada:secret@127.0.0.1:7001/3").unwrap();
        assert_eq!(running.to_string(), "redis://127.0.0.1:7001/3");
    }
}
