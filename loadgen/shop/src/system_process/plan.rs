//! What a system is asked to be: its command, its options, its durability, its Redis; and whether it says that it is that. Starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::command::{SystemCommand, refuse_reserved};
use super::error::SystemError;
use super::product::Product;
use super::redis_server::RedisServer;
use loadgen_report::Environment;

/// The option of `ordershop up`.
const DURABILITY: &str = "durability";
/// The durability of a system that starts its own Redis, unless another one is asked for.
const DURABILITY_DEFAULT: &str = "everysec";

/// The option of `ordershop up` that takes no value: here it is `yes` or `no`.
pub const PROCESSES: &str = "processes";

/// A system to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemPlan {
    /// The command.
    pub command: SystemCommand,
    /// Options of `ordershop up` that are asked for besides the command: names and values.
    pub options: BTreeMap<String, String>,
    /// `none`, `everysec` or `always`, if one is asked for besides the command.
    pub durability: Option<String>,
    /// The server that the system runs on.
    pub redis: RedisServer,
    /// Whether what a running server holds may be deleted at the start of a run.
    pub empty_redis: bool,
    /// The address of this machine that the system listens on, at a free port.
    pub listen: IpAddr,
}

impl SystemPlan {
    /// A system on a Redis of its own.
    pub fn new(command: SystemCommand) -> Self {
        Self {
            command,
            options: BTreeMap::new(),
            durability: None,
            redis: RedisServer::Own,
            empty_redis: false,
            listen: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The durability that the command or the option names.
    fn durability_named(&self) -> Option<String> {
        let by_command = self.command.option(DURABILITY);
        by_command.or_else(|| self.durability.clone())
    }

    /// The durability that the system should have; `None` if a running server is taken as it is.
    pub fn durability_asked(&self) -> Option<String> {
        let default = match self.redis {
            RedisServer::Running { .. } => None,
            _ => Some(DURABILITY_DEFAULT.to_owned()),
        };
        self.durability_named().or(default)
    }

    /// The durability that is added to the command: none if the command has one, or if a running server is taken as it is.
    pub(super) fn durability_argument(&self) -> Option<String> {
        match self.command.option(DURABILITY) {
            Some(_) => None,
            None => self.durability_asked(),
        }
    }

    /// The value that is asked for of an option of `ordershop up`.
    pub fn option(&self, name: &str) -> Option<String> {
        let by_command = self.command.option(name);
        let by_command = match name {
            PROCESSES => by_command.map(|_| "yes".to_owned()),
            _ => by_command,
        };
        by_command.or_else(|| self.options.get(name).cloned())
    }

    /// The options that are added to the command.
    pub(super) fn option_arguments(&self) -> Vec<String> {
        let arguments = self.options.iter().flat_map(|(name, value)| {
            let flag = format!("--{name}");
            match (name.as_str(), value.as_str()) {
                (PROCESSES, "no") => vec![],
                (PROCESSES, _) => vec![flag],
                _ => vec![flag, value.clone()],
            }
        });
        arguments.collect()
    }

    /// Refuses an option that each run sets itself, and a durability that is asked for twice, differently.
    ///
    /// # Errors
    /// [`SystemError::Reserved`], [`SystemError::TwoDurabilities`].
    pub fn consistent(self) -> Result<Self, SystemError> {
        refuse_reserved(&self.command, |name| self.option(name).is_some())?;
        match (self.command.option(DURABILITY), &self.durability) {
            (Some(by_command), Some(by_option)) if by_command != *by_option => {
                Err(SystemError::TwoDurabilities {
                    command: self.command.to_string(),
                    by_command,
                    by_option: by_option.clone(),
                })
            }
            _ => Ok(self),
        }
    }

    /// Holds what was asked for against what the system says of itself; `running` is what a running server has said. Returns a warning
    /// about what the system doesn't say.
    ///
    /// # Errors
    /// A text: what was asked for, and what it is instead.
    pub(super) fn check(
        &self,
        running: Option<&Product>,
        said: &Environment,
    ) -> Result<Option<String>, String> {
        let product = match &self.redis {
            RedisServer::Program { product, .. } => Some(product),
            _ => running,
        };
        let redis = product.map(|product| ("Redis", product.to_string(), said.redis()));
        let durability = self.durability_named();
        let durability = durability.map(|asked| (DURABILITY, asked, said.durability.clone()));
        // Another program's command may have options of other names: only those that the system knows, or that were added here, are meant.
        let names = said.system_options.keys().chain(self.options.keys());
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let options = names.into_iter().filter_map(|name| {
            let (asked, found) = (self.option(name)?, said.system_options.get(name));
            let found = found.map(|value| in_words(value, &asked));
            Some((name, asked, found))
        });
        let mut unsaid = Vec::new();
        for (what, asked, found) in redis.into_iter().chain(durability).chain(options) {
            match found {
                Some(found) if !is_same(&asked, &found) => {
                    return Err(format!(
                        "{what} `{asked}` was asked for, but the system says that it has `{found}`"
                    ));
                }
                Some(_) => {}
                None => unsaid.push(format!("{what} `{asked}`")),
            }
        }
        let unsaid = (!unsaid.is_empty()).then(|| {
            let unsaid = unsaid.join(" and ");
            format!("{unsaid} was asked for, and the system does not say whether it has that")
        });
        Ok(unsaid)
    }
}

/// A value that a system says, as it is written on a command line; of a list, which a repeated option makes, the value that was asked for.
fn in_words(value: &Value, asked: &str) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().any(|v| v == asked) => asked.to_owned(),
        other => other.to_string(),
    }
}

