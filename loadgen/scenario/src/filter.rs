//! The filters after a `|` in an expression: one value in, one value out. Must not know where the value comes from.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::as_written::{self, AsWritten, number_text};
use super::vars::{Variable, Vars, lookup};

/// One filter.
#[derive(Debug, Clone)]
pub(super) enum Filter {
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
    /// Any value → JSON text.
    Json,
    /// Text → number.
    Number,
    /// Any value → text.
    Text,
    Upper,
    Lower,
    /// Text → percent-encoded.
    Url,
    /// A list's elements as one text, with this between them.
    Join(String),
    /// Text → base64.
    Base64,
    /// Text → base64 for URLs, without padding.
    Base64Url,
    /// Base64, of either alphabet, → text.
    Base64Decode,
    /// Text → its SHA-256.
    Sha256(DigestForm),
    /// Text → its HMAC-SHA-256; the key is a variable.
    Hmac {
        key: Variable,
        form: DigestForm,
    },
    /// The value to use instead of an unset, missing or null one: JSON, else text.
    Default(Value),
    /// An index into a list, or an array of indexes → the list's elements there, or what a JSON pointer finds in each.
    In {
        list: String,
        pointer: String,
    },
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum DigestForm {
    /// Lower-case hexadecimal digits.
    Hex,
    Base64,
    Base64Url,
}

impl DigestForm {
    fn parse(text: Option<&str>, filter: &str) -> Result<Self, String> {
        match text {
            None | Some("hex") => Ok(Self::Hex),
            Some("base64") => Ok(Self::Base64),
            Some("base64url") => Ok(Self::Base64Url),
            Some(other) => Err(format!(
                "`{filter}` can't be written as `{other}`; allowed: hex, base64, base64url"
            )),
        }
    }

