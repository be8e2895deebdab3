//! Whether two JSON values mean the same: JSON knows one kind of number, so that 10 and 10.0 are equal, at any depth.

use std::cmp::Ordering;

use serde_json::Value;

use crate::as_written::{as_f64, number_text};

/// Whether both values mean the same. Whole numbers are compared exactly, others as doubles.
pub fn equal(left: &Value, right: &Value) -> bool {
    if let (Some(a), Some(b)) = (number_text(left), number_text(right)) {
        return a == b || ((is_fraction(&a) || is_fraction(&b)) && same_double(left, right));
    }
    match (left, right) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| equal(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => left == right,
    }
}

/// Whether a number is written as a fraction. Two large whole numbers may share a double without being equal.
fn is_fraction(number: &str) -> bool {
    number == "-0" || number.contains(['.', 'e', 'E'])
}

fn same_double(left: &Value, right: &Value) -> bool {
    let pair = as_f64(left).zip(as_f64(right));
    pair.is_some_and(|(left, right)| left.partial_cmp(&right) == Some(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as_written::parse;
    use serde_json::json;

    #[test]
    fn numbers_are_equal_by_their_value_at_any_depth() {
        for (left, right, expected) in [
            (json!(10), json!(10.0), true),
            (json!(10), json!(10.5), false),
            (json!(0), json!(-0.0), true),
            (
                json!({"a": [1, {"b": 2.0}]}),
                json!({"a": [1.0, {"b": 2}]}),
                true,
            ),
            (json!([1, 2]), json!([1]), false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": null}), json!({"b": null}), false),
            (json!("10"), json!(10), false),
            (
                json!(9_007_199_254_740_993_u64),
                json!(9_007_199_254_740_992_u64),
                false,
            ),
            (json!(true), json!(1), false),
        ] {
            assert_eq!(equal(&left, &right), expected, "{left} and {right}");
        }
    }

    #[test]
    fn numbers_that_no_double_holds_are_compared_as_they_are_written() {
        for (left, right, expected) in [
            ("1.10", "1.1", true),
            ("[1e2]", "[100]", true),
            ("-0", "0", true),
            ("12345678901234567890123", "12345678901234567890123", true),
            ("12345678901234567890123", "12345678901234567890124", false),
            ("1e400", "1e401", false),
            ("1.10", "\"1.10\"", false),
        ] {
            let [a, b]: [Value; 2] = [left, right].map(|text| parse(text).unwrap());
            assert_eq!(equal(&a, &b), expected, "{left} and {right}");
        }
    }
}
