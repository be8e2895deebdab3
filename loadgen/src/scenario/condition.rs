//! Conditions of steps and loops: `{{status}} == "OPEN" and {{items|length}} > 0`. Compiled once, evaluated per journey. Knows
//! expressions and constants; must not know what depends on a condition.

mod reader;

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::expression::{Expression, RenderError, Scope};

const ALLOWED: &str = "comparisons (== != < <= > >= contains) of {{expressions}}, numbers, \"texts\", true, false and null, put together with `and`, `or`, `not` and parentheses";

/// A compiled condition.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Operator, Operand),
    /// True unless the value is false, null, 0, empty text or an empty list.
    True(Operand),
}

#[derive(Debug, Clone)]
enum Operand {
    Expression(Expression),
    Constant(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

impl Condition {
    /// The condition's text, as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The condition's expressions.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.node.collect(&mut found);
        found
    }

    /// The condition's value, if it has no expression and so never changes.
    pub fn constant(&self) -> Option<bool> {
        use rand::SeedableRng;
        let mut rng = rand::rngs::SmallRng::seed_from_u64(0);
        let mut scope = Scope {
            layers: &[],
            rng: &mut rng,
        };
        match self.expressions().is_empty() {
            true => self.holds(&mut scope).ok(),
            false => None,
        }
    }

    /// Whether the condition holds now. Fails if a variable is unset, or if values of different types are ordered.
    pub fn holds(&self, scope: &mut Scope<'_>) -> Result<bool, RenderError> {
        self.node.holds(scope, &self.text)
    }
}

impl Node {
    fn collect<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        let mut operand = |o: &'a Operand| {
            if let Operand::Expression(expression) = o {
                found.push(expression);
            }
        };
        match self {
            Self::Compare(left, _, right) => {
                operand(left);
                operand(right);
            }
            Self::True(value) => operand(value),
            Self::Not(node) => node.collect(found),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|n| n.collect(found)),
        }
    }

    fn holds(&self, scope: &mut Scope<'_>, text: &str) -> Result<bool, RenderError> {
        match self {
            Self::And(nodes) => {
                for node in nodes {
                    if !node.holds(scope, text)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(nodes) => {
                for node in nodes {
                    if node.holds(scope, text)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(node) => Ok(!node.holds(scope, text)?),
            Self::True(operand) => Ok(truth(&operand.value(scope)?)),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(scope)?, right.value(scope)?);
                operator
                    .compare(&left, &right)
                    .map_err(|problem| RenderError::new(text, problem))
            }
        }
    }
}

impl Operand {
    fn value(&self, scope: &mut Scope<'_>) -> Result<Value, RenderError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Expression(expression) => Ok(expression.evaluate(scope)?.into_owned()),
        }
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        // 1 and 1.0 are the same number.
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

impl Operator {
    fn compare(self, left: &Value, right: &Value) -> Result<bool, String> {
        let order = || {
            match (left, right) {
            (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
            _ => left
                .as_f64()
                .zip(right.as_f64())
                .and_then(|(left, right)| left.partial_cmp(&right))
                .ok_or_else(|| {
                    format!("{left} and {right} can't be ordered (the filter `number` turns text into a number)")
                }),
        }
        };
        Ok(match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::Less => order()? == Ordering::Less,
            Self::LessOrEqual => order()? != Ordering::Greater,
            Self::Greater => order()? == Ordering::Greater,
            Self::GreaterOrEqual => order()? != Ordering::Less,
            Self::Contains => match (left, right) {
                (Value::Array(items), one) => items.iter().any(|item| equal(item, one)),
                (Value::String(text), Value::String(part)) => text.contains(part),
                _ => {
                    return Err(format!(
                        "{left} is neither a list nor a text that could contain {right}"
                    ));
                }
            },
        })
    }
}

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let node = reader::read(text).map_err(|problem| {
            format!("`{text}` is not a condition: {problem}; allowed: {ALLOWED}")
        })?;
        Ok(Self {
            text: text.to_owned(),
            node,
        })
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": ALLOWED })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use serde_json::json;

    use super::*;

    fn evaluated(text: &str) -> Result<bool, RenderError> {
        let vars = json!({ "status": "OPEN", "n": 3, "ids": ["a", "b"], "none": [], "price": 2.5, "text": "10" });
        let vars = vars.as_object().unwrap();
        let mut rng = SmallRng::seed_from_u64(1);
        let condition: Condition = text.parse().unwrap();
        condition.holds(&mut Scope {
            layers: &[vars],
            rng: &mut rng,
        })
    }

    #[test]
    fn conditions_compare_what_variables_hold() {
        let rows = [
            ("{{status}} == \"OPEN\"", true),
            ("{{status}} != 'OPEN'", false),
            ("{{n}} == 3.0", true),
            ("{{n}} >= 3 and {{price}} < 3", true),
            ("{{n}} > 3 or {{ids|length}} == 2", true),
            ("not {{none}}", true),
            ("{{ids}} contains \"b\"", true),
            ("{{status}} contains \"PEN\"", true),
            ("not ({{n}} == 1 or {{n}} == 2) and {{ids}}", true),
            ("{{text|number}} > 9", true),
            ("{{missing|default:null}} == null", true),
            ("{{n|mod:2}} == 0", false),
            ("{{n}} == -3", false),
        ];
        for (text, expected) in rows {
            assert_eq!(evaluated(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn values_without_an_order_are_an_error_instead_of_an_answer() {
        let error = evaluated("{{text}} > 9").unwrap_err().to_string();
        assert!(error.contains("number"), "{error}");
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_one_may_be() {
        for (text, says) in [
            ("status == 1", "{{…}}"),
            ("{{a}} ==", "nothing"),
            ("({{a}}", "`)`"),
            ("{{a}} {{b}}", "left over"),
            ("{{a|shout}}", "unknown filter"),
            ("{{a}} == \"x", "not closed"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_condition_without_a_variable_never_changes() {
        let constant = |text: &str| text.parse::<Condition>().unwrap().constant();
        assert_eq!(constant("1 == 2 or false"), Some(false));
        assert_eq!(constant("{{a}} == 2"), None);
    }
}
