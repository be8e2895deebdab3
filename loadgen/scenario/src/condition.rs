//! Conditions of steps and loops: `{{status}} == "OPEN" and {{items|length}} > 0`. Compiled once, evaluated per journey. Knows
//! expressions and constants; must not know what depends on a condition.

mod node;
mod reader;

use serde::{Deserialize, Deserializer};

use super::expression::{EvaluationError, Expression, Scope};
use node::Node;

const ALLOWED: &str = "comparisons (== != < <= > >= contains) of {{expressions}}, numbers, \"texts\", true, false and null, put together with `and`, `or`, `not` and parentheses";

/// A compiled condition.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    node: Node,
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
    pub fn holds(&self, scope: &mut Scope<'_>) -> Result<bool, EvaluationError> {
        self.node.holds(scope, &self.text)
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
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use serde_json::json;

    use super::*;

    fn evaluated(text: &str) -> Result<bool, EvaluationError> {
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