/// Whether two texts are one value: `04` is `4`.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    one == other || number(one).is_some_and(|n| number(other) == Some(n))
}

impl fmt::Display for SystemPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)?;
        for argument in self.option_arguments() {
            write!(f, " {argument}")?;
        }
        if let Some(durability) = self.durability_argument() {
            write!(f, " --durability {durability}")?;
        }
        match &self.redis {
            RedisServer::Own => Ok(()),
            redis => write!(f, " on {redis}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(durability: Option<&str>) -> Environment {
        Environment {
            durability: durability.map(str::to_owned),
            ..Environment::default()
        }
    }

    #[test]
    fn a_system_that_says_it_is_another_one_is_refused() {
        let mut plan = SystemPlan::new(SystemCommand::parse("true up").unwrap());
        assert_eq!(plan.check(None, &said(Some("none"))), Ok(None));
        plan.durability = Some("always".into());
        assert_eq!(plan.check(None, &said(Some("always"))), Ok(None));
        let refused = plan.check(None, &said(Some("everysec"))).unwrap_err();
        assert!(
            refused.contains("`always`") && refused.contains("`everysec`"),
            "{refused}"
        );
        let unsaid = plan.check(None, &said(None)).unwrap();
        assert!(unsaid.unwrap().contains("does not say"));
    }

    #[test]
    fn options_are_held_against_what_the_system_says_however_they_are_asked_for() {
        let options = json!({"threads": 4, "processes": true, "scale": ["a=1", "b=2"]});
        let said = Environment {
            system_options: options.as_object().unwrap().clone(),
            ..said(None)
        };
        for (text, options, refused) in [
            ("true up --threads 4 --processes", &[][..], None),
            ("env THREADS=04 true up --scale b=2", &[], None),
            ("true up --colour red", &[], None),
            ("true up --threads=2", &[], Some("threads `2`")),
            ("env THREADS=2 true up", &[], Some("threads `2`")),
            ("true up", &[("threads", "1")], Some("threads `1`")),
            ("true up", &[("processes", "no")], Some("processes `no`")),
            ("true up", &[("scale", "b=1")], Some("scale `b=1`")),
        ] {
            let mut plan = SystemPlan::new(SystemCommand::parse(text).unwrap());
            let options = options.iter();
            plan.options = options
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();

            let checked = plan.check(None, &said);

            match (refused, checked) {
                (None, Ok(None)) => {}
                (Some(says), Err(told)) => assert!(told.starts_with(says), "{told}"),
                (_, checked) => panic!("{text}: {checked:?}"),
            }
        }
        let mut plan = SystemPlan::new(SystemCommand::parse("true up").unwrap());
        plan.options.insert("colour".into(), "red".into());
        let unsaid = plan.check(None, &said).unwrap().unwrap();
        assert!(
            unsaid.starts_with("colour `red` was asked for, and"),
            "{unsaid}"
        );
    }

    #[test]
    fn the_commands_own_durability_is_not_overridden_and_not_contradicted() {
        let command = SystemCommand::parse("env DURABILITY=always true up").unwrap();
        let plan = SystemPlan::new(command);
        assert_eq!(plan.durability_argument(), None);
        assert_eq!(plan.durability_asked().as_deref(), Some("always"));
        let both = SystemPlan {
            durability: Some("none".into()),
            ..plan
        };
        let refused = both.consistent().unwrap_err().to_string();
        assert!(refused.contains("leave one of them out"), "{refused}");
    }
}
