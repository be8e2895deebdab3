//! An event's data, kept as it came: a scenario awaits one or two of its values, so only the way to those is read. Must not know what is
//! awaited.

use std::borrow::Cow;
use std::fmt;

use loadgen_scenario::as_written;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use serde_json::value::RawValue;

/// An event's data: JSON that has been found to be whole.
#[derive(Debug)]
pub struct EventData(Box<RawValue>);

impl From<&RawValue> for EventData {
    fn from(data: &RawValue) -> Self {
        Self(data.to_owned())
    }
}

impl EventData {
    /// The value at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<Value> {
        at(&self.0, pointer)
    }

    /// The JSON, as it came.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

/// The value at a JSON pointer in data that is not kept.
pub(super) fn at(data: &RawValue, pointer: &str) -> Option<Value> {
    let way = match pointer {
        "" => Way(None),
        _ => Way(Some(pointer.strip_prefix('/')?)),
    };
    let mut json = serde_json::Deserializer::from_str(data.get());
    way.deserialize(&mut json).ok().flatten()
}

/// The rest of a pointer, without its first slash; `None` at its end.
#[derive(Clone, Copy)]
struct Way<'p>(Option<&'p str>);

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let Some(rest) = self.0 else {
            let found: &RawValue = serde::Deserialize::deserialize(json)?;
            let found = as_written::parse(found.get());
            return found.map(Some).map_err(D::Error::custom);
        };
        let (token, further) = match rest.split_once('/') {
            Some((token, further)) => (token, Some(further)),
            None => (rest, None),
        };
        let token = match token.contains('~') {
            true => Cow::Owned(token.replace("~1", "/").replace("~0", "~")),
            false => Cow::Borrowed(token),
        };
        json.deserialize_any(Fork {
            token: &token,
            way: Way(further),
        })
    }
}

/// Where one value of an object or an array leads on.
struct Fork<'t, 'p> {
    token: &'t str,
    way: Way<'p>,
}

impl<'de> Visitor<'de> for Fork<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_on_the_way) = fields.next_key_seed(Named(self.token))? {
            match is_on_the_way {
                true => found = fields.next_value_seed(self.way)?,
                false => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let is_number = self.token == "0" || !self.token.starts_with(['0', '+']);
        let index = self.token.parse::<usize>().ok().filter(|_| is_number);
        for _ in 0..index.unwrap_or(0) {
            if elements.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = match index {
            Some(_) => elements.next_element_seed(self.way)?.flatten(),
            None => None,
        };
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a field has this name.
struct Named<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<bool, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_in_text_what_it_finds_in_a_value() {
        let text = r#"{"a": [1, {"b/c": "x", "d~": null}, [2.5, true]], "e": {"": -3, "f": "\u00e9\"", "e": 1}, "01": 7}"#;
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let whole: Value = serde_json::from_str(text).unwrap();
        let data = EventData::from(raw);
        for (pointer, is_there) in [
            ("", true),
            ("/a", true),
            ("/a/0", true),
            ("/a/1/b~1c", true),
            ("/a/1/d~0", true),
            ("/a/2/1", true),
            ("/e/", true),
            ("/e/f", true),
            ("/e/e", true),
            ("/01", true),
            ("/a/00", false),
            ("/a/01", false),
            ("/a/+1", false),
            ("/a/-", false),
            ("/a/3", false),
            ("/a/x", false),
            ("/a/0/0", false),
            ("/a/1/d~0/g", false),
            ("/e/f/0", false),
            ("/", false),
            ("a", false),
        ] {
            let found = data.at(pointer);
            assert_eq!(found.as_ref(), whole.pointer(pointer), "{pointer}");
            assert_eq!(found.is_some(), is_there, "{pointer}");
        }
    }
}
