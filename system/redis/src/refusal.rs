//! What Redis's errors mean: what is said of each, and what it asks of a connection. Must not know which command was refused.

use std::error::Error;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::requirements::{CLUSTER, Fault, INFO};

/// What a server's answer to a command says that was only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It doesn't know the command.
    Unknown,
    /// The user may not send the command.
    Command,
    /// The user may not use the key.
    Key,
    /// The user may not use the channel.
    Channel,
}

/// Reads the answer to a command that was only tried; `None` if nothing is wrong with the command and its key.
pub(crate) fn of_probe(answer: &Value) -> Option<Probe> {
    let Value::ServerError(error) = answer else {
        return None;
    };
    let details = error.details().unwrap_or_default().to_ascii_lowercase();
    if code(error) == "NOPERM" {
        // "… no permissions to access one of the keys used as arguments"; "No permissions to access a key".
        return Some(if details.contains("command") {
            Probe::Command
        } else if details.contains("channel") {
            Probe::Channel
        } else if details.contains("key") {
            Probe::Key
        } else {
            Probe::Command
        });
    }
    let unknown = ["unknown command", "unknown subcommand"];
    let unknown = unknown.iter().any(|words| details.contains(words));
    unknown.then_some(Probe::Unknown)
}

/// The fault of a server that refuses the first command, if it is one that waiting doesn't mend.
pub(crate) fn fault(error: &RedisError, user: &str) -> Option<Fault> {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Some(Fault::Password("it refuses the password or the user"));
    }
    if matches!(
        error.kind(),
        ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::InvalidClientConfig
    ) {
        return Some(Fault::Refused(error.to_string()));
    }
    if let Some(reason) = tls(error) {
        return Some(Fault::Tls(reason));
    }
    match error.code()? {
        "NOAUTH" => Some(Fault::Password("it asks for a password")),
        "WRONGPASS" => Some(Fault::Password("it refuses the password or the user")),
        "NOPERM" => {
            let of_cluster = error.detail().is_some_and(|text| text.contains("cluster"));
            let needed = match of_cluster {
                true => &CLUSTER[..],
                false => &[INFO],
            };
            let rules = needed.iter().map(|one| format!("+{}", one.rule)).collect();
            let user = user.to_owned();
            Some(Fault::Rights { user, rules })
        }
        "ERR" => Some(Fault::Refused(error.to_string())),
        _ => None,
    }
}

/// What TLS says, if it is TLS that failed.
fn tls(error: &RedisError) -> Option<String> {
    let source = error.source()?;
    let inner: &(dyn Error + 'static) = match source.downcast_ref::<Arc<dyn Error + Send + Sync>>()
    {
        Some(shared) => &**shared,
        None => source,
    };
    let of_io = inner.downcast_ref::<std::io::Error>();
    let inner: &(dyn Error + 'static) = match of_io.and_then(std::io::Error::get_ref) {
        Some(within) => within,
        None => inner,
    };
    let tls = inner.downcast_ref::<rustls::Error>()?;
    Some(tls.to_string())
}

/// Whether the server doesn't have the keys, or takes no writes, any more, and carried nothing out: it has become a replica, or its part of a
/// cluster has moved or is moving. Another connection finds who has them.
pub(crate) fn is_elsewhere(error: &ServerError) -> bool {
    matches!(
        code(error),
        "READONLY" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN"
    )
}

/// The same of an error, or of one of a pipeline's.
pub(crate) fn moves(error: &RedisError) -> bool {
    any(error, is_elsewhere)
}

/// Whether an error, or one of a pipeline's, is such a one.
pub(crate) fn any(error: &RedisError, is: fn(&ServerError) -> bool) -> bool {
    let errors = error.clone().into_server_errors();
    errors.is_some_and(|errors| errors.iter().any(|(_, error)| is(error)))
}

/// Whether the server is full: commands that need memory are refused, all others go on.
pub(crate) fn is_full(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if is_oom(error))
}

