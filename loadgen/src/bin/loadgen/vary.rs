//! `--vary OPTION=VALUE,VALUE`: the same system several times, each time with another value of one option.

use std::collections::BTreeMap;
use std::str::FromStr;

use loadgen::ab::Side;
use loadgen_report::compare::{DURABILITY, REDIS};
use loadgen_shop::system_process::{PROCESSES, RedisServer, SystemError, SystemPlan};

use crate::scenario_arguments::DURABILITIES;

/// The option whose values are servers, not values of an option of `ordershop up`.
const SERVER: &str = "redis";

/// An option and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varied {
    option: String,
    values: Vec<String>,
}

/// A system with one of the values.
pub struct Variant {
    /// The value as it is shown.
    pub label: String,
    /// How the system is started.
    pub plan: SystemPlan,
    /// What differs, and the value.
    pub asked: BTreeMap<String, String>,
}

impl FromStr for Varied {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            "write OPTION=VALUE,VALUE with an option of `ordershop up`, or redis=PATH|URL,PATH|URL";
        let (option, values) = text.split_once('=').ok_or(form)?;
        let option = option.trim_start_matches('-');
        let values: Vec<String> = values.split(',').map(|v| v.trim().to_owned()).collect();
        if option.is_empty() || values.iter().any(String::is_empty) {
            return Err(form.to_owned());
        }
        if !(2..=Side::ALL.len()).contains(&values.len()) {
            return Err(format!("give 2 to {} values", Side::ALL.len()));
        }
        let allowed: &[&str] = match option {
            DURABILITY => &DURABILITIES,
            PROCESSES => &["no", "yes"],
            _ => &[],
        };
        match values.iter().find(|v| !allowed.contains(&v.as_str())) {
            Some(value) if !allowed.is_empty() => {
                let allowed = allowed.join(", ");
                Err(format!(
                    "`{value}` is no value of {option}; allowed: {allowed}"
                ))
            }
            _ => Ok(Self {
                option: option.to_owned(),
                values,
            }),
        }
    }
}

impl Varied {
    /// The option, as it is shown.
    pub fn option(&self) -> &str {
        &self.option
    }

    /// The variants of a system.
    ///
    /// # Errors
    /// A server can't be used, or the system's command has the option already.
    pub fn variants(&self, base: &SystemPlan) -> Result<Vec<Variant>, SystemError> {
        let variants = self.values.iter().map(|value| self.variant(base, value));
        let mut variants: Vec<Variant> = variants.collect::<Result<_, _>>()?;
        // The same value again is a control: it must have a name of its own.
        for at in (1..variants.len()).rev() {
            let label = variants[at].label.clone();
            let before = variants[..at].iter().filter(|v| v.label == label).count();
            if before > 0 {
                variants[at].label = format!("{label}, again ({})", before + 1);
            }
        }
        Ok(variants)
    }

    fn variant(&self, base: &SystemPlan, value: &str) -> Result<Variant, SystemError> {
        let mut plan = base.clone();
        let named = match self.option.as_str() {
            SERVER => base.redis != RedisServer::Own,
            option => base.option(option).is_some(),
        };
        if named || (self.option == DURABILITY && base.durability.is_some()) {
            return Err(SystemError::Varied {
                option: self.option.clone(),
            });
        }
        let (what, label, value) = match self.option.as_str() {
            SERVER => {
                plan.redis = RedisServer::parse(value)?;
                (
                    REDIS.to_owned(),
                    plan.redis.to_string(),
                    plan.redis.to_string(),
                )
            }
            DURABILITY => {
                plan.durability = Some(value.to_owned());
                (DURABILITY.to_owned(), self.named(value), value.to_owned())
            }
            option => {
                let (name, value) = (option.to_owned(), value.to_owned());
                plan.options.insert(name, value.clone());
                (format!("--{option}"), self.named(&value), value)
            }
        };
        Ok(Variant {
            label,
            plan: plan.consistent()?,
            asked: BTreeMap::from([(what, value)]),
        })
    }

    fn named(&self, value: &str) -> String {
        format!("{}={value}", self.option)
    }
}
