//! Expressions between `{{` and `}}`: a variable, the time or a random value, and filters after it. Knows variables
//! by name only.

use std::borrow::Cow;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::filter::{Filter, integer};
use super::vars::Variable;
pub use super::vars::Vars;

/// What an expression may read: layers of variables. The first layer that has a name wins.
pub struct Scope<'a> {
    /// Innermost layer first.
    pub layers: &'a [&'a Vars],
    /// The source of `uuid` and `random:…`; seeded, so that one seed gives one run.
    pub rng: &'a mut SmallRng,
}

/// An expression could not be evaluated: a variable is unset, or a filter does not fit the value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{expression}: {problem}")]
pub struct EvaluationError {
    expression: String,
    problem: String,
}

impl EvaluationError {
    /// An error in a text that contains expressions.
    pub fn new(expression: &str, problem: impl Into<String>) -> Self {
        Self {
            expression: expression.to_owned(),
            problem: problem.into(),
        }
    }
}

#[derive(Debug, Clone)]
enum ValueSource {
    Variable(Variable),
    /// A random version 4 UUID.
    Uuid,
    /// Unix time in seconds, with a fraction.
    Now,
    /// A whole number from an inclusive range.
    Random(i64, i64),
    /// A constant in the expression itself.
    Constant(Value),
}

/// One `{{…}}`: a source and filters, `{{products|sum:/price}}`.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    source: ValueSource,
    filters: Vec<Filter>,
}

impl Expression {
    /// Parses the text between the braces. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let source = Self::parse_source(head)?;
        let filters = parts.map(Filter::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            source,
            filters,
        })
    }

    fn parse_source(head: &str) -> Result<ValueSource, String> {
        if head.is_empty() {
            return Err(
                "an empty {{}}; allowed: a variable, `uuid`, `now`, `random:FROM:TO`".into(),
            );
        }
        if let Some(range) = head.strip_prefix("random:") {
            let (from, to) = range
                .split_once(':')
                .ok_or("`random` needs a range, as in `random:1:100`")?;
            let (from, to) = (integer(Some(from), "random")?, integer(Some(to), "random")?);
            if from > to {
                return Err(format!("`random:{from}:{to}` is an empty range"));
            }
            return Ok(ValueSource::Random(from, to));
        }
        if let Ok(number) = head.parse::<i64>() {
            return Ok(ValueSource::Constant(number.into()));
        }
        match head {
            "uuid" => return Ok(ValueSource::Uuid),
            "now" => return Ok(ValueSource::Now),
            _ => {}
        }
        Variable::parse(head).map(ValueSource::Variable)
    }

    /// The variables this expression reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.reads().map(|(name, _)| name)
    }

    /// The variables this expression reads, each with the fields it descends into.
    pub fn reads(&self) -> impl Iterator<Item = (&str, &[String])> {
        let others = self.filters.iter().filter_map(|filter| match filter {
            Filter::In { list, .. } => Some((list.as_str(), [].as_slice())),
            Filter::Hmac { key, .. } => Some(key.path()),
            _ => None,
        });
        self.path().into_iter().chain(others)
    }

    fn error(&self, problem: impl Into<String>) -> EvaluationError {
        EvaluationError::new(&format!("{{{{{}}}}}", self.text), problem)
    }

    /// The variable this expression begins with, and the fields it descends into.
    pub fn path(&self) -> Option<(&str, &[String])> {
        match &self.source {
            ValueSource::Variable(variable) => Some(variable.path()),
            _ => None,
        }
    }

    /// Whether it has a value even if its variable is unset.
    pub fn has_default(&self) -> bool {
        let is_default = |filter: &Filter| matches!(filter, Filter::Default(_));
        self.filters.iter().any(is_default)
    }

    /// Its text, as it stands between the braces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All values that it may have, where `values_of` gives all that a variable may have; `None` if they are not known, or more than `most`.
    pub(crate) fn possible<'v>(
        &self,
        parameters: &Vars,
        values_of: impl Fn(&str) -> Option<Cow<'v, [Value]>>,
        most: usize,
    ) -> Option<Vec<Value>> {
        let sources: Vec<Value> = match &self.source {
            ValueSource::Constant(value) => vec![value.clone()],
            ValueSource::Random(from, to) if to.abs_diff(*from) < most as u64 => {
                (*from..=*to).map(Value::from).collect()
            }
            ValueSource::Variable(variable) => {
                let values = values_of(&variable.name)?;
                if values.len() > most {
                    return None;
                }
                let descend = |value| {
                    let mut fields = variable.fields.iter();
                    fields.try_fold(value, |value: &Value, field| value.get(field))
                };
                let found = values.iter().map(|value| descend(value).cloned());
                found.collect::<Option<_>>()?
            }
            _ => return None,
        };
        let mut rng = SmallRng::seed_from_u64(0);
        let possible = sources.into_iter().map(|value| {
            let filtered = Self {
                source: ValueSource::Constant(value),
                ..self.clone()
            };
            let mut scope = Scope {
                layers: &[parameters],
                rng: &mut rng,
            };
            Some(filtered.evaluate(&mut scope).ok()?.into_owned())
        });
        possible.collect()
    }

    /// Evaluates the expression. A variable's value is borrowed.
    pub fn evaluate<'s>(
        &self,
        scope: &'s mut Scope<'_>,
    ) -> Result<Cow<'s, Value>, EvaluationError> {
        let mut value = match &self.source {
            ValueSource::Uuid => Ok(Cow::Owned(Value::String(random_uuid(scope.rng)))),
            ValueSource::Now => Ok(Cow::Owned(unix_seconds().into())),
            ValueSource::Random(from, to) => {
                Ok(Cow::Owned(scope.rng.random_range(*from..=*to).into()))
            }
            ValueSource::Constant(value) => Ok(Cow::Owned(value.clone())),
            ValueSource::Variable(variable) => match variable.find(scope.layers) {
                Ok(value) => Ok(Cow::Borrowed(value)),
                Err(problem) => Err(self.error(problem)),
            },
        };
        for filter in &self.filters {
            value = match (filter, value) {
                (Filter::Default(default), Err(_)) => Ok(Cow::Owned(default.clone())),
                (Filter::Default(default), Ok(v)) if v.is_null() => Ok(Cow::Owned(default.clone())),
                (Filter::Default(_), present) => present,
                (_, Err(e)) => Err(e),
                (filter, Ok(v)) => filter
                    .apply(v, scope.layers)
                    .map_err(|problem| self.error(problem)),
            };
        }
        value
    }
}

/// Unix time in seconds, with a fraction.
pub fn unix_seconds() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

fn random_uuid(rng: &mut SmallRng) -> String {
    let bits: u128 = rng.random();
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
