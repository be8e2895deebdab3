//! Whether two JSON values mean the same: JSON knows one kind of number, so that 10 and 10.0 are equal, at any depth.

use serde_json::Value;

/// Whether both values mean the same. Whole numbers are compared exactly, others as doubles.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (is_fraction(a, b) && a.as_f64() == b.as_f64())
        }
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

/// Whether one of them is written as a fraction. Two large whole numbers may share a double without being equal.
fn is_fraction(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    a.is_f64() || b.is_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