    fn write(self, digest: &[u8]) -> String {
        match self {
            Self::Hex => digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Base64 => STANDARD.encode(digest),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(digest),
        }
    }
}

/// The widest number that `pad` makes.
const PAD_MAX: usize = 64;
const FILTERS: &str = "each:/pointer, sum, sum:/pointer, length, first, last, at:/pointer, add:N, mul:N, mod:N, pad:N, number, text, upper, lower, url, json, base64, base64url, base64_decode, sha256, sha256:base64, hmac:KEY, hmac:KEY:base64, join:TEXT, default:VALUE, in:LIST, in:LIST:/pointer";

/// Parses the whole number of a filter or source. The error shows an example.
pub(super) fn integer(argument: Option<&str>, what: &str) -> Result<i64, String> {
    argument
        .and_then(|a| a.trim().parse().ok())
        .ok_or_else(|| format!("`{what}` needs a whole number, as in `{what}:10`"))
}

impl Filter {
    /// Parses the text after a `|`. The error says what is allowed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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
            "each" => Self::Each(pointer()?),
            "sum" if argument.is_none() => Self::Sum(String::new()),
            "sum" => Self::Sum(pointer()?),
            "length" => Self::Length,
            "first" => Self::First,
            "last" => Self::Last,
            "at" => Self::At(pointer()?),
            "add" => Self::Add(integer(argument, name)?),
            "mul" => Self::Mul(integer(argument, name)?),
            "mod" => match integer(argument, name)? {
                0 => return Err("`mod:0` divides by zero".into()),
                n => Self::Mod(n),
            },
            "pad" => match usize::try_from(integer(argument, name)?) {
                Ok(width @ ..=PAD_MAX) => Self::Pad(width),
                _ => {
                    return Err(format!(
                        "`{text}` is out of range; allowed: pad:0 to pad:{PAD_MAX}"
                    ));
                }
            },
            "json" => Self::Json,
            "number" => Self::Number,
            "text" => Self::Text,
            "upper" => Self::Upper,
            "lower" => Self::Lower,
            "url" => Self::Url,
            "base64" => Self::Base64,
            "base64url" => Self::Base64Url,
            "base64_decode" => Self::Base64Decode,
            "sha256" => Self::Sha256(DigestForm::parse(argument, name)?),
            "hmac" => {
                let (key, form) = match argument.unwrap_or_default().split_once(':') {
                    Some((key, form)) => (key, Some(form)),
                    None => (argument.unwrap_or_default(), None),
                };
                if key.is_empty() {
                    return Err(
                        "`hmac` needs the variable that holds its key, as in `hmac:env.SECRET`"
                            .into(),
                    );
                }
                Self::Hmac {
                    key: Variable::parse(key)?,
                    form: DigestForm::parse(form, name)?,
                }
            }
            "join" => Self::Join(argument.unwrap_or_default().to_owned()),
            "default" => {
                let text = argument.ok_or("`default` needs a value, as in `default:0`")?;
                Self::Default(as_written::parse(text).unwrap_or_else(|_| text.into()))
            }
            "in" => {
                let (list, pointer) = match argument.unwrap_or_default().split_once(':') {
                    Some((list, pointer)) => (list, pointer),
                    None => (argument.unwrap_or_default(), ""),
                };
                if list.is_empty() || !(pointer.is_empty() || pointer.starts_with('/')) {
                    return Err("`in` needs a list and perhaps a JSON pointer, as in `in:product_list:/entity_id`".into());
                }
                Self::In {
                    list: list.to_owned(),
                    pointer: pointer.to_owned(),
                }
            }
            _ => return Err(format!("unknown filter `{name}`; allowed: {FILTERS}")),
        })
    }

    /// Applies the filter. The error says why the value does not fit.
    pub(super) fn apply<'s>(
        &self,
        value: Cow<'s, Value>,
        layers: &[&Vars],
    ) -> Result<Cow<'s, Value>, String> {
        let array = || value.as_array().ok_or_else(|| String::from("not an array"));
        let number = || {
            value
                .as_i64()
                .ok_or_else(|| String::from("not a whole number"))
        };
        let at = |v: &Value, pointer: &str| {
            v.pointer(pointer)
                .cloned()
                .ok_or_else(|| format!("nothing at `{pointer}`"))
        };
        let result: Value = match self {
            Self::Each(pointer) => array()?
                .iter()
                .map(|v| at(v, pointer))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            Self::Sum(pointer) => {
                let mut sum = 0_i64;
                for element in array()? {
                    let found = element.pointer(pointer).and_then(Value::as_i64);
                    sum += found.ok_or_else(|| format!("no whole number at `{pointer}`"))?;
                }
                sum.into()
            }
            Self::Length => match &*value {
                Value::Array(items) => items.len().into(),
                Value::String(text) => text.chars().count().into(),
                _ => return Err(String::from("neither an array nor text")),
            },
            Self::First => array()?
                .first()
                .cloned()
                .ok_or_else(|| String::from("an empty array"))?,
            Self::Last => array()?
                .last()
                .cloned()
                .ok_or_else(|| String::from("an empty array"))?,
            Self::At(pointer) => at(&value, pointer)?,
            Self::Add(n) => (number()?.wrapping_add(*n)).into(),
            Self::Mul(n) => (number()?.wrapping_mul(*n)).into(),
            Self::Mod(n) => number()?.rem_euclid(*n).into(),
            Self::Pad(width) => format!("{:0width$}", number()?).into(),
            Self::Json => AsWritten(&value).to_string().into(),
            Self::Number => match &*value {
                Value::String(text) => as_written::parse(text.trim())
                    .ok()
                    .filter(|number| number_text(number).is_some())
                    .ok_or_else(|| format!("`{text}` is not a number"))?,
                number if number_text(number).is_some() => number.clone(),
                _ => return Err(String::from("neither text nor a number")),
            },
            Self::Text => plain(&value).into(),
            Self::Upper => plain(&value).to_uppercase().into(),
            Self::Lower => plain(&value).to_lowercase().into(),
            Self::Url => percent_encoded(&plain(&value)).into(),
            Self::Base64 => STANDARD.encode(plain(&value)).into(),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(plain(&value)).into(),
            Self::Base64Decode => String::from_utf8(base64_decoded(&plain(&value))?)
                .map_err(|_| String::from("the bytes are not UTF-8 text"))?
                .into(),
            Self::Sha256(form) => form.write(&Sha256::digest(plain(&value))).into(),
            Self::Hmac { key, form } => {
                let key = plain(key.find(layers)?);
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|e| e.to_string())?;
                mac.update(plain(&value).as_bytes());
                form.write(&mac.finalize().into_bytes()).into()
            }
            Self::Join(between) => {
                let texts: Vec<String> = array()?.iter().map(plain).collect();
                texts.join(between).into()
            }
            // Handled before filters are applied, because it also replaces errors.
            Self::Default(_) => return Ok(value),
            Self::In { list, pointer } => {
                let list = lookup(layers, list)
                    .and_then(Value::as_array)
                    .ok_or_else(|| format!("`{list}` is not a list"))?;
                let element = |place: &Value| {
                    let place = place.as_u64().and_then(|n| usize::try_from(n).ok());
                    let element = place
                        .and_then(|n| list.get(n))
                        .ok_or_else(|| format!("not a list index below {}", list.len()))?;
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
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => AsWritten(other).to_string(),
    }
}

/// The bytes of base64 text: of either alphabet, with or without padding, white space aside. The error says what is wrong.
pub fn base64_decoded(text: &str) -> Result<Vec<u8>, String> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // Constants, because an engine has tables that are made of its alphabet.
    const URL_SAFE: &GeneralPurpose = &GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    const STANDARD: &GeneralPurpose = &GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let text: String = text.split_whitespace().collect();
    let engine = match text.contains(['-', '_']) {
        true => URL_SAFE,
        false => STANDARD,
    };
    let decoded = engine.decode(&text);
    decoded.map_err(|e| format!("not base64: {e}"))
}

/// Percent-encodes every byte except RFC 3986's unreserved characters, for paths, queries and forms.
pub fn percent_encoded(text: &str) -> String {
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
