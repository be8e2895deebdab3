//! Parses conditions by recursive descent: `or` binds least, then `and`, then `not`.

use serde_json::Value;

use super::node::{Node, Operand, Operator};
use crate::expression::Expression;

/// The deepest nesting of parentheses and `not`.
const DEPTH_MAX: usize = 32;

/// Longer signs first, or `<=` would be read as `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("contains", Operator::Contains),
];

/// Reads the whole text. The error says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Node, String> {
    let mut reader = ConditionReader {
        rest: text,
        depth: 0,
    };
    let node = reader.any_of()?;
    match reader.rest.trim() {
        "" => Ok(node),
        rest => Err(format!("`{rest}` is left over")),
    }
}

struct ConditionReader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> ConditionReader<'a> {
    /// Consumes a sign or a word if it comes next.
    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(tail) = rest.strip_prefix(sign) else {
            return false;
        };
        let is_word = sign.ends_with(|c: char| c.is_alphabetic());
        if is_word && tail.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = tail;
        true
    }

    fn any_of(&mut self) -> Result<Node, String> {
        let mut nodes = vec![self.all_of()?];
        while self.take("or") {
            nodes.push(self.all_of()?);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::Or(nodes),
        })
    }

    fn all_of(&mut self) -> Result<Node, String> {
        let mut nodes = vec![self.one()?];
        while self.take("and") {
            nodes.push(self.one()?);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::And(nodes),
        })
    }

    fn one(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("parentheses and `not` are nested too deep".into());
        }
        let node = if self.take("not") {
            Node::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.any_of()?;
            if !self.take(")") {
                return Err("a `)` is missing".into());
            }
            inner
        } else {
            let left = self.operand()?;
            let operator = OPERATORS.iter().find(|(sign, _)| self.take(sign));
            match operator {
                Some((_, operator)) => Node::Compare(left, *operator, self.operand()?),
                None => Node::Truthy(left),
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let rest = self.rest.trim_start();
        if let Some(inside) = rest.strip_prefix("{{") {
            let (inside, tail) = inside.split_once("}}").ok_or("`{{` without `}}`")?;
            self.rest = tail;
            return Expression::parse(inside).map(Operand::Expression);
        }
        for quote in ['"', '\''] {
            if let Some(inside) = rest.strip_prefix(quote) {
                let (inside, tail) = inside
                    .split_once(quote)
                    .ok_or_else(|| format!("`{quote}` is not closed"))?;
                self.rest = tail;
                return Ok(Operand::Constant(inside.into()));
            }
        }
        for (word, value) in [
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
        ] {
            if self.take(word) {
                return Ok(Operand::Constant(value));
            }
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let number = serde_json::from_str::<serde_json::Number>(&rest[..end]).map_err(|_| {
            let word = rest.split_whitespace().next().unwrap_or("nothing");
            format!("`{word}` is not a value (write a variable as {{{{…}}}})")
        })?;
        self.rest = &rest[end..];
        Ok(Operand::Constant(Value::Number(number)))
    }
}
