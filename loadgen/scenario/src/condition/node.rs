//! A condition as a tree: evaluated without parsing its text again.

use std::cmp::Ordering;

use serde_json::Value;

use crate::as_written::{AsWritten, as_f64};
use crate::equality::equal;
use crate::expression::{EvaluationError, Expression, Scope};

#[derive(Debug, Clone)]
pub enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Operator, Operand),
    /// True unless the value is false, null, 0, empty text or an empty list.
    Truthy(Operand),
}

#[derive(Debug, Clone)]
pub enum Operand {
    Expression(Expression),
    Constant(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

impl Node {
    pub fn collect<'a>(&'a self, found: &mut Vec<&'a Expression>) {
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
            Self::Truthy(value) => operand(value),
            Self::Not(node) => node.collect(found),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|n| n.collect(found)),
        }
    }

    pub fn holds(&self, scope: &mut Scope<'_>, text: &str) -> Result<bool, EvaluationError> {
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
            Self::Truthy(operand) => Ok(truth(&operand.value(scope)?)),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(scope)?, right.value(scope)?);
                operator
                    .compare(&left, &right)
                    .map_err(|problem| EvaluationError::new(text, problem))
            }
        }
    }
}

impl Operand {
    fn value(&self, scope: &mut Scope<'_>) -> Result<Value, EvaluationError> {
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
        Value::Object(_) => as_f64(value) != Some(0.0),
    }
}

impl Operator {
    fn compare(self, left: &Value, right: &Value) -> Result<bool, String> {
        let order = || {
            match (left, right) {
            (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
            _ => as_f64(left)
                .zip(as_f64(right))
                .and_then(|(left, right)| left.partial_cmp(&right))
                .ok_or_else(|| {
                    let (left, right) = (AsWritten(left), AsWritten(right));
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
                        "{} is neither a list nor a text that could contain {}",
                        AsWritten(left),
                        AsWritten(right)
                    ));
                }
            },
        })
    }
}
