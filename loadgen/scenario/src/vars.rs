//! Variables by name.

use serde_json::Value;

/// The variables of one journey (or of one set-up iteration), by name.
pub type Vars = serde_json::Map<String, Value>;

/// A variable's value. The first layer that has the name wins.
pub(crate) fn lookup<'v>(layers: &[&'v Vars], name: &str) -> Option<&'v Value> {
    layers.iter().find_map(|layer| layer.get(name))
}

/// A variable, and the fields to descend into: `name`, `name.field`.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub name: String,
    pub fields: Vec<String>,
}

impl Variable {
    /// Parses a name and its fields. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let legal = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        };
        let mut path = text.split('.');
        if !path.clone().all(legal) {
            return Err(format!(
                "`{text}` is not a variable's name (letters, digits, `_`, `-`; fields after a dot)"
            ));
        }
        Ok(Self {
            name: path.next().unwrap_or_default().to_owned(),
            fields: path.map(str::to_owned).collect(),
        })
    }

    /// Its name and the fields.
    pub fn path(&self) -> (&str, &[String]) {
        (&self.name, &self.fields)
    }

    /// Its value. The error says what is missing.
    pub fn find<'v>(&self, layers: &[&'v Vars]) -> Result<&'v Value, String> {
        let value = lookup(layers, &self.name).ok_or_else(|| format!("`{}` is not set", self.name));
        self.fields.iter().fold(value, |value, field| {
            value?
                .get(field)
                .ok_or_else(|| format!("there is no field `{field}`"))
        })
    }
}