/// The same of an error.
pub(crate) fn is_oom(error: &ServerError) -> bool {
    code(error) == "OOM"
}

/// The code of an error, or of the one for which a transaction was given up.
fn code(error: &ServerError) -> &str {
    let cause = error
        .details()
        .and_then(|details| details.split_once("because of: "));
    match cause {
        Some((_, cause)) if error.code() == "EXECABORT" => cause.split(' ').next().unwrap_or(cause),
        _ => error.code(),
    }
}

/// What Redis's error is, in words that say what to do.
pub(crate) fn words(error: &RedisError) -> String {
    let about = error.code().and_then(about);
    about.map_or_else(
        || error.to_string(),
        |about| format!("{about} ({})", error.detail().unwrap_or_default()),
    )
}

/// The same for an answer within a pipeline.
pub(crate) fn words_of_answer(error: &ServerError) -> String {
    about(code(error)).map_or_else(
        || error.to_string(),
        |about| format!("{about} ({})", error.details().unwrap_or_default()),
    )
}

/// The words for an error's code.
fn about(code: &str) -> Option<&'static str> {
    Some(match code {
        "READONLY" => {
            "Redis has become a replica, READONLY; the connections are opened anew, to find the new master"
        }
        "LOADING" => "Redis is LOADING its data; it answers when that is done",
        "MASTERDOWN" => "Redis is a replica without its master, MASTERDOWN",
        "MISCONF" => "Redis can't save to its disk and takes no writes, MISCONF; make room there",
        "OOM" => "Redis is full and takes no writes, OOM; give it more memory (maxmemory)",
        "NOREPLICAS" => "Redis has too few replicas and takes no writes, NOREPLICAS",
        "NOPERM" => {
            "the Redis user may not do this, NOPERM; the rights that are needed are in system/README.md"
        }
        "NOAUTH" | "WRONGPASS" => "Redis asks for another user or password",
        "MOVED" | "ASK" | "TRYAGAIN" => {
            "a part of the Redis cluster moves; the connections are opened anew, to find it"
        }
        "CLUSTERDOWN" => {
            "the Redis cluster is down, CLUSTERDOWN; it answers when each slot has a master again"
        }
        "BUSY" => "Redis is BUSY with a script; it goes on when that ends (SCRIPT KILL ends it)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ServerError {
        let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        match answer {
            Value::ServerError(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_error_has_its_own_words() {
        let rows = [
            (
                "READONLY You can't write against a read only replica.",
                "replica",
            ),
            ("LOADING Redis is loading the dataset in memory", "loading"),
            ("MISCONF Redis is configured to save RDB snapshots", "disk"),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                "maxmemory",
            ),
            (
                "EXECABORT Transaction discarded because of: OOM command not allowed",
                "maxmemory",
            ),
            (
                "NOPERM this user has no permissions to run the 'xadd' command",
                "xadd",
            ),
            ("NOAUTH Authentication required.", "password"),
            ("MOVED 866 127.0.0.1:7001", "cluster"),
            ("BUSY Redis is busy running a script.", "SCRIPT KILL"),
        ];
        for (text, fragment) in rows {
            let error = error(text);
            let said = words_of_answer(&error);
            assert!(said.contains(fragment), "{text}: {said}");
            assert_eq!(
                words(&error.into()).contains(fragment),
                !text.starts_with("EXECABORT")
            );
        }
        let other = error("ERR something else");
        assert!(words_of_answer(&other).contains("something else"));
        for cause in ["READONLY You can't", "MOVED 866 127.0.0.1:7001"] {
            let aborted = format!("EXECABORT Transaction discarded because of: {cause}");
            assert!(is_elsewhere(&error(&aborted)) && is_elsewhere(&error(cause)));
        }
        assert!(!is_elsewhere(&error("OOM x")));
        assert!(is_full(&Value::ServerError(error("OOM x"))) && !is_full(&Value::Nil));
    }
}
