//! What stands between `{{` and `}}`: a variable, a number of this moment or a random one, and filters behind it. Knows variables
//! by name only.

use std::borrow::Cow;

use rand::RngExt;
use rand::rngs::SmallRng;
use serde_json::Value;

/// The variables of one journey (or of one set-up iteration), by name.
pub type Vars = serde_json::Map<String, Value>;

/// What an expression may look at: layers of variables, the first that has a name wins.
pub struct Scope<'a> {
    /// Innermost layer first.
    pub layers: &'a [&'a Vars],
    /// The source of `uuid` and `random:…`; seeded, so that one seed gives one run.
    pub rng: &'a mut SmallRng,
}

impl Scope<'_> {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }
}

/// An expression could not be evaluated: a variable is unset, or a filter does not fit the value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{expression}: {problem}")]
pub struct RenderError {
    expression: String,
    problem: String,
}

impl RenderError {
    /// For something made of expressions.
    pub(super) fn new(expression: &str, problem: impl Into<String>) -> Self {
        Self {
            expression: expression.to_owned(),
            problem: problem.into(),
        }
    }
}

#[derive(Debug, Clone)]
enum Source {
    /// A variable, and the fields to descend into.
    Var { name: String, fields: Vec<String> },
    /// A random version 4 UUID.
    Uuid,
    /// Unix time in seconds, with a fraction.
    Now,
    /// A whole number from an inclusive range.
    Random(i64, i64),
    /// A number or text that stands in the expression itself.
    Constant(Value),
}

#[derive(Debug, Clone)]
enum Filter {
    /// A JSON pointer into each element of an array.
    Each(String),
    /// The sum of whole numbers: of an array's elements, or of what a JSON pointer finds in each.
    Sum(String),
    Length,
    First,
    Last,
    /// A JSON pointer into the value.
    At(String),
    Add(i64),
    Mul(i64),
    Mod(i64),
    /// Whole number → text, padded with zeros to this many digits.
    Pad(usize),
    /// Something → JSON text.
    Json,
    /// Text → number.
    Number,
    /// Anything → text.
    Text,
    Upper,
    Lower,
    /// Text → percent-encoded.
    Url,
    /// A list's elements as one text, with this between them.
    Join(String),
    /// Instead of what is unset, missing or null: JSON, else text.
    Default(Value),
    /// A place in a list, or an array of places → the list's elements there, or what a JSON pointer finds in each.
    In {
        list: String,
        pointer: String,
    },
}

const FILTERS: &str = "each:/pointer, sum, sum:/pointer, length, first, last, at:/pointer, add:N, mul:N, mod:N, pad:N, number, text, upper, lower, url, json, join:TEXT, default:VALUE, in:LIST, in:LIST:/pointer";

/// One `{{…}}`: a source and filters, `{{products|sum:/price}}`.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    source: Source,
    filters: Vec<Filter>,
}

fn integer(argument: Option<&str>, what: &str) -> Result<i64, String> {
    argument
        .and_then(|a| a.trim().parse().ok())
        .ok_or_else(|| format!("`{what}` needs a whole number, as in `{what}:10`"))
}

