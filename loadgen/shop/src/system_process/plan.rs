//! What a system is asked to be: its command, its durability, its Redis; and whether it says that it is that. Starts nothing.

use std::fmt;

use super::command::SystemCommand;
use super::error::SystemError;
use super::product::Product;
use super::redis_server::RedisServer;
use loadgen_report::Environment;

/// The option of `ordershop up`.
const DURABILITY: &str = "durability";
/// The durability of a system that starts its own Redis, unless another one is asked for.
const DURABILITY_DEFAULT: &str = "everysec";

/// A system to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemPlan {
    /// The command.
    pub command: SystemCommand,
    /// `none`, `everysec` or `always`, if one is asked for besides the command.
    pub durability: Option<String>,
    /// The server that the system runs on.
    pub redis: RedisServer,
    /// Whether what a running server holds may be deleted at the start of a run.
    pub empty_redis: bool,
}

impl SystemPlan {
    /// A system on a Redis of its own.
    pub fn new(command: SystemCommand) -> Self {
        Self {
            command,
            durability: None,
            redis: RedisServer::Own,
            empty_redis: false,
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

    /// Refuses a durability that is asked for twice, differently.
    ///
    /// # Errors
    /// [`SystemError::TwoDurabilities`].
    pub fn consistent(self) -> Result<Self, SystemError> {
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
        let mut unsaid = Vec::new();
        for (what, asked, found) in redis.into_iter().chain(durability) {
            match found {
                Some(found) if found != asked => {
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

impl fmt::Display for SystemPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)?;
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