impl Expression {
    /// Reads what stands between the braces. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let source = Self::parse_source(head)?;
        let filters = parts.map(Self::parse_filter).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            source,
            filters,
        })
    }

    fn parse_source(head: &str) -> Result<Source, String> {
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
            return Ok(Source::Random(from, to));
        }
        if let Ok(number) = head.parse::<i64>() {
            return Ok(Source::Constant(number.into()));
        }
        match head {
            "uuid" => return Ok(Source::Uuid),
            "now" => return Ok(Source::Now),
            _ => {}
        }
        let mut path = head.split('.').map(str::to_owned);
        let name = path.next().unwrap_or_default();
        let legal = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        let fields: Vec<String> = path.collect();
        if !legal(&name) || !fields.iter().all(|f| legal(f)) {
            return Err(format!(
                "`{head}` is not a variable's name (letters, digits, `_`, `-`; fields after a dot)"
            ));
        }
        Ok(Source::Var { name, fields })
    }

    fn parse_filter(text: &str) -> Result<Filter, String> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let pointer = || match argument {
            Some(p) if p.starts_with('/') => Ok(p.to_owned()),
            _ => Err(format!(
                "`{name}` needs a JSON pointer, as in `{name}:/price`"
            )),
        };
        Ok(match name {
            "each" => Filter::Each(pointer()?),
            "sum" if argument.is_none() => Filter::Sum(String::new()),
            "sum" => Filter::Sum(pointer()?),
            "length" => Filter::Length,
            "first" => Filter::First,
            "last" => Filter::Last,
            "at" => Filter::At(pointer()?),
            "add" => Filter::Add(integer(argument, name)?),
            "mul" => Filter::Mul(integer(argument, name)?),
            "mod" => match integer(argument, name)? {
                0 => return Err("`mod:0` divides by zero".into()),
                n => Filter::Mod(n),
            },
            "pad" => Filter::Pad(integer(argument, name)?.clamp(0, 64) as usize),
            "json" => Filter::Json,
            "number" => Filter::Number,
            "text" => Filter::Text,
            "upper" => Filter::Upper,
            "lower" => Filter::Lower,
            "url" => Filter::Url,
            "join" => Filter::Join(argument.unwrap_or_default().to_owned()),
            "default" => {
                let text = argument.ok_or("`default` needs a value, as in `default:0`")?;
                Filter::Default(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
            }
            "in" => {
                let (list, pointer) = match argument.unwrap_or_default().split_once(':') {
                    Some((list, pointer)) => (list, pointer),
                    None => (argument.unwrap_or_default(), ""),
                };
                if list.is_empty() || !(pointer.is_empty() || pointer.starts_with('/')) {
                    return Err("`in` needs a list and perhaps a JSON pointer, as in `in:product_list:/entity_id`".into());
                }
                Filter::In {
                    list: list.to_owned(),
                    pointer: pointer.to_owned(),
                }
            }
            _ => return Err(format!("unknown filter `{name}`; allowed: {FILTERS}")),
        })
    }

    /// The variables this expression reads.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let source = match &self.source {
            Source::Var { name, .. } => Some(name.as_str()),
            _ => None,
        };
        let lists = self.filters.iter().filter_map(|filter| match filter {
            Filter::In { list, .. } => Some(list.as_str()),
            _ => None,
        });
        source.into_iter().chain(lists)
    }

    fn error(&self, problem: impl Into<String>) -> RenderError {
        RenderError::new(&format!("{{{{{}}}}}", self.text), problem)
    }

    /// The variable this expression begins with, and the fields it descends into.
    pub fn path(&self) -> Option<(&str, &[String])> {
        match &self.source {
            Source::Var { name, fields } => Some((name, fields)),
            _ => None,
        }
    }

    /// Whether it has a value even where its variable is unset.
    pub fn has_default(&self) -> bool {
        let is_default = |filter: &Filter| matches!(filter, Filter::Default(_));
        self.filters.iter().any(is_default)
    }

    /// Its value, borrowed where it is a variable's.
    pub fn evaluate<'s>(&self, scope: &'s mut Scope<'_>) -> Result<Cow<'s, Value>, RenderError> {
        let mut value = match &self.source {
            Source::Uuid => Ok(Cow::Owned(Value::String(random_uuid(scope.rng)))),
            Source::Now => Ok(Cow::Owned(unix_seconds().into())),
            Source::Random(from, to) => Ok(Cow::Owned(scope.rng.random_range(*from..=*to).into())),
            Source::Constant(value) => Ok(Cow::Owned(value.clone())),
            Source::Var { name, fields } => self.variable(scope, name, fields).map(Cow::Borrowed),
        };
        for filter in &self.filters {
            value = match (filter, value) {
                (Filter::Default(default), Err(_)) => Ok(Cow::Owned(default.clone())),
                (Filter::Default(default), Ok(v)) if v.is_null() => Ok(Cow::Owned(default.clone())),
                (Filter::Default(_), present) => present,
                (_, Err(e)) => Err(e),
                (filter, Ok(v)) => self.apply(filter, v, scope.layers),
            };
        }
        value
    }

    fn variable<'s>(
        &self,
        scope: &'s Scope<'_>,
        name: &str,
        fields: &[String],
    ) -> Result<&'s Value, RenderError> {
        let mut value = scope
            .lookup(name)
            .ok_or_else(|| self.error(format!("`{name}` is not set")))?;
        for field in fields {
            value = value
                .get(field)
                .ok_or_else(|| self.error(format!("there is no field `{field}`")))?;
        }
        Ok(value)
    }

    fn apply<'s>(
        &self,
        filter: &Filter,
        value: Cow<'s, Value>,
        layers: &[&Vars],
    ) -> Result<Cow<'s, Value>, RenderError> {
        let array = || value.as_array().ok_or_else(|| self.error("not an array"));
        let number = || {
            value
                .as_i64()
                .ok_or_else(|| self.error("not a whole number"))
        };
        let at = |v: &Value, pointer: &str| {
            v.pointer(pointer)
                .cloned()
                .ok_or_else(|| self.error(format!("nothing at `{pointer}`")))
        };
        let result: Value = match filter {
            Filter::Each(pointer) => array()?
                .iter()
                .map(|v| at(v, pointer))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            Filter::Sum(pointer) => {
                let mut sum = 0_i64;
                for element in array()? {
                    let found = element.pointer(pointer).and_then(Value::as_i64);
                    sum += found
                        .ok_or_else(|| self.error(format!("no whole number at `{pointer}`")))?;
                }
                sum.into()
            }
            Filter::Length => match &*value {
                Value::Array(items) => items.len().into(),
                Value::String(text) => text.chars().count().into(),
                _ => return Err(self.error("neither an array nor text")),
            },
            Filter::First => array()?
                .first()
                .cloned()
                .ok_or_else(|| self.error("an empty array"))?,
            Filter::Last => array()?
                .last()
                .cloned()
                .ok_or_else(|| self.error("an empty array"))?,
            Filter::At(pointer) => at(&value, pointer)?,
            Filter::Add(n) => (number()?.wrapping_add(*n)).into(),
            Filter::Mul(n) => (number()?.wrapping_mul(*n)).into(),
            Filter::Mod(n) => number()?.rem_euclid(*n).into(),
            Filter::Pad(width) => format!("{:0width$}", number()?).into(),
            Filter::Json => value.to_string().into(),
            Filter::Number => match &*value {
                Value::String(text) => serde_json::from_str::<serde_json::Number>(text.trim())
                    .map_err(|_| self.error(format!("`{text}` is not a number")))?
                    .into(),
                number if number.is_number() => number.clone(),
                _ => return Err(self.error("neither text nor a number")),
            },
            Filter::Text => plain(&value).into(),
            Filter::Upper => plain(&value).to_uppercase().into(),
            Filter::Lower => plain(&value).to_lowercase().into(),
            Filter::Url => percent_encoded(&plain(&value)).into(),
            Filter::Join(between) => {
                let texts: Vec<String> = array()?.iter().map(plain).collect();
                texts.join(between).into()
            }
            // Decided before a filter is applied, because it also stands in for errors.
            Filter::Default(_) => return Ok(value),
            Filter::In { list, pointer } => {
                let list = layers
                    .iter()
                    .find_map(|layer| layer.get(list))
                    .and_then(Value::as_array)
                    .ok_or_else(|| self.error(format!("`{list}` is not a list")))?;
                let element = |place: &Value| {
                    let place = place.as_u64().and_then(|n| usize::try_from(n).ok());
                    let element = place.and_then(|n| list.get(n)).ok_or_else(|| {
                        self.error(format!("no place in a list of {} elements", list.len()))
                    })?;
                    at(element, pointer)
                };
                match &*value {
                    Value::Array(places) => places
                        .iter()
                        .map(element)
                        .collect::<Result<Vec<_>, _>>()?
                        .into(),
                    place => element(place)?,
                }
            }
        };
        Ok(Cow::Owned(result))
    }
}

/// A value as text: without quotes where it is text, else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every byte but RFC 3986's unreserved characters as `%XX`: good in paths, queries and forms.
pub(super) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            _ => write!(out, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
    out
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
